"""The audit of the dependencies: what is found fails, and what could not be checked is said."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from packaging.version import Version
from pip_audit._dependency_source import DependencySource
from pip_audit._service import Dependency
from pip_audit._service.interface import ResolvedDependency, SkippedDependency
from requests.adapters import BaseAdapter

from tools.audit import (
    Finding,
    PackageIndex,
    audit_python,
    audit_rust_advisories,
    audit_rust_policy,
)

_FLAW = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "summary": "Reads too far.",
    "details": "Reads too far.",
    "fixed_in": ["2.1"],
    "link": None,
    "withdrawn": None,
}


class Installed(DependencySource):  # type: ignore[misc]
    """An environment with `wheel` in version 2.0, and the project itself."""

    def collect(self) -> Iterator[Dependency]:
        yield ResolvedDependency("wheel", Version("2.0"))
        yield SkippedDependency("stationmaster", "distribution marked as editable")

    def fix(self, fix_version: object) -> None:
        raise NotImplementedError


class Answers(BaseAdapter):
    """The package index: documents by path. None: it cannot be reached."""

    def __init__(self, documents: Mapping[str, Any] | None) -> None:
        super().__init__()
        self._documents = documents

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        if self._documents is None:
            raise requests.ConnectionError("unreachable")
        document = self._documents.get(request.path_url)
        response = requests.Response()
        response.status_code = 404 if document is None else 200
        response.url = request.url or ""
        response.request = request
        response._content = json.dumps(document).encode()
        return response

    def close(self) -> None:
        return


def _index(documents: Mapping[str, Any] | None) -> PackageIndex:
    index = PackageIndex()
    index.session.mount("https://", Answers(documents))
    return index


def _document(version: str, *flaws: Mapping[str, Any]) -> dict[str, Any]:
    return {"info": {"version": version}, "vulnerabilities": list(flaws)}


_NONE = Finding("Python: 1 packages without a known vulnerability")
_FOUND = Finding(
    "Python: known vulnerabilities\n  wheel 2.0: PYSEC-2026-1 CVE-2026-1, fixed in 2.1", failed=True
)
_UNKNOWN = Finding(
    "Python: 0 packages without a known vulnerability; "
    "1 not checked, the index does not know their versions: wheel"
)


@pytest.mark.parametrize(
    ("documents", "finding"),
    [
        pytest.param({"/pypi/wheel/2.0/json": _document("2.0")}, _NONE, id="clean"),
        pytest.param({"/pypi/wheel/2.0/json": _document("2.0", _FLAW)}, _FOUND, id="vulnerable"),
        pytest.param({"/pypi/wheel/json": _document("2.0")}, _NONE, id="only the newest is known: clean"),
        pytest.param(
            {"/pypi/wheel/json": _document("2.0", _FLAW)}, _FOUND, id="only the newest is known: vulnerable"
        ),
        pytest.param({"/pypi/wheel/json": _document("2.1")}, _UNKNOWN, id="only another version is known"),
        pytest.param({}, _UNKNOWN, id="unknown"),
        pytest.param(
            None,
            Finding("Python: not checked, the package index does not answer (ConnectionError)"),
            id="unreachable",
        ),
    ],
)
def test_packages_are_looked_up_in_the_installed_version(
    documents: Mapping[str, Any] | None, finding: Finding
) -> None:
    assert audit_python(_index(documents), Installed()) == finding


def _cargo_deny(directory: Path, status: int, text: str) -> Path:
    path = directory / "cargo-deny"
    path.write_text(f"#!/bin/sh\necho '{text}' >&2\nexit {status}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("status", "text", "finding"),
    [
        (0, "advisories ok", Finding("Rust: no crate with a known vulnerability, unmaintained or withdrawn")),
        (
            1,
            "[ERROR] failed to fetch advisory database https://example.org with cli: failed to clone",
            Finding("Rust: vulnerabilities not checked, the RustSec database cannot be fetched"),
        ),
        (
            1,
            "error[vulnerability]: RUSTSEC-2026-0001",
            Finding("Rust: known against crates\nerror[vulnerability]: RUSTSEC-2026-0001\n", failed=True),
        ),
    ],
    ids=["clean", "unreachable", "vulnerable"],
)
def test_crates_are_looked_up_in_the_database(
    tmp_path: Path, status: int, text: str, finding: Finding
) -> None:
    assert audit_rust_advisories(_cargo_deny(tmp_path, status, text)) == finding


def test_a_database_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.audit._DATABASE_TIMEOUT_S", 0.1)
    path = _cargo_deny(tmp_path, 0, "")
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    assert audit_rust_advisories(path) == Finding(
        "Rust: vulnerabilities not checked, the RustSec database cannot be fetched"
    )


def test_what_deny_toml_forbids_fails(tmp_path: Path) -> None:
    refused = audit_rust_policy(_cargo_deny(tmp_path, 4, "error[rejected]: GPL-3.0"))
    assert refused == Finding("Rust: deny.toml is not obeyed\nerror[rejected]: GPL-3.0\n", failed=True)


def test_without_cargo_deny_it_is_said_that_nothing_was_checked(tmp_path: Path) -> None:
    absent = tmp_path / "nothing"
    assert audit_rust_policy(absent).text == "Rust: not checked, cargo-deny is not installed"
    assert audit_rust_advisories(absent).text == (
        "Rust: vulnerabilities not checked, cargo-deny is not installed"
    )
