"""A rank with the pipelines of the tests."""

from tests.workers.pipelines import TABLE
from workers.trainer.rank import main

if __name__ == "__main__":
    main(TABLE)
