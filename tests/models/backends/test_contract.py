"""The contract of the `Backend` port, over every row of the table."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models import backends
from models.backends import BACKENDS, DEFAULT_ORDER, EVERY
from models.backends.base import Backend, Runner
from models.rows import take
from tests.support.models import Exported, image_model


def test_every_file_of_the_folder_is_in_the_table() -> None:
    folder = Path(backends.__path__[0])
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "base"}
    assert files == {name.replace("-", "_") for name in EVERY}
    assert all(name == backend.name for name, backend in EVERY.items())
    assert sorted(DEFAULT_ORDER) == sorted(BACKENDS)
    assert len({backend.file for backend in EVERY.values()}) == len(EVERY)


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


def test_every_choice_gives_the_same_answers(backend: Backend, exported: Exported) -> None:
    signature, batch = exported.trained.signature, take(exported.trained.heldout, 3, 7)
    expected = exported.expected(batch)
    for options in backend.choices(signature):
        runner = backend.load(exported.directory, signature, threads=1, options=options)
        got = runner.run(batch)
        for spec in signature.outputs:
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


def test_exporting_prints_nothing(
    backend: Backend, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trained = image_model()
    backend.export(trained.servable, trained.heldout, trained.signature, tmp_path)
    backend.load(tmp_path, trained.signature).run(take(trained.heldout, 0, 2))
    assert capfd.readouterr() == ("", "")
