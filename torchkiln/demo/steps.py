"""The steps of the demo, each printing what it shows."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from torchkiln.client import Client
from torchkiln.demo.predictions import Comparison, HeldOut
from torchkiln.display import progress, tables
from torchkiln.errors import TorchkilnError
from torchkiln.types import Job, ModelVersion

PIPELINE = "image-classification"
DATASET = "digits"
BACKENDS = ("eager", "torchscript", "onnxruntime", "torchexport")
BATCH_SIZES = (1, 8, 32)
FACTS = ("cpu_model", "cores", "threads", "os", "date")
"""What of a benchmark's environment fits on a line."""
JOB_S = 900.0


class Demo:
    """Works through the steps with one client; `directory` is for what it downloads."""

    def __init__(self, client: Client, console: Console, directory: Path) -> None:
        self._client = client
        self._console = console
        self._directory = directory

    def run(self) -> None:
        """All steps. Raises `TorchkilnError` at the first that does not work."""
        self._heading(1, f"train {PIPELINE} on {DATASET}")
        job = self._train()
        self._heading(2, "the published version and its parity certificates")
        version = self._published(job)
        self._heading(3, "latency of the backends on this machine")
        self._benchmark(version)
        self._heading(4, "predict held-out images, by every backend and every way in")
        self._predict(job, version)
        self._heading(5, "plots")
        self._plots(job)

    def _heading(self, number: int, text: str) -> None:
        self._console.print()
        self._console.print(f"[bold]{number}. {text}[/]")

    def _train(self) -> Job:
        job = self._client.jobs.submit(PIPELINE, dataset=DATASET)
        self._console.print(f"POST /v1/jobs → {job['id']}")
        job = progress.watch(self._client, job["id"], self._console)
        if job["status"] != "succeeded":
            error = job["error"] or {"code": "none", "message": "no reason given"}
            raise TorchkilnError(f"the job {job['status']}: {error['code']}: {error['message']}")
        self._console.print(f"results  {progress.figures(job['results'], limit=6)}")
        return job

    def _published(self, job: Job) -> ModelVersion:
        if job["model"] is None or job["model_version"] is None:
            raise TorchkilnError("the job succeeded and published nothing")
        version = self._client.models.version(job["model"], job["model_version"])
        aliases = ", ".join(version["aliases"]) or "no alias"
        self._console.print(f"{version['name']}@{version['version']} ({aliases})")
        self._console.print(
            tables.files(self._client.models.files(version["name"], version["version"]))
        )
        self._console.print()
        self._console.print(tables.certificates(version))
        for name in BACKENDS:
            status = version["backends"].get(name, {"status": "absent"})["status"]
            if status != "certified":
                raise TorchkilnError(f"the backend {name} is {status}, not certified")
        return version

    def _benchmark(self, version: ModelVersion) -> None:
        benchmark = self._client.benchmarks.submit(
            version["name"],
            version=version["version"],
            backends=BACKENDS,
            batch_sizes=BATCH_SIZES,
        )
        with self._console.status(f"{benchmark['id']} runs"):
            benchmark = self._client.benchmarks.wait(benchmark["id"], timeout_s=JOB_S)
        if benchmark["status"] != "succeeded":
            error = benchmark["error"] or {"code": "none", "message": "no reason given"}
            raise TorchkilnError(f"the benchmark failed: {error['code']}: {error['message']}")
        self._console.print(tables.benchmark(benchmark))
        facts = benchmark["environment"] or {}
        told = [f"{key} {facts[key]}" for key in FACTS if key in facts]
        self._console.print(f"[dim]{escape(', '.join(told))}[/]")
        self._client.benchmarks.download_plot(benchmark["id"], self._plot("latency.png"))

    def _predict(self, job: Job, version: ModelVersion) -> None:
        file = self._directory / "heldout.json"
        self._client.jobs.download_artifact(job["id"], "heldout.json", file)
        held_out = HeldOut.read(file, version["classes"] or [])
        comparison = Comparison(self._client, version, held_out)
        comparison.ask()
        self._console.print(comparison.table())
        self._console.print("[dim]one class where JSON, PNG and /v2 agree, else one for each[/]")
        worst = comparison.check()
        self._console.print(
            f"{comparison.accuracy():.1%} of {len(held_out.images)} held-out images are right; "
            f"`auto` was answered by {comparison.served_by['auto']}; backends, JSON, PNG and /v2 "
            f"differ by {worst:.1e} at most"
        )

    def _plots(self, job: Job) -> None:
        for artifact in self._client.jobs.artifacts(job["id"]):
            if artifact["media_type"] == "image/png":
                name = artifact["name"]
                self._client.jobs.download_artifact(job["id"], name, self._plot(name))
        for file in sorted((self._directory / "plots").glob("*.png")):
            self._console.print(escape(str(_short(file))), soft_wrap=True)

    def _plot(self, name: str) -> Path:
        return self._directory / "plots" / name


def _short(file: Path) -> Path:
    """Relative to where the user stands, if it is below."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
