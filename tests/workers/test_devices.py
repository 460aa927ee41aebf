"""Where a job is placed."""

from __future__ import annotations

import pytest

from workers.devices import Devices

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


@pytest.mark.parametrize(
    ("have", "wanted", "processes"),
    [(CPU, "cuda", 1), (CPU, "cuda:0", 1), (GPUS, "cuda:2", 1), (GPUS, "cuda", 3)],
)
def test_what_does_not_fit_is_not_placed(have: list[str], wanted: str, processes: int) -> None:
    devices = Devices(have)
    assert not devices.fit(wanted, processes)
    with pytest.raises(ValueError, match=wanted), devices.use(wanted, processes):
        pass


def test_jobs_are_spread_over_the_accelerators() -> None:
    devices = Devices(GPUS)
    with devices.use("cuda") as first, devices.use("auto") as second:
        assert {*first, *second} == {"cuda:0", "cuda:1"}
        with devices.use("cuda:0"), devices.use("auto") as fourth:
            assert fourth == ["cuda:1"]
    with devices.use("auto") as again:
        assert again == ["cuda:0"]
