"""What vouches for a version: certificates and benchmarks."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from dashboard import format as fmt
from dashboard.tables import fill, table
from dashboard.view import View, card, empty
from torchkiln import Client
from torchkiln.types import Backend, Benchmark, BenchmarkRow, ModelVersion

MOST = 200
CERTIFICATES = {
    "name": "Backend",
    "status": "Certificate",
    "error": "Max error",
    "tolerance": "Allowed",
    "argmax": "Same class",
    "rows": "Rows",
    "reason": "Reason",
}
RESULTS = {
    "batch": "Batch size",
    "backend": "Backend",
    "mean": "Mean, ms",
    "ci": "95 % interval, ms",
    "p99": "p99, ms",
    "rows": "Rows/s",
    "winner": "",
}


class Certificates:
    def __init__(self) -> None:
        with card("Certificates"):
            ui.label("Each backend against the trained model, on rows it has never seen.").classes(
                "muted"
            )
            self._table = table(
                CERTIFICATES,
                label="Certificates",
                key="name",
                wide=("tolerance", "rows", "argmax", "reason"),
                status="status",
            )

    def show(self, version: ModelVersion) -> None:
        fill(self._table, [_certificate(*one) for one in version["backends"].items()])


def _certificate(name: str, backend: Backend) -> dict[str, Any]:
    parity = backend.get("parity")
    row = {"name": name, "status": backend["status"], "reason": backend.get("reason") or ""}
    if parity is None:
        return row | dict.fromkeys(("error", "tolerance", "argmax", "rows"), fmt.NONE)
    agreement = parity.get("argmax_agreement")
    return row | {
        "error": fmt.number(parity.get("max_abs_error")),
        "tolerance": fmt.number(parity.get("tolerance", {}).get("abs")),
        "argmax": fmt.NONE if agreement is None else f"{agreement:.1%}",
        "rows": fmt.number(parity.get("rows")),
    }


class Benchmarks:
    """The latest benchmark of the chosen version, and a button for another one."""

    def __init__(self, page: View, name: str) -> None:
        self._page = page
        self._name = name
        self._version: int | None = None
        self._found: list[Benchmark] = []
        with card("Benchmark"):
            self._about = empty("")
            self._table = table(RESULTS, label="Benchmark", wide=("ci", "p99"), status="winner")
            self._run = ui.button("Measure now", on_click=self._start).props("flat no-caps")

    async def refresh(self) -> None:
        self._found = await self._page.service.call(self._ask)
        self._show()

    def choose(self, version: int) -> None:
        self._version = version
        self._show()

    def _ask(self, client: Client) -> list[Benchmark]:
        return [one for one in client.benchmarks.list(limit=MOST) if one["model"] == self._name]

    def _show(self) -> None:
        own = [one for one in self._found if one["version"] == self._version]
        latest = own[0] if own else None
        rows = (latest["results"] or []) if latest else []
        fill(self._table, [_result(one, latest) for one in rows if latest])
        self._table.visible = bool(rows)
        self._about.text = _about(latest)
        self._run.visible = latest is None or latest["status"] in {"succeeded", "failed"}

    async def _start(self) -> None:
        async def submit() -> None:
            version = self._version
            await self._page.service.call(
                lambda client: client.benchmarks.submit(self._name, version=version)
            )
            await self.refresh()

        await self._page.attempt(submit)


def _result(row: BenchmarkRow, benchmark: Benchmark) -> dict[str, Any]:
    low, high = row["ci95_ms"]
    won = (benchmark["winners"] or {}).get(str(row["batch_size"])) == row["backend"]
    return {
        "id": f"{row['backend']} {row['batch_size']}",
        "batch": row["batch_size"],
        "backend": row["backend"],
        "mean": fmt.number(row["mean_ms"]),
        "ci": f"{low:.4g} to {high:.4g}",
        "p99": fmt.number(row["p99_ms"]),
        "rows": f"{row['rows_per_s']:,.0f}",
        "winner": "fastest" if won else "",
    }


def _about(benchmark: Benchmark | None) -> str:
    if benchmark is None:
        return "This version has not been measured yet."
    if benchmark["status"] == "failed":
        return f"It failed: {(benchmark['error'] or {}).get('message', '')}"
    if benchmark["status"] != "succeeded":
        return f"A benchmark is {benchmark['status']}."
    winners = benchmark["winners"] or {}
    said = [f"batch {size}: {name or 'no clear winner'}" for size, name in winners.items()]
    return f"Fastest by {', '.join(said)}."
