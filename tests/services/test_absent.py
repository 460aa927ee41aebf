from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from services.absent import bare, without

PACKAGE = "torchkiln_sample_package"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text(f"from {PACKAGE} import plain\nheavy = True\n")
    (folder / "plain.py").write_text(f"from {PACKAGE} import base\nvalue = base.value\n")
    (folder / "base.py").write_text("value = object()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield PACKAGE
    for name in [one for one in sys.modules if one.startswith(PACKAGE)]:
        del sys.modules[name]


def test_a_module_comes_without_its_packages_code_which_still_runs_later(package: str) -> None:
    with bare(package):
        plain = import_module(f"{package}.plain")
    assert package not in sys.modules
    whole = import_module(package)
    assert whole.heavy
    assert whole.plain is plain, "a module is imported once"


def test_a_package_that_was_imported_stays_as_it_is(package: str) -> None:
    whole = import_module(package)
    with bare(package):
        assert sys.modules[package] is whole
    assert sys.modules[package] is whole


def test_a_package_that_is_not_installed_says_so_as_ever() -> None:
    with bare("torchkiln_no_such_package"), pytest.raises(ModuleNotFoundError):
        import_module("torchkiln_no_such_package.part")


def test_what_is_kept_out_can_be_imported_afterwards(package: str) -> None:
    with without(package), pytest.raises(ModuleNotFoundError):
        import_module(package)
    assert import_module(package).heavy
    with without(package):
        assert import_module(package).heavy, "it is here already"
