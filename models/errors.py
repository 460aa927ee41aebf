"""What can go wrong in machine learning, told apart by a stable `code`.

PipelineError
├── DatasetUnavailable   the data is not on this machine and could not be fetched
├── InvalidData          the data is here, but is not what the pipeline can use
│   └── RefusedUpload    an uploaded file is not what it should be; carries the field at fault
├── BaseUnavailable      the version that a run starts from is gone
├── Diverged             a loss or a metric became NaN or infinite
├── RefusedModel         an imported file is no model that can be served; carries the field at fault
├── ExportFailed         a backend could not export or load the trained model
├── CannotInspect        a trained model cannot be looked into as asked; carries the field at fault
│   └── LayerNotFound    it has no layer of that name
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


class RefusedUpload(InvalidData):
    """The message says where (line and column, entry, row), what was expected and what came."""

    code = "invalid_dataset"

    def __init__(self, message: str, field: str = "file") -> None:
        super().__init__(message)
        self.field = field
        """Of the upload's form: `file`, `kind`, `target` or `task`."""


class BaseUnavailable(PipelineError):
    code = "base_unavailable"


class Diverged(PipelineError):
    code = "diverged"


class ExportFailed(PipelineError):
    code = "export_failed"


class RefusedModel(PipelineError):
    """The message names the tensor or the operator, what was expected and what came."""

    code = "invalid_model"

    def __init__(self, message: str, field: str = "file") -> None:
        super().__init__(message)
        self.field = field
        """Of the import's form: `file`, `architecture`, `signature`, `classes` or `task`."""


class CannotInspect(PipelineError):
    code = "cannot_inspect"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.field = field
        """`layer`, `target` or `inputs`; None where the model itself is the reason."""


class LayerNotFound(CannotInspect):
    code = "layer_not_found"


class CheckpointCorrupt(PipelineError):
    code = "checkpoint_corrupt"


class Interrupted(Exception):
    """Raised by the training loop after it has saved a checkpoint because it was told to stop."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
