"""Messages become reports: in order, in batches, with the pace worked out."""

from __future__ import annotations

from services.attempts import Report
from workers.journal import MAX_EVENTS, Journal, Pace
from workers.messages import Message


def log(text: str) -> Message:
    return {"type": "log", "level": "info", "message": text, "data": {}}


def progress(step: int, steps: int = 100) -> Message:
    return {"type": "progress", "epoch": step // 10, "epochs": 10, "step": step, "steps": steps}


def test_the_first_message_is_written_at_once_and_the_next_ones_together() -> None:
    written: list[Report] = []
    journal = Journal(written.append)
    journal.add(log("a"))
    assert [event.message for event in written[0].events] == ["a"]
    journal.add(log("b"))
    journal.add(log("c"))
    assert 0 < (journal.patience() or 0) <= 0.2
    journal.flush()
    assert [event.message for event in written[1].events] == ["b", "c"]
    assert journal.patience() is None
    journal.flush()
    assert len(written) == 2


def test_a_batch_has_a_limit() -> None:
    written: list[Report] = []
    journal = Journal(written.append)
    for number in range(2 * MAX_EVENTS + 1):
        journal.add(log(str(number)))
    assert max(len(report.events) for report in written) == MAX_EVENTS
    journal.flush()
    told = [event.message for report in written for event in report.events]
    assert told == [str(number) for number in range(2 * MAX_EVENTS + 1)]


def test_metrics_are_an_event_each_and_the_latest_values_together() -> None:
    written: list[Report] = []
    journal = Journal(written.append)
    journal.add(progress(10))
    values = {"loss": 0.123456, "accuracy": None}
    journal.add({"type": "metrics", "values": values, "epoch": 1, "step": 10})
    journal.add({"type": "metrics", "values": {"loss": 0.1}, "epoch": 2, "step": 20})
    journal.flush()
    first, second = written[-1].events
    assert first.message == "epoch 1: loss 0.1235"
    assert first.data == {"epoch": 1, "epochs": 10, "step": 10, "steps": 100, "values": values}
    assert second.data["step"] == 20
    assert written[-1].metrics == {"loss": 0.1, "accuracy": None}


def test_the_time_left_is_by_the_speed_since_the_attempt_began() -> None:
    now = [100.0]
    pace = Pace(lambda: now[0])
    assert pace.progress(progress(40))["eta_s"] is None
    now[0] += 3
    assert pace.progress(progress(60)) == {
        "epoch": 6,
        "epochs": 10,
        "step": 60,
        "steps": 100,
        "percent": 60.0,
        "eta_s": 6.0,
    }
    now[0] += 6
    assert pace.progress(progress(100))["eta_s"] == 0


def test_a_run_without_steps_has_no_pace() -> None:
    assert Pace().progress(progress(0, 0))["percent"] == 0
