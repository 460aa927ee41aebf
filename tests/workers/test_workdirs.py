"""Work directories go with their work, or with the next worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from workers.workdirs import WorkDirs

HOLD = """
import sys, time
from pathlib import Path
from workers.workdirs import WorkDirs
with WorkDirs(Path(sys.argv[1]), "other").make("job") as directory:
    (directory / "file").write_text("half")
    print("made", flush=True)
    time.sleep(600)
"""


def test_a_directory_goes_with_its_block(tmp_path: Path) -> None:
    workdirs = WorkDirs(tmp_path / "work", "mine")
    with workdirs.make("job-1") as directory:
        (directory / "file").write_text("text")
    assert not directory.exists()
    workdirs.close()
    assert [*(tmp_path / "work").iterdir()] == []


def test_what_a_killed_worker_left_is_removed_and_what_a_live_one_has_is_not(
    tmp_path: Path,
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "made\n"
        WorkDirs(tmp_path, "first").close()
        assert (tmp_path / "other/job/file").exists()
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    WorkDirs(tmp_path, "second").close()
    assert [*tmp_path.iterdir()] == []


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    WorkDirs(tmp_path, "mine").close()
    assert [*tmp_path.iterdir()] == [tmp_path / "notes"]
