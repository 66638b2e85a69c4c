"""Makes the OpenAPI document small: equal parts are written once, and unused schemas are left out."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import orjson

Json = dict[str, Any]

_REFERENCE = re.compile(r'"\$ref":"#/components/schemas/([^"]+)"')


def operations_in(document: Json) -> Iterator[Json]:
    """Return every operation of the document."""
    for path_item in document["paths"].values():
        yield from path_item.values()


def share_responses(document: Json) -> None:
    """Put each refusal of several operations into `components/responses`, by the words of its status."""
    shared = _Shared(
        document, "responses", lambda status: "".join(word.capitalize() for word in _phrase(status).split())
    )
    parts = [
        (operation["responses"], status)
        for operation in operations_in(document)
        for status in operation["responses"]
        if not status.startswith("2")
    ]
    shared.replace([(holder, status, status) for holder, status in parts])


def share_parameters(document: Json) -> None:
    """Put each parameter that several operations have into `components/parameters`, by its name."""
    shared = _Shared(document, "parameters", lambda name: name)
    shared.replace(
        [
            (operation["parameters"], place, parameter["name"])
            for operation in operations_in(document)
            for place, parameter in enumerate(operation.get("parameters", ()))
        ]
    )


def prune_schemas(document: Json) -> None:
    """Remove the schemas that nothing refers to."""
    schemas: Json = document["components"]["schemas"]
    others = {kind: found for kind, found in document["components"].items() if kind != "schemas"}
    waiting = _references([document["paths"], others])
    used: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting |= _references(schemas[name])
    for name in schemas.keys() - used:
        del schemas[name]


class _Shared:
    """Parts of one kind that operations share. name_of: from what a part is known by to its name."""

    def __init__(self, document: Json, kind: str, name_of: Callable[[str], str]) -> None:
        self._kind = kind
        self._name_of = name_of
        self._components: Json = document["components"].setdefault(kind, {})

    def replace(self, parts: list[tuple[Any, Any, str]]) -> None:
        """Replace each part that occurs twice by a reference. parts: holder, place in it, known as."""
        counted = Counter(_key(holder[place], word) for holder, place, word in parts)
        names: dict[tuple[str, bytes], str] = {}
        for holder, place, word in parts:
            key = _key(holder[place], word)
            if counted[key] < 2:
                continue
            if key not in names:
                names[key] = self._free_name(word)
                self._components[names[key]] = holder[place]
            holder[place] = {"$ref": f"#/components/{self._kind}/{names[key]}"}

    def _free_name(self, word: str) -> str:
        name = self._name_of(word)
        number = sum(re.fullmatch(rf"{re.escape(name)}\d*", taken) is not None for taken in self._components)
        return name if number == 0 else f"{name}{number + 1}"


def _phrase(status: str) -> str:
    return HTTPStatus(int(status)).phrase


def _key(part: Json, word: str) -> tuple[str, bytes]:
    return word, orjson.dumps(part, option=orjson.OPT_SORT_KEYS)


def _references(value: Any) -> set[str]:
    return set(_REFERENCE.findall(orjson.dumps(value).decode()))
