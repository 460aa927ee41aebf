from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRST_USE = "import models.backends.onnxruntime as ours; ours.onnxruntime.SessionOptions()"


def test_onnxruntime_keeps_no_record_of_its_uses_for_its_maker(tmp_path: Path) -> None:
    unset = {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    env = {name: value for name, value in os.environ.items() if name not in unset}
    env["HOME"] = str(tmp_path)
    subprocess.run([sys.executable, "-c", FIRST_USE], cwd=ROOT, env=env, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
