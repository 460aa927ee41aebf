"""Writes docs/pipelines.md from the table of pipelines and their params: `make docs`.

A test fails where the page does not say what the code does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from models.data import BUILTIN
from models.pipelines import PIPELINES
from models.pipelines.base import Pipeline

PAGE = Path(__file__).with_name("pipelines.md")

HEAD = """# Pipelines

Made by `make docs` from the code: what each job may be given. `GET /v1/pipelines/{name}` has the
same as JSON Schema. Params that every training pipeline shares come first; a pipeline's own table
holds what it adds, and what it defaults to otherwise.
"""

Schema = Mapping[str, Any]


class Param(NamedTuple):
    name: str
    """Dotted where it is inside of another."""
    kind: str
    default: str
    description: str


def page() -> str:
    tables = {pipeline.name: list(_params(pipeline)) for pipeline in PIPELINES.values()}
    training = [set(tables[p.name]) for p in PIPELINES.values() if p.produces_model]
    shared = set.intersection(*training)
    first = next(tables[p.name] for p in PIPELINES.values() if p.produces_model)
    parts = [HEAD, "## Shared by all that train\n", _table([p for p in first if p in shared])]
    for pipeline in PIPELINES.values():
        own = [param for param in tables[pipeline.name] if param not in shared]
        parts.append(_section(pipeline, own))
    parts.append(_datasets())
    return "\n".join(parts)


def _section(pipeline: Pipeline, own: Sequence[Param]) -> str:
    facts = [
        f"- Section {pipeline.section} of the tutorial; task `{pipeline.task}`",
        f"- Data: {', '.join(f'`{name}`' for name in pipeline.datasets) or 'its own'}",
        "- Publishes a model" if pipeline.produces_model else "- Publishes no model",
    ]
    table = _table(own) if own else "No params of its own.\n"
    return "\n".join([f"## `{pipeline.name}`\n", f"{pipeline.title}.\n", *facts, "", table])


def _params(pipeline: Pipeline) -> Iterator[Param]:
    schema = pipeline.params.model_json_schema()
    yield from _fields(schema, schema.get("$defs", {}), "", {})


def _fields(schema: Schema, defs: Schema, prefix: str, given: Schema) -> Iterator[Param]:
    """The fields of an object; those of an object within it by dotted names.

    `given` is the default of the object itself, which may differ from those of its fields.
    """
    for name, field in schema.get("properties", {}).items():
        default = given.get(name, field.get("default"))
        inner = _object(field, defs)
        if inner is not None:
            yield from _fields(inner, defs, f"{prefix}{name}.", default or {})
        else:
            text = "required" if name in schema.get("required", ()) else f"`{json.dumps(default)}`"
            yield Param(f"{prefix}{name}", _kind(field), text, field.get("description", ""))


def _object(field: Schema, defs: Schema) -> Schema | None:
    ref = field.get("$ref") or next((one["$ref"] for one in field.get("allOf", ())), None)
    return None if ref is None else defs[ref.rpartition("/")[2]]


def _kind(field: Schema) -> str:
    if "anyOf" in field:
        return " or ".join(_kind(one) for one in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field["type"] == "array":
        return f"list of {_kind(field['items'])}{_limits(field)}"
    return f"{field['type']}{_limits(field)}"


LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "maxLength": "at most {} characters",
}


def _limits(field: Schema) -> str:
    said = [text.format(f"{field[key]:g}") for key, text in LIMITS.items() if key in field]
    return f" {', '.join(said)}" if said else ""


def _table(params: Sequence[Param]) -> str:
    lines = ["| param | type | default | what |", "|---|---|---|---|"]
    for param in params:
        cells = (f"`{param.name}`", param.kind, param.default, param.description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _datasets() -> str:
    lines = [
        "## Built-in datasets\n",
        "| id | what | kind | task | rows | where from |",
        "|---|---|---|---|---|---|",
    ]
    for info in BUILTIN.values():
        where = info.source if info.bundled else f"{info.source} (not bundled)"
        cells = (f"`{info.id}`", info.title, info.kind, info.task, f"{info.rows:,}", where)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page())
