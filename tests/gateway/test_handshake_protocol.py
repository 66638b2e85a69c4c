"""The handshake of a charge point, before its websocket: which requests are ours, and how each may end."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.gateway.handshake import Headers
from app.gateway.handshake_protocol import handshake_key
from app.gateway.http_protocol import ChargePointHttpProtocol
from tests.gateway.test_websocket_connection import HANDSHAKE, Socket

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
GOOD: Headers = [
    (b"host", b"x"),
    (b"upgrade", b"WebSocket"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", KEY),
]


def without(name: bytes) -> Headers:
    return [field for field in GOOD if field[0] != name]


@pytest.mark.parametrize(
    ("method", "http_version", "headers", "key"),
    [
        pytest.param("GET", "1.1", GOOD, KEY, id="in good form"),
        pytest.param("GET", "1.1", [*GOOD, (b"cookie", b"a"), (b"cookie", b"b")], KEY, id="another twice"),
        pytest.param("POST", "1.1", GOOD, None, id="method"),
        pytest.param("GET", "1.0", GOOD, None, id="version of HTTP"),
        pytest.param("GET", "1.1", without(b"upgrade"), None, id="no upgrade"),
        pytest.param("GET", "1.1", without(b"sec-websocket-key"), None, id="no key"),
        pytest.param("GET", "1.1", [*GOOD, (b"sec-websocket-key", KEY)], None, id="two keys"),
        pytest.param("GET", "1.1", [*GOOD, (b"sec-websocket-version", b"13")], None, id="two versions"),
        pytest.param(
            "GET",
            "1.1",
            [*without(b"sec-websocket-version"), (b"sec-websocket-version", b"8")],
            None,
            id="version of WebSocket",
        ),
        pytest.param(
            "GET",
            "1.1",
            [*without(b"sec-websocket-key"), (b"sec-websocket-key", b"c2hvcnQ=")],
            None,
            id="short",
        ),
        pytest.param(
            "GET", "1.1", [*without(b"sec-websocket-key"), (b"sec-websocket-key", b"!")], None, id="no base64"
        ),
    ],
)
def test_only_a_handshake_in_good_form_is_taken_from_uvicorn(
    method: str, http_version: str, headers: Headers, key: bytes | None
) -> None:
    assert handshake_key(method, http_version, headers) == key


class Opening:
    """A handshake that an application of the test answers."""

    def __init__(self, app: Callable[[Any, Any, Any], Any]) -> None:
        self.socket = Socket()
        self.server = ServerState()
        config = uvicorn.Config(
            cast(Any, app), http=ChargePointHttpProtocol, ws="websockets-sansio", log_config=None
        )
        config.load()
        http = ChargePointHttpProtocol(config=config, server_state=self.server, app_state={})
        http.connection_made(self.socket)
        http.data_received(HANDSHAKE)

    async def ended(self) -> None:
        await asyncio.wait_for(asyncio.gather(*self.server.tasks), 10)

    @property
    def status(self) -> bytes:
        return self.socket.written.split(b"\r\n")[0].removeprefix(b"HTTP/1.1 ")


async def test_an_accepted_handshake_gets_the_answer_of_the_standard() -> None:
    async def accept(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept", "subprotocol": "ocpp1.6"})

    opening = Opening(accept)
    await opening.ended()
    assert opening.status == b"101 Switching Protocols"
    # RFC 6455 1.3
    assert b"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in opening.socket.written
    assert opening.socket.written.endswith(b"\r\nsec-websocket-protocol: ocpp1.6\r\n\r\n")
    # The socket was not taken over.
    assert opening.socket.closing


async def test_a_denial_has_its_status_headers_and_body() -> None:
    async def deny(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"www-authenticate", b"Basic")]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"no ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"entry"})

    opening = Opening(deny)
    await opening.ended()
    head, _, body = opening.socket.written.partition(b"\r\n\r\n")
    assert opening.status == b"401 Unauthorized"
    assert head.split(b"\r\n")[-3:] == [
        b"www-authenticate: Basic",
        b"connection: close",
        b"content-length: 8",
    ]
    assert body == b"no entry"
    assert opening.socket.closing


async def test_a_close_before_the_answer_is_a_refusal_and_one_after_it_a_closing_handshake() -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 1008})

    async def accept_and_close(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1002, "reason": "why"})

    refused = Opening(refuse)
    await refused.ended()
    assert refused.status == b"403 Forbidden"
    closed = Opening(accept_and_close)
    await closed.ended()
    assert closed.socket.written.endswith(b"\r\n\r\n\x88\x05\x03\xeawhy")
    # Its websocket waits for the peer's own close.
    assert not closed.socket.closing
    closed.socket.protocol.connection_lost(None)


@pytest.mark.parametrize("fails", [True, False])
async def test_an_application_that_gives_no_answer_is_a_fault_of_ours(fails: bool) -> None:
    async def no_answer(scope: Any, receive: Any, send: Any) -> None:
        if fails:
            raise ValueError("a defect")

    opening = Opening(no_answer)
    await opening.ended()
    assert opening.status == b"500 Internal Server Error"
    assert opening.socket.closing


async def test_who_leaves_before_the_answer_costs_nothing() -> None:
    heard: list[Any] = []

    async def wait(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        heard.append(await receive())
        await send({"type": "websocket.accept"})
        heard.append("not reached")

    opening = Opening(wait)
    await asyncio.sleep(0)
    opening.socket.protocol.connection_lost(None)
    await opening.ended()
    assert heard == [{"type": "websocket.disconnect", "code": 1006}]
    assert opening.socket.written == b""
    assert not opening.server.connections


async def test_a_server_that_ends_answers_those_who_still_wait() -> None:
    may_go_on = asyncio.Event()

    async def wait(scope: Any, receive: Any, send: Any) -> None:
        await may_go_on.wait()
        await send({"type": "websocket.accept"})

    opening = Opening(wait)
    (waiting,) = opening.server.connections
    waiting.shutdown()
    may_go_on.set()
    await opening.ended()
    assert opening.status == b"503 Service Unavailable"
    assert opening.socket.closing


async def test_who_sends_too_much_before_the_answer_is_not_read_from() -> None:
    opening = Opening(lambda scope, receive, send: asyncio.sleep(0))
    opening.socket.protocol.data_received(b"x" * 65_537)
    assert not opening.socket.reading
    await opening.ended()
