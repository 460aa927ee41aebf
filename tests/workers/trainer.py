"""A trainer process with the pipelines of the tests, that is warm at once."""

from tests.workers.pipelines import TABLE
from workers.trainer.main import main
from workers.trainer.warm import Prepared


def prepare(threads: int) -> Prepared:
    return Prepared([{"name": "cpu"}], {"torchkiln": "0", "threads": str(threads)}, 1)


if __name__ == "__main__":
    main(TABLE, prepare)
