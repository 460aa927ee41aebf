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
    with Devices(have).use(wanted) as device:
        assert device == placed


@pytest.mark.parametrize(("have", "wanted"), [(CPU, "cuda"), (CPU, "cuda:0"), (GPUS, "cuda:2")])
def test_a_device_that_is_not_here_is_refused_by_name(have: list[str], wanted: str) -> None:
    with pytest.raises(DeviceUnavailable, match=wanted), Devices(have).use(wanted):
        pass


def test_jobs_are_spread_over_the_accelerators() -> None:
    devices = Devices(GPUS)
    with devices.use("cuda") as first, devices.use("auto") as second:
        assert {first, second} == {"cuda:0", "cuda:1"}
        with devices.use("cuda:0"), devices.use("auto") as fourth:
            assert fourth == "cuda:1"
    with devices.use("auto") as again:
        assert again == "cuda:0"
