"""Finds the differences between two versions of a protocol: messages, fields, limits and values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from app.catalog.definition import Definition, FieldDescription, MessageDescription, TypeDescription, Way

Change = Literal["added", "removed", "retyped", "relaxed", "tightened", "values"]

_UPPER = ("max_length", "max_items", "maximum")
_LOWER = ("min_items", "minimum", "multiple_of")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference of a field. path: in the payload, with dots, through objects; `[]` behind a list."""

    direction: Way
    path: str
    change: Change
    detail: str


@dataclass(frozen=True, slots=True)
class MessageChange:
    """All differences of a message that both versions have."""

    action: str
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """All differences between two versions."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[MessageChange, ...]
    same: tuple[str, ...]


def compare(old: Definition, new: Definition) -> Differences:
    """Compare two versions of a protocol, by the names of their messages.

    The field for data of a vendor, which each object of OCPP 2.x has, is left out.
    """
    earlier = {message.action: message for message in old.messages}
    later = {message.action: message for message in new.messages}
    both = [action for action in earlier if action in later]
    comparison = _Comparison(old.types, new.types)
    changes = {action: tuple(comparison.message(earlier[action], later[action])) for action in both}
    return Differences(
        added=tuple(action for action in later if action not in earlier),
        removed=tuple(action for action in earlier if action not in later),
        changed=tuple(MessageChange(action, found) for action, found in changes.items() if found),
        same=tuple(action for action, found in changes.items() if not found),
    )


@dataclass(frozen=True, slots=True)
class _Comparison:
    old: Mapping[str, TypeDescription]
    new: Mapping[str, TypeDescription]

    def message(self, old: MessageDescription, new: MessageDescription) -> Iterator[FieldChange]:
        yield from self._fields("request", "", old.request.fields, new.request.fields)
        yield from self._fields("response", "", old.response.fields, new.response.fields)

    def _fields(
        self, way: Way, path: str, old: tuple[FieldDescription, ...], new: tuple[FieldDescription, ...]
    ) -> Iterator[FieldChange]:
        earlier = {field.name: field for field in old if not _is_open(self.old, field)}
        later = {field.name: field for field in new if not _is_open(self.new, field)}
        for name, field in later.items():
            here = f"{path}{name}{'[]' if field.many else ''}"
            if name not in earlier:
                detail = f"{self._kind(self.new, field)}, {'required' if field.required else 'optional'}"
                yield FieldChange(way, here, "added", detail)
            else:
                yield from self._field(way, here, earlier[name], field)
        for name, field in earlier.items():
            if name not in later:
                yield FieldChange(way, f"{path}{name}", "removed", self._kind(self.old, field))

    def _field(
        self, way: Way, path: str, old: FieldDescription, new: FieldDescription
    ) -> Iterator[FieldChange]:
        if old.required != new.required:
            word: Change = "tightened" if new.required else "relaxed"
            yield FieldChange(way, path, word, "now required" if new.required else "now optional")
        kinds = (self._kind(self.old, old), self._kind(self.new, new))
        if kinds[0] != kinds[1]:
            yield FieldChange(way, path, "retyped", f"{kinds[0]} → {kinds[1]}")
            return
        yield from self._limits(way, path, old, new)
        old_type, new_type = self.old.get(old.type), self.new.get(new.type)
        if old_type is None or new_type is None:
            return
        if new_type.kind == "enum":
            yield from _values(way, path, old_type, new_type)
        elif new_type.kind == "object":
            yield from self._fields(way, f"{path}.", old_type.fields or (), new_type.fields or ())

    def _kind(self, types: Mapping[str, TypeDescription], field: FieldDescription) -> str:
        """Return the JSON type of a field: named types count by what they are, not by their name."""
        named = types.get(field.type)
        kind = named.kind if named else field.type
        kind = "string" if kind == "anyURI" else kind
        return f"list of {kind}" if field.many else kind

    def _limits(
        self, way: Way, path: str, old: FieldDescription, new: FieldDescription
    ) -> Iterator[FieldChange]:
        for name in (*_UPPER, *_LOWER):
            before, after = getattr(old, name), getattr(new, name)
            if before == after or (name == "min_items" and (before or 0) == (after or 0)):
                continue
            grows = after is None or (before is not None and (after > before) == (name in _UPPER))
            word: Change = "relaxed" if grows else "tightened"
            yield FieldChange(way, path, word, f"{name.replace('_', ' ')} {_shown(before)} → {_shown(after)}")


def _is_open(types: Mapping[str, TypeDescription], field: FieldDescription) -> bool:
    named = types.get(field.type)
    return named is not None and bool(named.open)


def _shown(limit: float | None) -> str:
    return "none" if limit is None else f"{limit:g}"


def _values(way: Way, path: str, old: TypeDescription, new: TypeDescription) -> Iterator[FieldChange]:
    earlier = [value.value for value in old.values or ()]
    later = [value.value for value in new.values or ()]
    added = [value for value in later if value not in earlier]
    removed = [value for value in earlier if value not in later]
    if added or removed:
        parts = [f"+ {value}" for value in added] + [f"- {value}" for value in removed]
        yield FieldChange(way, path, "values", ", ".join(parts))
