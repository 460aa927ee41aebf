"""Answers of the service, as CONTRACT.md has them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

SHA_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def job(status: str = "succeeded", **fields: Any) -> Json:
    return {
        "id": "job_1",
        "object": "job",
        "pipeline": "image-classification",
        "status": status,
        "params": {"epochs": 2},
        "model": "digits",
        "model_version": 3 if status == "succeeded" else None,
        "created_at": "2030-01-01T00:00:00Z",
        "progress": {"epoch": 1, "epochs": 2, "step": 5, "steps": 10, "percent": 50.0},
        "metrics": {},
        "results": {},
        "error": {"code": "oom", "message": "out of memory"} if status == "failed" else None,
        **fields,
    }


def event(number: int, kind: str, message: str = "", **data: Any) -> Json:
    return {
        "id": number,
        "created_at": "2030-01-01T00:00:00Z",
        "type": kind,
        "level": "info",
        "message": message or kind,
        "data": data,
    }


def status(number: int, word: str) -> Json:
    return event(number, "status", word, status=word)


def metrics(number: int, epoch: int, **values: float) -> Json:
    return event(number, "metrics", epoch=epoch, epochs=2, step=epoch * 5, steps=10, values=values)


def checkpoint(checkpoint_id: str, **fields: Any) -> Json:
    return {
        "id": checkpoint_id,
        "epoch": 2,
        "step": 2000,
        "metrics": {},
        "best": False,
        "abandoned": False,
        "size_bytes": 4096,
        "sha256": SHA_OF_ABC,
        "created_at": "2030-01-01T00:00:00Z",
        **fields,
    }


def file(name: str = "curves.png", **fields: Any) -> Json:
    return {
        "name": name,
        "title": "Curves",
        "media_type": "image/png",
        "size_bytes": 3,
        "sha256": SHA_OF_ABC,
        "url": f"/v1/jobs/job_1/artifacts/{name}",
        **fields,
    }


def version(number: int = 3) -> Json:
    parity = {
        "rows": 64,
        "batch_sizes": [1, 2, 7, 32],
        "max_abs_error": 1.2e-7,
        "max_rel_error": 3.4e-6,
        "argmax_agreement": 1.0,
        "tolerance": {"abs": 1e-5, "rel": 1e-4},
    }
    return {
        "object": "model_version",
        "name": "digits",
        "version": number,
        "aliases": ["champion"],
        "job_id": "job_1",
        "created_at": "2030-01-01T00:00:00Z",
        "signature": {
            "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]}],
            "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
        },
        "classes": ["zero", "one"],
        "metrics": {"test_accuracy": 0.975},
        "backends": {
            "eager": {"status": "certified", "parity": parity},
            "onnxruntime": {"status": "failed", "reason": "no [such] operator", "parity": None},
        },
        "preferred_backend": None,
        "lineage": {},
    }


def benchmark(status: str = "succeeded") -> Json:
    def row(backend: str, size: int, mean: float) -> Json:
        return {
            "backend": backend,
            "batch_size": size,
            "mean_ms": mean,
            "p50_ms": mean,
            "p90_ms": mean,
            "p99_ms": mean,
            "rows_per_s": 1000 * size / mean,
            "ci95_ms": [mean * 0.99, mean * 1.01],
            "runs": 100,
            "max_abs_error": 0.0,
        }

    done = status == "succeeded"
    rows = [row("eager", 1, 0.5), row("onnxruntime", 1, 0.25), row("eager", 8, 1.0)]
    return {
        "id": "bench_1",
        "model": "digits",
        "version": 3,
        "status": status,
        "results": rows if done else None,
        "environment": {"cpu": "a CPU"} if done else None,
        "winners": {"1": "onnxruntime", "8": None} if done else None,
        "error": {"code": "lost", "message": "the worker died"} if status == "failed" else None,
    }
