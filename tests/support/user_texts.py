"""Collects all texts that a user can see, so that people can review them in one file.

`python -m tests.support.user_texts` writes the file; a test compares it with what the program says today.
"""

import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import typer
from prometheus_client import REGISTRY
from typer.core import TyperGroup

import app.errors
from app import metrics
from app.catalog.pages.rendering import Pages
from app.cli import application
from app.login_attempts.rules import ADVICE
from app.migration.pages import migration_pages
from app.settings import Settings
from app.web import wording
from tests.support.catalog import load_described_catalog
from tests.support.protocol import OCPP16

ROOT: Final = Path(__file__).parents[2]
SNAPSHOT: Final = ROOT / "tests" / "user_texts.txt"
_HEADER: Final = (
    "Every text that a user can see. Written by `make generate`; read the change as a user would.\n"
)
_RUST_LITERAL: Final = re.compile(r'(?<!\')"((?:[^"\\\n]|\\.)*)"')
_RUST_SKIPPED: Final = re.compile(r"^\s*(//|#!?\[|use |mod )|expect\(|debug_assert|unreachable!|include_str!")
# Calls whose texts go to a user: errors of both edges, of the command line, and what it prints.
_SHOWN_BY: Final = re.compile(
    r"(Error|Failed|Fault|Violation|Input|Parameter|Denied|Requests|Found|Conflict|FormField|FormGroup|StartForm|ShownState)$"
)
_INSTRUCTION: Final = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_FILLED_IN: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# Markup and paths of drawings.
_DRAWING: Final = re.compile(r"\s*(<|M\{)")
_PRINTS: Final = frozenset({"echo", "print", "add_row", "add_column", "Panel", "append"})


def collect() -> str:
    """Return all texts, grouped by where a user meets them."""
    sections = {
        "OpenAPI": _openapi_texts(),
        "Command line: help": _command_texts(application),
        "Errors and output": _source_texts(),
        "Advice on refused logins": ADVICE.values(),
        "Core: what it says of frames, payloads and schedules": _core_texts(),
        "Metrics": _metric_texts(),
        "Pages": _page_texts(),
        "Console": _console_texts(),
    }
    parts = [_HEADER]
    for title, texts in sections.items():
        parts.append(f"\n## {title}\n\n")
        parts.extend(f"{text}\n" for text in sorted({" ".join(text.split()) for text in texts} - {""}))
    return "".join(parts)


def _openapi_texts() -> Iterator[str]:
    from app.main import create_app

    settings = Settings(
        database_url="postgresql://localhost/x", redis_url="redis://localhost", credential_pepper="x" * 32
    )
    document = create_app(settings).openapi()
    described = json.loads(OCPP16.describe())
    # Lists that the examples of the document shorten.
    lists = [described[name] for name in ("configurationKeys", "errorCodes", "securityEvents", "profiles")]

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.items():
                if key in ("description", "summary", "detail", "title") and isinstance(item, str):
                    yield item
                else:
                    yield from walk(item)
        elif isinstance(value, list):
            for item in value:
                yield from walk(item)

    yield from walk([document, lists])


def _command_texts(command: typer.Typer) -> Iterator[str]:
    group = typer.main.get_command(command)

    def walk(found: Any) -> Iterator[str]:
        yield found.help or ""
        for parameter in found.params:
            yield getattr(parameter, "help", None) or ""
        if isinstance(found, TyperGroup):
            for child in found.commands.values():
                yield from walk(child)

    yield from walk(group)


def _source_texts() -> Iterator[str]:
    yield from wording.PATTERN_WORDS.values()
    yield from wording.WORDS.values()
    classes = {name for name, value in vars(app.errors).items() if isinstance(value, type)}
    for path in sorted((ROOT / "app").rglob("*.py")):
        if path.name == "v16.py" or "versions" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _is_shown(_name_of(node.func), classes):
                for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                    yield from _texts_of(argument)


def _is_shown(name: str, classes: set[str]) -> bool:
    return name in classes or name in _PRINTS or _SHOWN_BY.search(name) is not None


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _texts_of(value: ast.expr) -> Iterator[str]:
    """Yield the sentences in an argument; `{...}` means a value that is filled in. Single words are codes."""
    if isinstance(value, ast.JoinedStr):
        text = "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{...}" for part in value.values
        )
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        text = value.value
    else:
        for child in ast.iter_child_nodes(value):
            if isinstance(child, ast.expr) and not isinstance(child, ast.Call):
                yield from _texts_of(child)
        return
    if " " in text.strip() and not _DRAWING.match(text):
        yield text


def _core_texts() -> Iterator[str]:
    for path in sorted((ROOT / "core_rs").glob("*/src/**/*.rs")):
        if path.name == "tests.rs" or {"instructions", "tests"} & set(path.relative_to(ROOT).parts):
            continue
        for line in path.read_text("utf-8").split("#[cfg(test)]")[0].splitlines():
            if _RUST_SKIPPED.search(line) is None:
                yield from (text for text in _RUST_LITERAL.findall(line) if " " in text.strip())


def _metric_texts() -> Iterator[str]:
    assert metrics
    for metric in REGISTRY.collect():
        if metric.name.startswith("stationmaster"):
            yield f"{metric.name}: {metric.documentation}"


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def _page_texts() -> Iterator[str]:
    catalog = load_described_catalog()
    pages = Pages(catalog, migration_pages(catalog))
    bodies = [document.body.decode() for document in pages.documents.values()]
    for body in (*bodies, pages.not_found("/protocols/nothing")):
        parser = _Text()
        parser.feed(body)
        yield from (text for text in parser.found if " " in text.strip())


def _console_texts() -> Iterator[str]:
    """Yield the sentences in the templates of the console; `{...}` means a value that is filled in."""
    for path in sorted((ROOT / "app" / "console" / "templates").glob("*.html")):
        parser = _Text()
        parser.feed(_FILLED_IN.sub("{...}", _INSTRUCTION.sub("", path.read_text("utf-8"))))
        yield from (text for text in parser.found if " " in text.strip())


if __name__ == "__main__":
    SNAPSHOT.write_text(collect(), "utf-8")
