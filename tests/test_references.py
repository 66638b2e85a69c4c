"""References to files, in documents, comments and docstrings: each one names a file that exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("app", "tests", "benchmarks", "core_rs", "docs", ".ci")
SUFFIXES = {".md", ".py", ".rs", ".toml", ".yaml", ".sh", ""}
NOT_WRITTEN_BY_US = {"__pycache__", "target", "results", "corpus", "artifacts"}

# A path from the root of the repository; the last folder or file may be a pattern such as `*.json`.
_PATH = re.compile(r"(?<![\w./-])(?:app|tests|core_rs|docs|benchmarks|\.ci)/[\w./*-]*[\w*/]")
_QUOTED = re.compile(r"`[^`\n]+`")
_COMMENT = re.compile(r"(?://|#).*")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def texts() -> Iterator[tuple[Path, str]]:
    """Every file that people write, and what it says."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    found += [path for name in SOURCES for path in (ROOT / name).rglob("*") if path.is_file()]
    for path in sorted(found):
        # This file names paths that do not exist.
        if path == Path(__file__) or NOT_WRITTEN_BY_US & set(path.relative_to(ROOT).parts):
            continue
        if path.suffix in SUFFIXES:
            yield path, path.read_text("utf-8")


def references(path: Path, text: str) -> set[str]:
    """The paths that a file refers to: anywhere in a document, else in backticks and comments."""
    passages = [text] if path.suffix == ".md" else [*_QUOTED.findall(text), *_COMMENT.findall(text)]
    return {found for passage in passages for found in _PATH.findall(passage)}


def exists(reference: str) -> bool:
    """Whether a path from the root names a file or a folder; a pattern must match at least one."""
    return any(ROOT.glob(reference.rstrip("/"))) if "*" in reference else (ROOT / reference).exists()


def test_every_path_that_is_referred_to_exists() -> None:
    found = {(str(path.relative_to(ROOT)), name) for path, text in texts() for name in references(path, text)}
    assert len(found) > 30
    assert {(path, name) for path, name in found if not exists(name)} == set()


def test_every_relative_link_of_a_document_leads_to_a_file() -> None:
    documents = [(path, text) for path, text in texts() if path.suffix == ".md"]
    links = [(path, link) for path, text in documents for link in _LINK.findall(text) if ":" not in link]
    assert len(links) > 5
    dead = {(str(path.relative_to(ROOT)), link) for path, link in links if not (path.parent / link).exists()}
    assert dead == set()


@pytest.mark.parametrize(
    ("suffix", "text", "expected"),
    [
        (".md", "see docs/gone.md and `app/gone.py`", {"docs/gone.md", "app/gone.py"}),
        (".py", 'x = "docs/start.js"  # as in app/gone.py.', {"app/gone.py"}),
        (".py", '"""The cases of `tests/vectors/gone`."""', {"tests/vectors/gone"}),
        (".rs", "//! Read by tests/ocpp/gone.py, too", {"tests/ocpp/gone.py"}),
        (".md", "https://example.com/docs/gone and /v1/app/x", set()),
    ],
)
def test_references_are_found_where_people_read_them(suffix: str, text: str, expected: set[str]) -> None:
    assert references(Path(f"file{suffix}"), text) == expected
