"""The list of changes agrees with the OpenAPI document, and no operation comes without an entry."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.api_changes.records import api_changes
from app.main import create_app
from app.settings import Settings

FIRST = Path(__file__).parent / "first_operations.txt"
"""The operations that were there before the list of changes, and still are or were removed since."""


@pytest.fixture(scope="module")
def application() -> FastAPI:
    return create_app(Settings(credential_pepper="pepper"))


@pytest.fixture(scope="module")
def operations(application: FastAPI) -> set[str]:
    paths: dict[str, Any] = application.openapi()["paths"]
    return {f"{method.upper()} {path}" for path, item in paths.items() for method in item}


def named(*kinds: str) -> set[str]:
    return {change.operation for change in api_changes() if change.operation and change.kind in kinds}


def test_each_new_operation_has_an_entry_and_no_old_one_is_gone_without(operations: set[str]) -> None:
    first = set(FIRST.read_text().split("\n")) - {""}
    assert operations == (first | named("added")) - named("removed")


def test_what_has_changed_is_there(operations: set[str]) -> None:
    assert named("changed", "deprecated") <= operations | named("removed")


def test_what_is_deprecated_is_marked_so(application: FastAPI) -> None:
    paths: dict[str, Any] = application.openapi()["paths"]
    marked = {
        f"{method.upper()} {path}"
        for path, item in paths.items()
        for method, operation in item.items()
        if operation.get("deprecated")
    }
    assert marked == named("deprecated") - named("removed")


async def test_the_list_is_public(application: FastAPI) -> None:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        answer = await client.get("/v1/changes", headers={"Origin": "https://a.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    body = answer.json()
    assert body["count"] == len(body["changes"]) >= 5
    dates = [change["date"] for change in body["changes"]]
    assert dates == sorted(dates, reverse=True)
