"""A trainer process with one pipeline, that imports torch when it has a job and not before."""

from __future__ import annotations

import hashlib

from models.params import TrainingParams
from models.pipelines.base import Pipeline
from models.run import Outcome, RunContext
from tests.workers.trainer import prepare
from workers.trainer.main import main


def train(context: RunContext, params: TrainingParams) -> Outcome:
    """The training of `tests.support.exact`, in which everything has a state, and no files."""
    from models.determinism import seed_everything
    from models.training import Trainer
    from tests.support import exact

    seed_everything(context.seed)
    trained = Trainer(fit := exact.fit(), params, context).run()
    digest = hashlib.sha256()
    for name, tensor in sorted(fit.net.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return Outcome({"weights": digest.hexdigest(), "steps": trained.checkpoint.step})


TABLE = {
    "exact": Pipeline(
        "exact", "exact", "0", "experiment", TrainingParams, train, produces_model=False
    )
}

if __name__ == "__main__":
    main(TABLE, prepare)
