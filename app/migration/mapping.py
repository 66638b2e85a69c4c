"""Reads the files of the mapping, and checks them against the definitions of both versions."""

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from app.catalog.definition import Definition, FieldDescription, MessageDescription
from app.migration.records import Counterpart, Mapping16To201

_PARTS = tuple(Mapping16To201.model_fields)


@cache
def load_mapping() -> Mapping16To201:
    """Read the mapping from OCPP 1.6 to 2.0.1.

    Raises:
        pydantic.ValidationError: a file breaks its model.
    """
    return Mapping16To201.model_validate({part: _read(part) for part in _PARTS})


def _read(part: str) -> dict[str, Any]:
    return tomllib.loads((files("app.migration") / "data" / f"{part}.toml").read_text(encoding="utf-8"))


def faults_of(mapping: Mapping16To201, old: Definition, new: Definition) -> list[str]:
    """Return what is wrong with a mapping: old names without a row, and new names that are not there."""
    return [
        *_faults_of_messages(mapping, old, new),
        *_faults_of_types(mapping, old, new),
        *_faults_of_enumerations(mapping, old, new),
        *_faults_of_variables(mapping, old),
        *_faults_of_codes(mapping, old, new),
    ]


def _uncovered(what: str, rows: Iterable[str], wanted: Iterable[str]) -> Iterator[str]:
    having, needed = set(rows), set(wanted)
    yield from (f"{what}: no row for {name}" for name in sorted(needed - having))
    yield from (f"{what}: unknown {name}" for name in sorted(having - needed))


def _faults_of_messages(mapping: Mapping16To201, old: Definition, new: Definition) -> Iterator[str]:
    earlier = {message.action: message for message in old.messages}
    later = {message.action: message for message in new.messages}
    yield from _uncovered("messages", mapping.messages, earlier)
    for action, mapped in mapping.messages.items():
        yield from (f"{action}: no message {target}" for target in mapped.to if target not in later)
        for way, rows in (("request", mapped.request), ("response", mapped.response)):
            fields = _payload(earlier[action], way)
            yield from _uncovered(f"{action} {way}", rows, (field.name for field in fields))
            for target in _targets(mapped.to[0], rows):
                owner, path = target
                found = later.get(owner)
                if found is None or not _has(new, _payload(found, way), path):
                    yield f"{action} {way}: {owner} has no {path}"


def _payload(message: MessageDescription, way: str) -> tuple[FieldDescription, ...]:
    return (message.request if way == "request" else message.response).fields


def _targets(owner: str, rows: dict[str, Counterpart]) -> Iterator[tuple[str, str]]:
    """Yield owner and path of each target."""
    for row in rows.values():
        for target in row.to:
            other, slash, path = target.partition("/")
            yield (other, path) if slash else (owner, target)


def _has(definition: Definition, fields: tuple[FieldDescription, ...], path: str) -> bool:
    name, dot, rest = path.partition(".")
    field = next((field for field in fields if field.name == name), None)
    if field is None or not dot:
        return field is not None
    named = definition.types.get(field.type)
    return named is not None and _has(definition, named.fields or (), rest)


def _faults_of_types(mapping: Mapping16To201, old: Definition, new: Definition) -> Iterator[str]:
    objects = {name: named for name, named in old.types.items() if named.kind == "object"}
    yield from _uncovered("types", mapping.types, objects)
    for name, mapped in mapping.types.items():
        yield from _uncovered(name, mapped.fields, (field.name for field in objects[name].fields or ()))
        for owner, path in _targets(mapped.to, mapped.fields):
            named = new.types.get(owner)
            if named is None or not _has(new, named.fields or (), path):
                yield f"{name}: {owner} has no {path}"


def _faults_of_enumerations(mapping: Mapping16To201, old: Definition, new: Definition) -> Iterator[str]:
    enums = {name: named for name, named in old.types.items() if named.kind == "enum"}
    faults = enums.pop("ChargePointErrorCode").values or ()
    yield from _uncovered("faults", mapping.faults, (value.value for value in faults))
    yield from _uncovered("enumerations", mapping.enumerations, enums)
    for name, mapped in mapping.enumerations.items():
        yield from _uncovered(name, mapped.values, (value.value for value in enums[name].values or ()))
        for owner, value in _targets(mapped.to or "", mapped.values):
            named = new.types.get(owner)
            if named is None or value not in {found.value for found in named.values or ()}:
                yield f"{name}: {owner} has no {value}"


def _faults_of_variables(mapping: Mapping16To201, old: Definition) -> Iterator[str]:
    standard = {key.name for key in old.configuration_keys}
    yield from (f"keys: no row for {name}" for name in sorted(standard - mapping.configuration_keys.keys()))
    for name, key in mapping.configuration_keys.items():
        yield from (
            f"{name}: {fault}" for to in key.to for fault in _unnamed(mapping, to.component, to.variable)
        )
    for name, fault in mapping.faults.items():
        if fault.component and fault.variable:
            yield from (f"{name}: {found}" for found in _unnamed(mapping, fault.component, fault.variable))


def _unnamed(mapping: Mapping16To201, component: str, variable: str) -> Iterator[str]:
    names = mapping.components.get(component)
    if names is None or variable not in (*names.variables, *names.known):
        yield f"no variable {component}.{variable}"


def _faults_of_codes(mapping: Mapping16To201, old: Definition, new: Definition) -> Iterator[str]:
    yield from _uncovered("error codes", mapping.error_codes, (code.code for code in old.error_codes))
    yield from _uncovered("security events", mapping.security_events, (it.type for it in old.security_events))
    codes, events = {code.code for code in new.error_codes}, {event.type for event in new.security_events}
    yield from (f"no error code {code}" for code in mapping.error_codes.values() if code not in codes)
    yield from (
        f"no security event {event}" for event in mapping.security_events.values() if event not in events
    )
