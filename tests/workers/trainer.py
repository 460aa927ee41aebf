"""A trainer process with the pipelines of the tests, that is warm at once."""

import os

from tests.workers.pipelines import TABLE
from workers.trainer.main import main
from workers.trainer.warm import Prepared


def prepare(threads: int) -> Prepared:
    names = os.environ.get("DEVICES_OF_THE_TEST", "cpu").split(",")
    devices = [{"name": name} for name in names]
    return Prepared(devices, {"torchkiln": "0", "threads": str(threads)}, 1)


if __name__ == "__main__":
    main(TABLE, prepare, ("-m", "tests.workers.rank"))
