"""The operations of the OpenAPI document that need a key, as rows for tests over all routes."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Operation:
    """One method of one path. text: its description in the document."""

    method: str
    path: str
    text: dict[str, Any]

    @property
    def name(self) -> str:
        """The operation id."""
        return str(self.text["operationId"])

    @property
    def scope(self) -> str:
        """The scope that it needs."""
        ((scope,),) = [
            list(scopes) for alternative in self.text["security"] for scopes in alternative.values()
        ]
        return str(scope)

    @property
    def parameters(self) -> list[str]:
        """The names of the variable parts of the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def of_platform(self) -> bool:
        """Whether it needs a key of the platform."""
        return self.path.startswith("/v1/tenants")

    def filled(self, values: dict[str, str]) -> str:
        """Return the path with its variable parts filled in."""
        return re.sub(r"\{(\w+)\}", lambda match: quote(values[match[1]], safe=""), self.path)

    def request(self, **owned: Any) -> dict[str, Any]:
        """Return the example of the body, with the members that `owned` names; empty if there is no body."""
        body = self.text.get("requestBody")
        if body is None:
            return {}
        if "application/json" not in body["content"]:
            # A file: its name is in the query.
            return {"content": b"content", "params": {"name": "file.bin"}}
        example = body["content"]["application/json"]["example"]
        members = {name: value for name, value in owned.items() if name in example}
        return {"json": example | members if members else example}


def resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter or an answer, or the shared one that it refers to."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    found: dict[str, Any] = document["components"][kind][name]
    return found


def operations_of(document: dict[str, Any]) -> list[Operation]:
    """Return all operations that need a key, in the order of the document."""
    return [
        Operation(method, path, text)
        for path, item in document["paths"].items()
        for method, text in item.items()
        if text.get("security")
    ]
