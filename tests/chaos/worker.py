"""`python -m tests.chaos.worker NAME`: a worker process with other trainers than its own."""

import sys
from pathlib import Path

from services import logging
from services.container import Container
from services.settings import Settings
from workers.main import run

TRAINERS = {
    "instant": ("/bin/sh", str(Path(__file__).with_name("instant_trainer.sh"))),
    "exact": (sys.executable, "-m", "tests.chaos.exact_trainer"),
}

if __name__ == "__main__":
    settings = Settings()
    logging.configure("worker", level=settings.log_level, log_format=settings.log_format)
    sys.exit(run(Container(settings), TRAINERS[sys.argv[1]]))
