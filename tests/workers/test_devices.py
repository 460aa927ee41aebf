"""Where a job is placed."""

from __future__ import annotations

import pytest

from workers.devices import Devices, DeviceUnavailable

CPU = ["cpu"]
GPUS = ["cpu", "cuda:0", "cuda:1"]


@pytest.mark.parametrize(
    ("have", "wanted", "placed"),
    [
        (CPU, "auto", "cpu"),
        (CPU, "cpu", "cpu"),
        (GPUS, "auto", "cuda:0"),
        (GPUS, "cpu", "cpu"),
        (GPUS, "cuda", "cuda:0"),
        (GPUS, "cuda:1", "cuda:1"),
    ],
)
def test_a_job_gets_what_it_asks_for(have: list[str], wanted: str, placed: str) -> None:
    with Devices(have).use(wanted) as devices:
        assert devices == [placed]


@pytest.mark.parametrize(
    ("have", "wanted", "placed"),
    [
        (CPU, "auto", ["cpu", "cpu"]),
        (GPUS, "cpu", ["cpu", "cpu"]),
        (GPUS, "auto", ["cuda:0", "cuda:1"]),
        (GPUS[:2], "auto", ["cpu", "cpu"]),
        ([*GPUS, "cuda:2"], "cuda", ["cuda:1", "cuda:2"]),
    ],
)
def test_each_process_of_a_job_has_a_gpu_of_its_own(
    have: list[str], wanted: str, placed: list[str]
) -> None:
    devices = Devices(have)
    with devices.use("cuda:0" if len(have) > 3 else "cpu"), devices.use(wanted, 2) as found:
        assert found == placed


def test_fewer_gpus_than_processes_are_refused() -> None:
    refused = "3 processes, each on a device cuda of its own; its worker has cpu, cuda:0, cuda:1"
    with pytest.raises(DeviceUnavailable, match=refused), Devices(GPUS).use("cuda", 3):
        pass


@pytest.mark.parametrize(("have", "wanted"), [(CPU, "cuda"), (CPU, "cuda:0"), (GPUS, "cuda:2")])
def test_a_device_that_is_not_here_is_refused_by_name(have: list[str], wanted: str) -> None:
    with pytest.raises(DeviceUnavailable, match=wanted), Devices(have).use(wanted):
        pass


def test_jobs_are_spread_over_the_accelerators() -> None:
    devices = Devices(GPUS)
    with devices.use("cuda") as first, devices.use("auto") as second:
        assert {*first, *second} == {"cuda:0", "cuda:1"}
        with devices.use("cuda:0"), devices.use("auto") as fourth:
            assert fourth == ["cuda:1"]
    with devices.use("auto") as again:
        assert again == ["cuda:0"]
