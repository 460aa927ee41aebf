"""What can go wrong in machine learning, told apart by a stable `code`.

PipelineError
├── DatasetUnavailable   the data is not on this machine and could not be fetched
├── InvalidData          the data is here, but is not what the pipeline can use
├── Diverged             a loss or a metric became NaN or infinite
├── ExportFailed         a backend could not export or load the trained model
└── CheckpointCorrupt    a checkpoint file does not match its digest or cannot be read
Interrupted              not an error: the run was asked to stop and has saved a checkpoint
"""


class PipelineError(Exception):
    """A failure whose message is fit for the user: no paths, no tracebacks."""

    code = "pipeline_error"


class DatasetUnavailable(PipelineError):
    code = "dataset_unavailable"


class InvalidData(PipelineError):
    code = "invalid_data"


class Diverged(PipelineError):
    code = "diverged"


class ExportFailed(PipelineError):
    code = "export_failed"


class CheckpointCorrupt(PipelineError):
    code = "checkpoint_corrupt"


class Interrupted(Exception):
    """Raised by the training loop after it has saved a checkpoint because it was told to stop."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
