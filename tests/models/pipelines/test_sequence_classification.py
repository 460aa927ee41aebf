"""Attention over sequences: what it draws, exports and refuses, on a training of seconds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from models import data, supervised
from models.backends import BACKENDS
from models.data import Dataset
from models.errors import InvalidData
from models.pipelines import PIPELINES
from models.publishing import TrainedModel, publish
from models.rows import synthetic
from models.run import Outcome
from tests.support.models import RecordingReporter
from tests.support.runs import Recorder, context, run_pipeline

pytestmark = pytest.mark.long

NAME = "sequence-classification"
PIPELINE = PIPELINES[NAME]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Recorder, Dataset]:
    directory = tmp_path_factory.mktemp(NAME)
    outcome, report = run_pipeline(NAME, directory, epochs=2)
    return outcome, report, data.load("waves", directory, report)


@pytest.fixture(scope="module")
def published(
    ran: tuple[Outcome, Recorder, Dataset], tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainedModel, Path]:
    model, directory = ran[0].model, tmp_path_factory.mktemp("version")
    assert model is not None
    verdicts = publish(model, directory, report=RecordingReporter()).backends
    assert {entry["status"] for entry in verdicts.values()} == {"certified"}
    return model, directory


def numbers(report: Recorder, name: str) -> Any:
    return json.loads(report.artifacts[f"{name}.json"][0].read_text())


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_takes_fewer_and_more_steps_than_it_was_exported_with(
    backend: str, published: tuple[TrainedModel, Path]
) -> None:
    """And lengths that are none: 0, negative ones and more than there are steps."""
    model, directory = published
    generator = np.random.default_rng(1)
    runner = BACKENDS[backend].load(directory, model.signature, threads=1)
    for rows, steps in [(1, 1), (5, 1), (3, 7), (1, 60), (2, 61), (9, 150)]:
        inputs = generator.normal(size=(rows, steps, 1)).astype(np.float32)
        lengths = generator.integers(-2, steps + 3, rows)
        inputs[np.arange(steps) >= np.maximum(lengths, 1)[:, None]] = np.nan
        with torch.inference_mode():
            answer: Any = model.servable(torch.from_numpy(inputs), torch.from_numpy(lengths))
        got = runner.run({"input": inputs, "lengths": lengths})["probabilities"]
        assert np.isfinite(got).all()
        np.testing.assert_allclose(got, answer.numpy(), rtol=1e-4, atol=1e-5)
    runner.close()


def test_the_model_says_that_it_takes_sequences(published: tuple[TrainedModel, Path]) -> None:
    """Which is what serving pads rows by, and benchmarks make up lengths by."""
    model, directory = published
    assert model.signature.takes_sequences
    made = synthetic(model.signature, 3, seed=0, directory=directory)
    assert made["input"].shape == (3, 16, 1)
    assert made["lengths"].tolist() == [16] * 3


def test_statistics_are_those_of_the_steps_without_padding(
    ran: tuple[Outcome, Recorder, Dataset],
) -> None:
    outcome, _, dataset = ran
    assert outcome.model is not None
    assert dataset.lengths is not None
    steps = np.concatenate([dataset.inputs[row, : dataset.lengths[row]] for row in dataset.train])
    pre: Any = outcome.model.servable.pre
    assert pre.mean.item() == pytest.approx(steps.mean(), abs=1e-6)
    assert pre.std.item() == pytest.approx(steps.std(), rel=1e-5)


def test_the_map_is_the_attention_of_the_served_model(
    ran: tuple[Outcome, Recorder, Dataset],
) -> None:
    outcome, report, dataset = ran
    maps = numbers(report, "attention")
    assert [one["actual"] for one in maps] == list(dataset.info.classes or ())
    assert outcome.model is not None
    servable: Any = outcome.model.servable
    for one in maps:
        steps = torch.tensor(one["steps"])[None]
        count = torch.tensor([steps.shape[1]])
        with torch.inference_mode():
            weights = servable.net.weights(servable.pre(steps), count)[0, -1]
            answer = servable(steps, count)[0]
        np.testing.assert_allclose(one["weights"], weights.numpy(), atol=2e-6)
        assert one["predicted"] == (dataset.info.classes or ())[int(answer.argmax())]


def test_the_held_out_sequences_are_raw_unseen_and_unpadded(
    ran: tuple[Outcome, Recorder, Dataset],
) -> None:
    _, report, dataset = ran
    assert dataset.lengths is not None
    held = numbers(report, "heldout")
    for given, row in zip(held["inputs"], dataset.test, strict=False):
        assert given["input"] == dataset.inputs[row, : dataset.lengths[row]].tolist()
    assert len(held["labels"]) == len(held["inputs"]) == 20


def test_sequences_too_long_for_attention_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: tuple[Outcome, Recorder, Dataset]
) -> None:
    longer = dataclasses.replace(ran[2], inputs=np.zeros((len(ran[2].inputs), 513, 1), np.float32))
    monkeypatch.setattr(supervised, "load_dataset", Mock(return_value=longer))
    params = PIPELINE.params.model_validate({"batch_size": 128})
    with pytest.raises(InvalidData, match="at most 512 steps in batches of 128, got 513"):
        PIPELINE.run(context(tmp_path), params)
