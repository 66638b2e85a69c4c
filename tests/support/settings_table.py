"""The settings in docs/operations.md: `python -m tests.support.settings_table` writes them.

They are those of `app/settings`. A comment in the code explains the fields below it, up to the next comment.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from app.settings import Settings, variable_of
from app.settings.connections import ConnectionSettings
from app.settings.console import ConsoleSettings
from app.settings.devices import DeviceSettings
from app.settings.values import SettingsGroup
from app.settings.webhooks import WebhookSettings

PAGE: Final = Path(__file__).parents[2] / "docs" / "operations.md"
_TABLES: Final = re.compile(r"(?<=<!-- settings -->\n).*(?=<!-- end of settings -->)", re.DOTALL)
_GROUPS: Final[tuple[tuple[str, type[SettingsGroup]], ...]] = (
    ("The server", Settings),
    ("Connections", ConnectionSettings),
    ("Charge points", DeviceSettings),
    ("The console", ConsoleSettings),
    ("Webhooks", WebhookSettings),
)
_FIELD: Final = re.compile(r"    ([a-z][a-z0-9_]*): ")
_COMMENT: Final = re.compile(r"    # (.*)")
_QUOTED: Final = re.compile(r"`([a-z][a-z0-9_]*)`")


@dataclass(slots=True)
class Explained:
    """Some fields with the comment above them."""

    text: str
    fields: list[str] = field(default_factory=list)


def explained(group: type[SettingsGroup]) -> Iterator[Explained]:
    """Yield the fields that a class defines itself, each with its comment."""
    found = Explained("")
    in_comment = False
    for line in inspect.getsource(group).splitlines():
        if line.startswith(("    @", "    def ")):
            break
        if comment := _COMMENT.match(line):
            if not in_comment:
                if found.fields:
                    yield found
                found = Explained("")
            found.text = f"{found.text} {comment[1]}".lstrip()
            in_comment = True
        else:
            in_comment = False
            if name := _FIELD.match(line):
                found.fields.append(name[1])
    yield found


def default_of(info: FieldInfo) -> str:
    """Return the value of a setting that is not set."""
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ("", []):
        return "none"
    if isinstance(value, list):
        value = ",".join(_number(part) if isinstance(part, float) else str(part) for part in value)
    elif isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, float):
        value = _number(value)
    return f"`{value}`"


def values_of(info: FieldInfo) -> str:
    """Return what may be given for a setting."""
    kind: Any = info.annotation
    if NoneType in (choices := get_args(kind)):
        kind = next(choice for choice in choices if choice is not NoneType)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if kind is bool:
        return "`true`, `false`"
    if kind in (int, float):
        limits = {type(limit): limit for limit in info.metadata}
        lowest = _number(limits[Ge].ge) if Ge in limits else f"above {_number(limits[Gt].gt)}"
        return f"{lowest} to {_number(limits[Le].le)}" if Le in limits else f"{lowest} or more"
    if get_origin(kind) is list:
        return "several, with commas"
    return "a path" if kind is Path else "a text"


def rows_of(group: type[SettingsGroup]) -> list[str]:
    """Return the table of one class."""
    lines = ["| variable | default | values | |", "|---|---|---|---|"]
    for each in explained(group):
        infos = [Settings.model_fields[name] for name in each.fields]
        names = "<br>".join(f"`{variable_of(name)}`" for name in each.fields)
        defaults = "<br>".join(default_of(info) for info in infos)
        values = "<br>".join(values_of(info) for info in infos)
        text = _QUOTED.sub(_variable, each.text).replace("|", "\\|")
        lines.append(f"| {names} | {defaults} | {values} | {text} |")
    return lines


def rows_without_text() -> list[str]:
    """Return the fields that no comment explains."""
    return [
        name for _, group in _GROUPS for each in explained(group) if not each.text for name in each.fields
    ]


def _number(value: Any) -> str:
    return f"{value:.15g}"


def _variable(quoted: re.Match[str]) -> str:
    name = quoted[1]
    return f"`{variable_of(name)}`" if name in Settings.model_fields else quoted[0]


def page_with_settings() -> str:
    """Return the page as it should be."""
    lines: list[str] = []
    for heading, group in _GROUPS:
        lines += ["", f"### {heading}", "", *rows_of(group)]
    text = "\n".join([*lines, "", ""])
    return _TABLES.sub(lambda _: text, PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page_with_settings(), "utf-8")
