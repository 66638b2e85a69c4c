"""Answers are compressed if they are long and the client accepts it. Events are not, and tags stay honest."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from app.web.compression import MINIMUM_BYTES, Compression
from tests.support.api import Api


@pytest.fixture
async def long_list(api: Api, token: str) -> str:
    """Store tags whose list is long, and return the key of their tenant."""
    for number in range(12):
        await api.call("POST", "/v1/id-tags", token, json={"id_tag": f"TAG-{number}"})
    return token


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip"])
async def test_a_long_answer_is_compressed(api: Api, long_list: str, coding: str) -> None:
    plain = await api.call("GET", "/v1/id-tags", long_list, headers={"Accept-Encoding": "identity"})
    coded = await api.call("GET", "/v1/id-tags", long_list, headers={"Accept-Encoding": coding})
    assert "content-encoding" not in plain.headers
    assert coded.headers["content-encoding"] == coding
    assert coded.json() == plain.json()
    assert int(coded.headers["content-length"]) < len(plain.content) / 2
    assert "Accept-Encoding" in coded.headers["vary"]


async def test_a_short_answer_is_not(api: Api, token: str) -> None:
    answer = await api.call("GET", "/v1/id-tags", token, headers={"Accept-Encoding": "gzip"})
    assert len(answer.content) < MINIMUM_BYTES
    assert "content-encoding" not in answer.headers


async def test_the_tag_of_a_compressed_resource_works_in_conditions(api: Api, token: str) -> None:
    path = "/v1/allowed-origins"
    body = {"allowed_origins": [f"https://dashboard-{number}.example" for number in range(40)]}
    plain = await api.call("PUT", path, token, json=body, headers={"Accept-Encoding": "identity"})
    coded = await api.call("GET", path, token, headers={"Accept-Encoding": "br"})
    tag = coded.headers["etag"]
    assert tag == f'{plain.headers["etag"][:-1]}.br"'
    again = await api.call("GET", path, token, headers={"Accept-Encoding": "br", "If-None-Match": tag})
    assert (again.status_code, again.headers["etag"], again.content) == (304, tag, b"")
    empty = {"allowed_origins": list[str]()}
    changed = await api.call("PUT", path, token, json=empty, headers={"If-Match": tag})
    assert changed.status_code == 200
    stale = await api.call("PUT", path, token, json=empty, headers={"If-Match": tag})
    assert stale.status_code == 412


async def test_events_are_passed_on_as_they_come() -> None:
    application = FastAPI()
    application.add_middleware(Compression)
    sent: list[bytes] = []

    @application.get("/events")
    async def events() -> StreamingResponse:
        async def write() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"data: " + b"x" * 2000 + str(number).encode() + b"\n\n"
                # The event before has left the middleware, unchanged, before the next one is made.
                assert sent[-1].endswith(f"{number}\n\n".encode())

        return StreamingResponse(write(), media_type="text/event-stream")

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            sent.append(bytes(message["body"]))  # type: ignore[call-overload]
        elif message["type"] == "http.response.start":
            assert b"content-encoding" not in dict(message["headers"])  # type: ignore[call-overload]

    request = httpx.Request("GET", "http://server/events", headers={"Accept-Encoding": "gzip, br"})
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/events",
        "raw_path": b"/events",
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
    }
    await application(scope, receive, send)  # type: ignore[arg-type]
    assert len(sent) == 3
