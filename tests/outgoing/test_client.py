"""The outgoing client against a real server, which may be wrong in any way."""

import asyncio
import base64
import hashlib
import hmac
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
import trustme

from app.outgoing.client import OutgoingClient
from app.outgoing.names import Names, Resolve
from app.outgoing.records import Address, OutgoingFailed, OutgoingFailure, OutgoingRequest
from app.settings import Settings
from app.types import TenantId
from tests.support.api import NOW, SetClock
from tests.support.outgoing import TenantServer, tenant_server

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
LOOPBACK = ip_address("127.0.0.1")


def settings_of(**changes: Any) -> Settings:
    values = {"outgoing_allowed_networks": ["127.0.0.0/8"], "outgoing_http_allowed": True, **changes}
    return Settings(credential_pepper="pepper", **values)


def request_of(url: str, **changes: Any) -> OutgoingRequest:
    request = OutgoingRequest(TenantId(1), url, b'{"a":1}', "msg_1", [SECRET], 10.0, 4096)
    return replace(request, **changes)


def resolving(*answers: Sequence[Address]) -> Resolve:
    """A name server: its first answer, then its second one, then its last one for ever."""
    left = list(answers)

    async def resolve(name: str) -> Sequence[Address]:
        if not left[0]:
            raise socket.gaierror("there is no such name")
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@pytest.fixture
async def server() -> AsyncIterator[TenantServer]:
    async with tenant_server() as opened:
        yield opened


@pytest.fixture
async def client() -> AsyncIterator[OutgoingClient]:
    opened = OutgoingClient(settings_of(), SetClock())
    yield opened
    await opened.close()


async def reason_of(client: OutgoingClient, request: OutgoingRequest) -> OutgoingFailure:
    with pytest.raises(OutgoingFailed) as failed:
        await client.post(request)
    assert "hidden" not in str(failed.value)
    return failed.value.reason


async def test_the_request_is_signed_and_names_its_host(client: OutgoingClient, server: TenantServer) -> None:
    answer = await client.post(request_of(server.url))
    assert (answer.status, answer.body) == (200, b'{"status": "Accepted"}')
    [received] = server.received
    assert received.line == "POST /authorize?token=hidden HTTP/1.1"
    assert received.headers["host"] == f"127.0.0.1:{server.port}"
    assert received.headers["content-type"] == "application/json"
    stamp = received.headers["webhook-timestamp"]
    assert stamp == str(int(NOW.timestamp()))
    # As a receiver does it by the specification, without code of ours.
    content = b".".join([received.headers["webhook-id"].encode(), stamp.encode(), received.body])
    key = base64.b64decode(SECRET.partition("_")[2])
    digest = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert received.headers["webhook-signature"].split(" ") == [f"v1,{digest}"]


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("500", OutgoingFailure.HTTP_STATUS),
        ("redirect", OutgoingFailure.REDIRECT),
        ("huge", OutgoingFailure.BODY_TOO_LARGE),
        ("compressed", OutgoingFailure.CONTENT_ENCODING),
        ("closes midway", OutgoingFailure.CONNECTION_BROKEN),
        ("no http", OutgoingFailure.CONNECTION_BROKEN),
    ],
)
async def test_each_failure_has_a_reason(
    client: OutgoingClient, server: TenantServer, mode: str, reason: OutgoingFailure
) -> None:
    server.mode = mode
    assert await reason_of(client, request_of(server.url)) is reason
    assert len(server.received) == 1


@pytest.mark.parametrize("mode", ["huge", "right"])
async def test_an_answer_that_may_be_cut_is_read_up_to_the_limit(
    client: OutgoingClient, server: TenantServer, mode: str
) -> None:
    server.mode, whole = mode, {"huge": b"[" + b"0," * 100_000, "right": b'{"status": "Accepted"}'}[mode]
    request = request_of(server.url, cuts_answer=True, response_limit_bytes=100)
    answer = await client.post(request)
    assert (answer.status, answer.body) == (200, whole[:100])


async def test_a_failure_has_the_answer_if_it_may_be_cut(
    client: OutgoingClient, server: TenantServer
) -> None:
    server.mode = "500"
    with pytest.raises(OutgoingFailed) as caught:
        await client.post(request_of(server.url, cuts_answer=True))
    assert caught.value.answer is not None
    assert (caught.value.answer.status, caught.value.answer.body[:9]) == (500, b'{"status"')


@pytest.mark.parametrize("mode", ["hang", "slow"])
async def test_a_server_that_does_not_end_its_answer_meets_the_deadline(
    client: OutgoingClient, server: TenantServer, mode: str
) -> None:
    server.mode = mode
    assert await reason_of(client, request_of(server.url, deadline_s=0.1)) is OutgoingFailure.DEADLINE


async def test_a_name_server_that_hangs_meets_the_deadline() -> None:
    async def resolve(name: str) -> Sequence[Address]:
        await asyncio.Event().wait()
        return []

    client = OutgoingClient(settings_of(), SetClock(), resolve=resolve)
    assert await reason_of(client, request_of("https://example.com/", deadline_s=0.1)) == "deadline"
    await client.close()


async def test_a_closed_port_takes_no_connection(client: OutgoingClient) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        url = f"http://127.0.0.1:{port}/"
        assert await reason_of(client, request_of(url)) is OutgoingFailure.CONNECT_FAILED


@pytest.mark.parametrize("addresses", [[LOOPBACK], [ip_address("8.8.8.8"), LOOPBACK], [ip_address("::1")]])
async def test_a_name_of_a_private_address_is_refused(
    server: TenantServer, addresses: Sequence[Address]
) -> None:
    settings = settings_of(outgoing_allowed_networks=[])
    client = OutgoingClient(settings, SetClock(), resolve=resolving(addresses))
    url = f"http://tenant.example:{server.port}/"
    assert await reason_of(client, request_of(url)) is OutgoingFailure.ADDRESS_NOT_ALLOWED
    assert server.connections == 0
    await client.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_the_machine_itself_is_refused(server: TenantServer, host: str) -> None:
    client = OutgoingClient(settings_of(outgoing_allowed_networks=[]), SetClock())
    url = f"http://{host}:{server.port}/"
    assert await reason_of(client, request_of(url)) is OutgoingFailure.ADDRESS_NOT_ALLOWED
    assert server.connections == 0
    await client.close()


async def test_a_name_that_changes_its_address_is_judged_each_time(server: TenantServer) -> None:
    settings = settings_of(outgoing_allowed_networks=["127.0.0.1/32"])
    resolve = resolving([LOOPBACK], [ip_address("127.0.0.2")])
    client = OutgoingClient(settings, SetClock(), resolve=resolve)
    request = request_of(f"http://tenant.example:{server.port}/")
    assert (await client.post(request)).status == 200
    # The connection is still open, and its name leads to another place now.
    assert await reason_of(client, request) is OutgoingFailure.ADDRESS_NOT_ALLOWED
    await client.close()


async def test_the_connection_goes_to_the_judged_address(server: TenantServer) -> None:
    """The name has no address but the one that was judged: nothing else can resolve it."""
    client = OutgoingClient(settings_of(), SetClock(), resolve=resolving([LOOPBACK]))
    await client.post(request_of(f"http://name.invalid:{server.port}/"))
    assert server.received[0].headers["host"] == f"name.invalid:{server.port}"
    await client.close()


async def test_an_unknown_name_is_not_found() -> None:
    client = OutgoingClient(settings_of(), SetClock(), resolve=resolving([]))
    assert await reason_of(client, request_of("https://nowhere.example/")) is OutgoingFailure.NAME_NOT_FOUND
    await client.close()


async def test_the_next_address_is_tried(server: TenantServer) -> None:
    resolve = resolving([ip_address("127.9.9.9"), LOOPBACK])
    client = OutgoingClient(settings_of(), SetClock(), resolve=resolve)
    assert (await client.post(request_of(f"http://tenant.example:{server.port}/"))).status == 200
    await client.close()


async def test_the_resolver_of_the_system_knows_this_machine() -> None:
    names = Names()
    assert {LOOPBACK, ip_address("::1")} & set(await names.resolve(TenantId(1), "localhost"))
    with pytest.raises(OSError, match=r".+"):
        await names.resolve(TenantId(1), "name.invalid")
    names.close()


async def test_a_name_is_looked_up_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a name server that hangs holds one thread, however often its name is asked for."""
    asked: list[str] = []
    go_on = threading.Event()

    def look_up(name: str, *_: Any, **__: Any) -> Any:
        asked.append(name)
        go_on.wait(20)
        return [(2, 1, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    names = Names()
    asking = [asyncio.create_task(names.resolve(TenantId(1), "slow.example")) for _ in range(40)]
    other = asyncio.create_task(names.resolve(TenantId(1), "other.example"))
    await asyncio.sleep(0)
    asking.pop().cancel()
    go_on.set()
    assert await asyncio.gather(other, *asking) == [[LOOPBACK]] * 40
    assert sorted(asked) == ["other.example", "slow.example"]
    assert await names.resolve(TenantId(1), "slow.example") == [LOOPBACK]
    assert len(asked) == 3
    names.close()


async def test_certificates_are_read_before_the_first_request(
    client: OutgoingClient, server: TenantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take 50 ms of the event loop, and a deadline may be 100 ms."""
    monkeypatch.setattr(ssl, "create_default_context", None)
    assert (await client.post(request_of(server.url))).status == 200


@pytest.mark.parametrize(
    ("certified", "trusted", "reason"),
    [
        ("tenant.example", True, None),
        ("other.example", True, OutgoingFailure.TLS_FAILED),
        ("127.0.0.1", True, OutgoingFailure.TLS_FAILED),
        ("tenant.example", False, OutgoingFailure.TLS_FAILED),
    ],
)
async def test_the_certificate_must_be_that_of_the_name(
    certified: str, trusted: bool, reason: OutgoingFailure | None
) -> None:
    authority = trustme.CA()
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(certified).configure_cert(of_server)
    named: list[str | None] = []
    of_server.sni_callback = lambda _socket, name, _context: named.append(name)
    trust = ssl.create_default_context()
    if trusted:
        authority.configure_trust(trust)
    async with tenant_server(of_server) as server:
        resolve = resolving([LOOPBACK])
        client = OutgoingClient(settings_of(), SetClock(), resolve=resolve, context=trust)
        request = request_of(f"https://tenant.example:{server.port}/")
        if reason is None:
            assert (await client.post(request)).status == 200
        else:
            assert await reason_of(client, request) is reason
            assert server.received == []
        assert named == ["tenant.example"]
        await client.close()


async def test_a_server_without_tls_fails(client: OutgoingClient, server: TenantServer) -> None:
    server.mode = "no http"
    url = server.url.replace("http:", "https:")
    reason = await reason_of(client, request_of(url, deadline_s=0.5))
    assert reason in (OutgoingFailure.TLS_FAILED, OutgoingFailure.DEADLINE)


async def test_http_needs_a_setting(server: TenantServer) -> None:
    client = OutgoingClient(settings_of(outgoing_http_allowed=False), SetClock())
    assert await reason_of(client, request_of(server.url)) is OutgoingFailure.URL_NOT_ALLOWED
    await client.close()


async def test_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, server: TenantServer
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client = OutgoingClient(settings_of(), SetClock())
    assert (await client.post(request_of(server.url))).status == 200
    await client.close()


async def test_a_connection_is_used_again_by_its_tenant_only_and_keeps_no_cookie(
    client: OutgoingClient, server: TenantServer
) -> None:
    for tenant_id in (1, 1, 2):
        await client.post(request_of(server.url, tenant_id=TenantId(tenant_id)))
    assert server.connections == 2
    assert [received for received in server.received if "cookie" in received.headers] == []


async def test_requests_beyond_the_limits_fail_at_once(server: TenantServer) -> None:
    settings = settings_of(outgoing_requests_limit=3, outgoing_requests_of_tenant_limit=2)
    client = OutgoingClient(settings, SetClock())
    server.mode = "wait"
    running = [asyncio.create_task(client.post(request_of(server.url))) for _ in range(2)]
    await asyncio.sleep(0)
    assert await reason_of(client, request_of(server.url)) is OutgoingFailure.BUSY
    other = request_of(server.url, tenant_id=TenantId(2))
    running.append(asyncio.create_task(client.post(other)))
    await asyncio.sleep(0)
    assert await reason_of(client, replace(other, tenant_id=TenantId(3))) is OutgoingFailure.BUSY
    server.release.set()
    assert [answer.status for answer in await asyncio.gather(*running)] == [200] * 3
    assert (await client.post(request_of(server.url))).status == 200
    await client.close()


async def test_an_endpoint_that_fails_again_and_again_is_left_alone_for_a_while(server: TenantServer) -> None:
    clock = SetClock()
    client = OutgoingClient(settings_of(), clock)
    server.mode = "500"
    reasons = [await reason_of(client, request_of(server.url)) for _ in range(5)]
    assert reasons == [OutgoingFailure.HTTP_STATUS] * 3 + [OutgoingFailure.CIRCUIT_OPEN] * 2
    assert len(server.received) == 3
    assert (await reason_of(client, request_of(server.url, tenant_id=TenantId(2)))) == "http_status"
    server.mode = "right"
    clock.advance(5)
    assert (await client.post(request_of(server.url))).status == 200
    assert (await client.post(request_of(server.url))).status == 200
    await client.close()


async def test_the_end_of_the_server_ends_requests(server: TenantServer) -> None:
    client = OutgoingClient(settings_of(), SetClock())
    server.mode = "wait"
    running = asyncio.create_task(reason_of(client, request_of(server.url)))
    await server.arrived.wait()
    await client.close()
    assert await running is OutgoingFailure.STOPPING
    assert await reason_of(client, request_of(server.url)) is OutgoingFailure.STOPPING


async def test_a_caller_that_leaves_ends_its_request(server: TenantServer, client: OutgoingClient) -> None:
    server.mode = "wait"
    running = asyncio.create_task(client.post(request_of(server.url)))
    await server.arrived.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    server.mode = "right"
    assert (await client.post(request_of(server.url))).status == 200


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://user:hidden@example.com/", OutgoingFailure.URL_NOT_ALLOWED),
        ("https://10.0.0.1/", OutgoingFailure.ADDRESS_NOT_ALLOWED),
        ("https://example.com/", None),
        ("https://127.0.0.1/", None),
    ],
)
async def test_a_url_is_checked_before_it_is_stored(
    client: OutgoingClient, url: str, reason: OutgoingFailure | None
) -> None:
    if reason is None:
        client.check_url(url)
    else:
        with pytest.raises(OutgoingFailed) as failed:
            client.check_url(url)
        assert failed.value.reason is reason


def test_no_secret_is_in_the_text_of_a_request() -> None:
    text = repr(request_of("https://example.com/?token=hidden"))
    assert SECRET not in text
    assert "hidden" not in text
