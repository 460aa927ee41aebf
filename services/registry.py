"""Models, their versions and aliases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from models import fingerprints
from models.fingerprints import Fingerprint
from services import revision
from services.db.engine import Database
from services.db.tables import Alias, Benchmark, Model, ModelVersion
from services.errors import Conflict, FieldError, Invalid, NotFound
from services.ids import is_name
from services.paging import Page
from services.preferences import measured_here, preferred
from services.promotion import CHAMPION, automatic
from services.storage import Storage


@dataclass(frozen=True)
class ModelView:
    name: str
    created_at: datetime
    versions: int
    latest: int | None
    aliases: Mapping[str, int]


@dataclass(frozen=True)
class VersionView:
    row: ModelVersion
    aliases: Sequence[str]
    preferred_backend: Mapping[str, str] | None
    """The fastest certified backend by batch size, from the latest benchmark on this host as it is:
    with the same processor, cores and libraries."""


@dataclass(frozen=True)
class Snapshot:
    """All that a serving process has to know of the registry, as of one revision."""

    revision: int
    models: Mapping[str, Mapping[int, VersionView]]
    aliases: Mapping[str, Mapping[str, int]]
    unloaded: frozenset[str] = frozenset()
    """Models that are not served until they are loaded again."""


class Registry:
    def __init__(
        self,
        db: Database,
        storage: Storage,
        host: str,
        *,
        fingerprint: Callable[[], Fingerprint] = fingerprints.present,
    ) -> None:
        """`fingerprint` tells what figures of this host depend on: older ones are not believed."""
        self._db = db
        self._storage = storage
        self._host = host
        self._fingerprint = fingerprint

    def models(self, *, limit: int = 50, after: str | None = None) -> Page[ModelView]:
        """Newest first."""
        with self._db.read() as session:
            query = select(Model).order_by(Model.created_at.desc(), Model.name)
            if after is not None:
                last = session.get(Model, after) or _no_page("the name of a model", after)
                query = query.where(
                    (Model.created_at < last.created_at)
                    | ((Model.created_at == last.created_at) & (Model.name > last.name))
                )
            page = Page.cut(session.scalars(query.limit(limit + 1)).all(), limit)
            return Page([_model_view(session, model) for model in page.data], page.has_more)

    def model(self, name: str) -> ModelView:
        with self._db.read() as session:
            return _model_view(session, _model(session, name))

    def versions(
        self, name: str, *, limit: int = 50, after: str | None = None
    ) -> Page[VersionView]:
        """Newest first; `after` is a version's number."""
        with self._db.read() as session:
            _model(session, name)
            query = select(ModelVersion).where(ModelVersion.name == name)
            if after is not None:
                if not _is_number(after):
                    _no_page("the number of a version", after)
                query = query.where(ModelVersion.version < int(after))
            rows = session.scalars(
                query.order_by(ModelVersion.version.desc()).limit(limit + 1)
            ).all()
            page = Page.cut(rows, limit)
            return Page(self._views(session, page.data), page.has_more)

    def version(self, name: str, ref: str | None = None) -> VersionView:
        """`ref` is a number or an alias; None is the champion.

        Raises `NotFound`: `model_not_found` or `version_not_found`.
        """
        with self._db.read() as session:
            return self._views(session, [find_version(session, name, ref)])[0]

    def set_alias(self, name: str, alias: str, version: int) -> VersionView:
        """Raises `Conflict` (`not_certified`) for a version that cannot be served."""
        if not is_name(alias) or alias.isdigit():
            raise Invalid(
                "not an alias",
                errors=(
                    FieldError("alias", f"expected a name that is not a number, got {alias!r}"),
                ),
            )
        with self._db.write() as session:
            revision.bump(session)
            row = find_version(session, name, str(version))
            if not automatic(row.backends):
                raise Conflict(
                    f"{name} version {version} has no certified backend", code="not_certified"
                )
            session.merge(
                Alias(name=name, alias=alias, version=version, updated_at=self._db.now(session))
            )
            session.flush()
            return self._views(session, [row])[0]

    def delete_alias(self, name: str, alias: str) -> None:
        with self._db.write() as session:
            revision.bump(session)
            _model(session, name)
            row = session.get(Alias, (name, alias))
            if row is None:
                raise NotFound(f"{name} has no alias {alias}", code="alias_not_found")
            session.delete(row)

    def delete_version(self, name: str, ref: str) -> None:
        """Raises `Conflict` (`alias_in_use`) while an alias points at it."""
        with self._db.write() as session:
            revision.bump(session)
            row = find_version(session, name, ref)
            used = _aliases(session, [name]).get((name, row.version), [])
            if used:
                raise Conflict(
                    f"{name} version {row.version} is still {', '.join(used)}", code="alias_in_use"
                )
            session.execute(
                delete(Benchmark).where(Benchmark.model == name, Benchmark.version == row.version)
            )
            session.delete(row)
        for file in row.files:
            self._storage.delete(file["key"])

    def set_unloaded(self, name: str, unloaded: bool) -> None:
        """Have every serving process refuse requests to a model, or answer them again."""
        with self._db.write() as session:
            model = _model(session, name)
            if model.unloaded != unloaded:
                revision.bump(session)
                model.unloaded = unloaded

    def file(self, name: str, ref: str | None, file: str) -> Mapping[str, Any]:
        """One entry of a version's `files`; its `key` says where the bytes are in storage."""
        row = self.version(name, ref).row
        for entry in row.files:
            if entry["name"] == file:
                return entry
        raise NotFound(f"{name} version {row.version} has no file {file}", code="file_not_found")

    def directory(self, row: ModelVersion) -> Path:
        """A directory on this host that holds the version's files under their names."""
        paths = {self._storage.local_path(file["key"]).parent for file in row.files}
        if len(paths) != 1:
            raise NotFound(f"{row.name} version {row.version} has no files", code="file_not_found")
        return paths.pop()

    def snapshot(self, known_revision: int = -1) -> Snapshot | None:
        """The whole registry, or None if it is still as of `known_revision`."""
        if known_revision >= 0 and not revision.rose(self._db, known_revision):
            return None
        with self._db.read() as session:
            number = revision.current(session)
            models: dict[str, dict[int, VersionView]] = {
                name: {} for name in session.scalars(select(Model.name))
            }
            for view in self._views(session, session.scalars(select(ModelVersion)).all()):
                models[view.row.name][view.row.version] = view
            aliases: dict[str, dict[str, int]] = {}
            for alias in session.scalars(select(Alias)):
                aliases.setdefault(alias.name, {})[alias.alias] = alias.version
            unloaded = session.scalars(select(Model.name).where(Model.unloaded))
            return Snapshot(number, models, aliases, frozenset(unloaded))

    def _views(self, session: Session, rows: Sequence[ModelVersion]) -> list[VersionView]:
        names = sorted({row.name for row in rows})
        aliases = _aliases(session, names)
        benchmarks = measured_here(session, names, self._host, self._fingerprint())
        return [
            VersionView(
                row,
                aliases.get((row.name, row.version), []),
                preferred(row, benchmarks.get((row.name, row.version), [])),
            )
            for row in rows
        ]


def _no_page(expected: str, got: str) -> Any:
    raise Invalid(
        "there is no such page", errors=(FieldError("after", f"expected {expected}, got {got!r}"),)
    )


def _is_number(ref: str) -> bool:
    return ref.isascii() and ref.isdigit() and len(ref) < 10


def _model(session: Session, name: str) -> Model:
    model = session.get(Model, name)
    if model is None:
        raise NotFound(f"there is no model {name}", code="model_not_found")
    return model


def find_version(session: Session, name: str, ref: str | None) -> ModelVersion:
    """`ref` is a number or an alias; None is the champion. Raises `NotFound`."""
    _model(session, name)
    ref = CHAMPION if ref is None else ref
    number: int | None = int(ref) if _is_number(ref) else None
    if number is None:
        alias = session.get(Alias, (name, ref))
        number = alias.version if alias else None
    row = None if number is None else session.get(ModelVersion, (name, number))
    if row is None:
        raise NotFound(f"the model {name} has no version {ref}", code="version_not_found")
    return row


def _aliases(session: Session, names: Iterable[str]) -> dict[tuple[str, int], list[str]]:
    found: dict[tuple[str, int], list[str]] = {}
    for alias in session.scalars(select(Alias).where(Alias.name.in_(names)).order_by(Alias.alias)):
        found.setdefault((alias.name, alias.version), []).append(alias.alias)
    return found


def _model_view(session: Session, model: Model) -> ModelView:
    count, latest = session.execute(
        select(func.count(), func.max(ModelVersion.version)).where(ModelVersion.name == model.name)
    ).one()
    aliases = session.scalars(select(Alias).where(Alias.name == model.name)).all()
    return ModelView(
        model.name,
        model.created_at,
        count,
        latest,
        {alias.alias: alias.version for alias in aliases},
    )
