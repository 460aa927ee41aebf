"""What a supervisor wishes reaches rank 0, and so does a wish that is taken back; what ranks say
reaches it."""

from __future__ import annotations

import os
from pathlib import Path

from workers.messages import Control, Message, encode
from workers.trainer.pipes import Pipes
from workers.trainer.relay import Relay


def test_rank_0_is_told_why_to_stop_and_that_it_should_go_on_after_all(tmp_path: Path) -> None:
    pipes = Pipes(tmp_path / "ranks")
    pipes.make(2)
    asked: list[Control | None] = [None]
    relay = Relay(pipes, b"spec\n", range(2), lambda _: None, lambda: asked[0])
    told = [os.fdopen(pipes.open_controls(rank), "rb") for rank in (0, 1)]
    relay.start()
    heard = [told[0].readline()]
    wishes: tuple[Control | None, ...] = ("pause", "cancel", None, "timeout")
    for wish in wishes:
        asked[0] = wish
        heard.append(told[0].readline())
    relay.finish()
    assert heard == [
        b"spec\n",
        *(b'{"control":"%s"}\n' % said for said in (b"pause", b"cancel", b"continue", b"timeout")),
    ]
    assert list(told[1]) == [b"spec\n"]
    for stream in told:
        stream.close()


def test_of_other_ranks_the_memory_of_their_devices_is_passed_on_and_no_progress(
    tmp_path: Path,
) -> None:
    pipes = Pipes(tmp_path / "ranks")
    pipes.make(2)
    sent: list[Message] = []
    relay = Relay(pipes, b"spec\n", range(2), sent.append, lambda: None)
    said = [pipes.open_messages(rank) for rank in (0, 1)]
    relay.start()
    for rank, descriptor in enumerate(said):
        device = {"type": "device", "name": f"cuda:{rank}"}
        os.write(descriptor, encode({"type": "progress", "step": rank}) + encode(device))
        os.close(descriptor)
    relay.finish()
    names = [message["name"] for message in sent if message["type"] == "device"]
    assert sorted(names) == ["cuda:0", "cuda:1"]
    assert [message["step"] for message in sent if message["type"] == "progress"] == [0]
