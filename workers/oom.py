"""Whether the kernel has killed for want of memory: what a process that was killed cannot tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

COUNTER = "oom_kill"
"""Its name in all of these files, followed by a blank and the number of processes killed."""
HOST = Path("proc/vmstat")
GROUPS = Path("sys/fs/cgroup")
MEMBERSHIPS = Path("proc/self/cgroup")


def kills(root: Path = Path("/")) -> int:
    """How often it has, in this control group and on this host, since some time in the past.

    Only a difference between two calls says anything. 0 where nothing counts, as outside of Linux.
    """
    return sum(_count(file) for file in (root / HOST, *_of_groups(root)))


def _of_groups(root: Path) -> Iterator[Path]:
    """The counters of this process's control group: version 2 has one tree, version 1 one for
    each controller. In a container the tree may begin at the group itself."""
    try:
        lines = (root / MEMBERSHIPS).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            tree, name = root / GROUPS, "memory.events"
        elif "memory" in controllers.split(","):
            tree, name = root / GROUPS / "memory", "memory.oom_control"
        else:
            continue
        yield from {tree / path.lstrip("/") / name, tree / name}


def _count(file: Path) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.split()[:1] == [COUNTER])
