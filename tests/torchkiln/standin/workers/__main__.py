"""Waits, beside a trainer in a session of its own, whose id it leaves in the data directory.
`stubborn` there: neither heeds SIGTERM."""

import os
import signal
import subprocess
import sys
from pathlib import Path

data_dir = Path(os.environ["TORCHKILN_DATA_DIR"])
stubborn = (data_dir / "stubborn").exists()
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import time; time.sleep(3600)" if stubborn else "import sys; sys.stdin.read()"
trainer = subprocess.Popen(
    [sys.executable, "-c", code], stdin=subprocess.PIPE, start_new_session=True
)
(data_dir / "trainer.pid").write_text(str(trainer.pid))
sys.stdout.write("the worker works\n")
while True:
    signal.pause()
