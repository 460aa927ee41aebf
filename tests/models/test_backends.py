"""The contract of the `Backend` port, over every row of the table."""

from __future__ import annotations

import ast
import gc
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from models import backends
from models.backends import BACKENDS, DEFAULT_ORDER
from models.backends.base import Backend, Runner, export_failed
from models.backends.onnxruntime import forget_sources
from models.errors import ExportFailed
from models.publishing import TrainedModel
from models.rows import take
from models.servable import build
from models.torch_runner import TorchRunner
from tests.support.models import MODELS, image_model, signature

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Exported:
    trained: TrainedModel
    directory: Path

    def expected(self, rows: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return TorchRunner(self.trained.servable, self.trained.signature).run(rows)


@pytest.fixture(scope="module", params=MODELS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A model exported through every backend."""
    return _export(MODELS[request.param](), tmp_path_factory.mktemp("version"))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return _export(image_model(), tmp_path_factory.mktemp("image"))


def _export(trained: TrainedModel, directory: Path) -> Exported:
    for backend in BACKENDS.values():
        backend.export(trained.servable, trained.heldout, trained.signature, directory)
    return Exported(trained, directory)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]


@pytest.fixture
def runner(backend: Backend, image: Exported) -> Iterator[Runner]:
    runner = backend.load(image.directory, image.trained.signature, threads=1)
    yield runner
    runner.close()


def test_every_file_of_the_folder_is_in_the_table() -> None:
    folder = Path(backends.__path__[0])
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "base"}
    assert files == set(BACKENDS)
    assert all(name == backend.name for name, backend in BACKENDS.items())
    assert sorted(DEFAULT_ORDER) == sorted(BACKENDS)
    assert len({backend.file for backend in BACKENDS.values()}) == len(BACKENDS)


@pytest.mark.parametrize("rows", [1, 2, 7, 32])
def test_answers_as_the_trained_model_does(backend: Backend, exported: Exported, rows: int) -> None:
    batch = take(exported.trained.heldout, 3, rows)
    runner = backend.load(exported.directory, exported.trained.signature)
    got, expected = runner.run(batch), exported.expected(batch)
    runner.close()
    for spec in exported.trained.signature.outputs:
        assert got[spec.name].dtype == spec.dtype
        assert got[spec.name].flags.c_contiguous
        np.testing.assert_allclose(got[spec.name], expected[spec.name], rtol=1e-4, atol=1e-5)


def test_zero_rows_give_an_empty_answer_of_the_right_shape(
    backend: Backend, exported: Exported
) -> None:
    runner = backend.load(exported.directory, exported.trained.signature)
    got = runner.run(take(exported.trained.heldout, 0, 0))
    for spec in exported.trained.signature.outputs:
        assert got[spec.name].shape == (0, *spec.row_shape)
        assert got[spec.name].dtype == spec.dtype


def _read_only(rows: NDArray[Any]) -> NDArray[Any]:
    return np.frombuffer(rows.tobytes(), rows.dtype).reshape(rows.shape)


def _unaligned(rows: NDArray[Any]) -> NDArray[Any]:
    body = b"x" + rows.tobytes()
    return np.frombuffer(body, rows.dtype, offset=1).reshape(rows.shape)


def _strided(rows: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(rows, 2, axis=0)[::2]


def _reversed(rows: NDArray[Any]) -> NDArray[Any]:
    return rows[::-1].copy()[::-1]


@pytest.mark.parametrize("layout", [_read_only, _unaligned, _strided, _reversed])
def test_takes_arrays_of_any_layout_and_leaves_them_alone(
    runner: Runner, image: Exported, layout: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    batch = take(image.trained.heldout, 0, 7)
    laid_out = {name: layout(array) for name, array in batch.items()}
    got, expected = runner.run(laid_out), runner.run(batch)
    np.testing.assert_array_equal(got["probabilities"], expected["probabilities"])
    np.testing.assert_array_equal(laid_out["images"], image.trained.heldout["images"][:7])


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_the_same_rows_give_the_same_bits_behind_any_header(
    runner: Runner, image: Exported, rows: int
) -> None:
    batch = take(image.trained.heldout, 0, rows)["images"]
    answers = set[bytes]()
    for header in (0, 1, 4, 12, 20, 60):
        body = bytes(header) + batch.tobytes()
        images = np.frombuffer(body, batch.dtype, offset=header).reshape(batch.shape)
        answers.add(runner.run({"images": images})["probabilities"].tobytes())
    assert len(answers) == 1


def test_runs_from_many_threads_at_once(runner: Runner, image: Exported) -> None:
    batches = [take(image.trained.heldout, start, 1 + start % 5) for start in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(runner.run, batches))
    for batch, answer in zip(batches, answers, strict=True):
        np.testing.assert_allclose(
            answer["probabilities"], image.expected(batch)["probabilities"], rtol=1e-4, atol=1e-6
        )


def test_answers_belong_to_the_caller(runner: Runner, image: Exported) -> None:
    batch = take(image.trained.heldout, 0, 2)
    first = runner.run(batch)["probabilities"]
    kept = first.copy()
    runner.run(take(image.trained.heldout, 5, 2))
    np.testing.assert_array_equal(first, kept)


def test_a_closed_runner_says_so(backend: Backend, image: Exported) -> None:
    runner = backend.load(image.directory, image.trained.signature)
    runner.close()
    runner.close()
    with pytest.raises(RuntimeError, match="closed"):
        runner.run(take(image.trained.heldout, 0, 1))


@pytest.mark.parametrize("content", [b"", b"not a model", "half", "flipped"])
def test_a_corrupt_file_is_a_clear_failure_without_a_path(
    backend: Backend, image: Exported, tmp_path: Path, content: bytes | str
) -> None:
    for file in image.directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    whole = (image.directory / backend.file).read_bytes()
    damaged = {"half": whole[: len(whole) // 2], "flipped": whole[::-1]}
    (tmp_path / backend.file).write_bytes(damaged[content] if isinstance(content, str) else content)
    with pytest.raises(ExportFailed, match=backend.file) as failure:
        backend.load(tmp_path, image.trained.signature)
    assert str(tmp_path) not in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_missing_file_is_named(backend: Backend, image: Exported, tmp_path: Path) -> None:
    (tmp_path / "architecture.json").write_bytes(
        (image.directory / "architecture.json").read_bytes()
    )
    with pytest.raises(ExportFailed, match=f"^{backend.file} is missing$"):
        backend.load(tmp_path, image.trained.signature)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"{}", "no 'pre'"),
        (
            b'{"pre":{"name":"identity"},"net":{"name":"linear","inputs":64,"outputs":3},'
            b'"post":{"name":"softmax"}}',
            "does not fit",
        ),
    ],
)
def test_eager_refuses_an_architecture_that_is_not_one(
    image: Exported, tmp_path: Path, content: bytes, reason: str
) -> None:
    eager = BACKENDS["eager"]
    (tmp_path / eager.file).write_bytes((image.directory / eager.file).read_bytes())
    (tmp_path / "architecture.json").write_bytes(content)
    with pytest.raises(ExportFailed, match=reason):
        eager.load(tmp_path, image.trained.signature)


def test_no_file_names_this_machine(exported: Exported) -> None:
    here = str(ROOT).encode()
    for file in exported.directory.iterdir():
        parts = [file.read_bytes()]
        if zipfile.is_zipfile(io.BytesIO(parts[0])):
            with zipfile.ZipFile(file) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
        assert not any(here in part or b"site-packages" in part for part in parts), file.name


def test_a_failed_export_leaves_no_file(backend: Backend, tmp_path: Path) -> None:
    trained = image_model()
    trained.servable.net.forward = _raise  # also what tracing and exporting call
    if backend.name == "eager":
        trained.servable.architecture["net"]["dropout"] = float("nan")
    with pytest.raises(ExportFailed):
        backend.export(trained.servable, trained.heldout, trained.signature, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _raise(*_: Any) -> torch.Tensor:
    raise RuntimeError("no such kernel in /opt/secret/kernels.so")


def test_onnx_is_one_checked_file_with_the_signatures_names(exported: Exported) -> None:
    model = onnx.load(exported.directory / "model.onnx", load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    trained = exported.trained
    for specs, values in (
        (trained.signature.inputs, model.graph.input),
        (trained.signature.outputs, model.graph.output),
    ):
        assert [value.name for value in values] == [spec.name for spec in specs]
        assert all(value.type.tensor_type.shape.dim[0].dim_param == "batch" for value in values)
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_another_models_onnx_file_is_refused(image: Exported) -> None:
    specs = signature((1, 8, 8), 3, names=("images", "scores"))
    with pytest.raises(ExportFailed, match=r"has outputs \['probabilities'\], the signature says"):
        BACKENDS["onnxruntime"].load(image.directory, specs)


def test_notes_of_the_exporter_are_dropped_in_branches_and_functions_too() -> None:
    note = onnx.StringStringEntryProto(key="stack_trace", value=str(ROOT))
    model = onnx.parser.parse_model(
        """
        <ir_version: 10, opset_import: ["": 20, "local": 1]>
        main (bool c, float[n] x) => (float[n] y) {
            y = If (c) <
                then_branch = yes () => (float[n] a) { a = local.twice (x) },
                else_branch = no () => (float[n] b) { b = Neg (x) }
            >
        }
        <domain: "local", opset_import: ["": 20]>
        twice (x) => (y) { y = Add (x, x) }
        """
    )
    branch = model.graph.node[0].attribute[0].g
    for part in (model.functions[0], model.functions[0].node[0], branch, branch.node[0]):
        part.metadata_props.append(note)
    forget_sources(model)
    assert str(ROOT).encode() not in model.SerializeToString()
    onnx.checker.check_model(model, full_check=True)


def test_exporting_prints_nothing(
    backend: Backend, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trained = image_model()
    backend.export(trained.servable, trained.heldout, trained.signature, tmp_path)
    backend.load(tmp_path, trained.signature).run(take(trained.heldout, 0, 2))
    assert capfd.readouterr() == ("", "")


def test_torch_runs_with_the_threads_asked_for_and_puts_them_back() -> None:
    seen: list[int] = []

    def module(x: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return x

    before = torch.get_num_threads()
    row = {"features": np.zeros((1, 3), np.float32)}
    for threads in (before + 1, None):
        TorchRunner(module, signature((3,), 3), threads=threads).run(row)
    assert seen == [before + 1, before]
    assert torch.get_num_threads() == before


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
def test_onnxruntime_has_the_threads_asked_for(image: Exported) -> None:
    def count(threads: int) -> int:
        before = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - iterdir of a shifting folder
        runner = BACKENDS["onnxruntime"].load(
            image.directory, image.trained.signature, threads=threads
        )
        started = len(os.listdir("/proc/self/task")) - before  # noqa: PTH208 - as above
        runner.close()
        gc.collect()
        return started

    assert count(4) - count(1) == 3


def test_libraries_reasons_are_one_line_without_directories() -> None:
    error = ValueError(
        "cannot open /home/someone/var/x/model.onnx: see https://onnx.ai/x\nTraceback"
    )
    reason = str(export_failed("model.onnx cannot be read", error))
    assert reason == (
        "model.onnx cannot be read: ValueError: cannot open model.onnx: see https://onnx.ai/x"
    )


def _run_python(code: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout)


TORCH_FREE = """
import json, sys
from pathlib import Path
import numpy as np
import models.backends, models.latency, models.benchmarking, models.publishing, models.latency_plot
from models.signature import Signature
at_import = [name for name in ("torch", "onnx", "onnxruntime", "matplotlib") if name in sys.modules]
signature = Signature.from_json(json.loads(sys.argv[2]))
runner = models.backends.BACKENDS["onnxruntime"].load(Path(sys.argv[1]), signature, threads=1)
answer = runner.run({"images": np.zeros((2, 1, 8, 8), np.float32)})
runner.close()
print((at_import, "torch" in sys.modules, answer["probabilities"].shape))
"""


def test_onnxruntime_serves_without_torch(image: Exported) -> None:
    at_import, torch_imported, shape = _run_python(
        TORCH_FREE, str(image.directory), json.dumps(image.trained.signature.to_json())
    )
    assert at_import == []
    assert torch_imported is False
    assert shape == (2, 3)


LEAK = """
import json, sys
from pathlib import Path
import numpy as np
from models.backends import BACKENDS
from models.signature import Signature
signature = Signature.from_json(json.loads(sys.argv[2]))
backend, row = BACKENDS[sys.argv[3]], {"features": np.ones((1, 1024), np.float32)}
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
def cycle(times):
    for _ in range(times):
        runner = backend.load(Path(sys.argv[1]), signature, threads=1)
        runner.run(row)
        runner.close()
cycle(5)
before = resident()
cycle(20)
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="reads memory from /proc")
def test_closing_gives_the_memory_back(backend: Backend, tmp_path: Path) -> None:
    """Twenty times a model of 4 MB, in a process of its own."""
    servable = build(
        {
            "pre": {"name": "identity"},
            "net": {
                "name": "mlp",
                "inputs": 1024,
                "hidden": [1024],
                "outputs": 2,
                "activation": "relu",
                "dropout": 0.0,
            },
            "post": {"name": "softmax"},
        }
    )
    specs = signature((1024,), 2)
    rows = {"features": np.ones((2, 1024), np.float32)}
    backend.export(servable.eval(), rows, specs, tmp_path)
    grown = _run_python(LEAK, str(tmp_path), json.dumps(specs.to_json()), backend.name)
    assert grown < 12e6
