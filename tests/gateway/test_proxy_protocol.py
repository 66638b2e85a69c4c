"""The header of the PROXY protocol, byte by byte, and on real sockets before plain and TLS."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from app.connection import TransportSecurity
from app.database.database import Database
from app.gateway.proxy_protocol import (
    FIXED_BYTES,
    LIMIT_BYTES,
    LOCAL,
    SIGNATURE,
    Origin,
    ProxyHeaderError,
    read_header,
    rest_bytes,
)
from app.main import create_app
from app.metrics import LIMITS_HIT
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.gateway.tls_fixtures import pki
from tests.support.gateway import until
from tests.support.raw_client import RawClient, close_all
from tests.support.tls import Pki, TlsServer, serve_tls

__all__ = ["pki"]

CLIENT, SERVER = ("192.0.2.7", 40_000), ("198.51.100.1", 443)
IPV4 = socket.inet_aton(CLIENT[0]) + socket.inet_aton(SERVER[0]) + struct.pack("!HH", CLIENT[1], SERVER[1])


def header(rest: bytes = IPV4, command: int = 0x21, family: int = 0x11, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest) if length is None else length) + rest


def extension(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def tls(client: int = 0x05, verify: int = 0, common_name: bytes | None = b"CP1") -> bytes:
    """Return PP2_TYPE_SSL. client: 1 TLS, 2 and 4: the client has shown a certificate."""
    name = b"" if common_name is None else extension(0x22, common_name)
    return extension(0x20, struct.pack("!BI", client, verify) + extension(0x21, b"TLSv1.2") + name)


def read(data: bytes, *, certificates: bool = False) -> Origin:
    fixed, rest = data[:FIXED_BYTES], data[FIXED_BYTES:]
    assert rest_bytes(fixed) == len(rest)
    return read_header(fixed, rest, certificates=certificates)


def test_the_addresses_of_ipv4_and_ipv6_are_read() -> None:
    assert read(header()) == Origin(CLIENT, SERVER)
    ipv6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2 + struct.pack("!HH", 1, 2)
    assert read(header(ipv6, family=0x21)).client == ("2001:db8::1", 1)


def test_a_check_of_the_proxy_itself_has_no_client() -> None:
    assert read(header(b"", command=0x20, family=0)) is LOCAL
    assert read(header(IPV4, command=0x20)) is LOCAL
    assert read(header(b"", family=0)) is LOCAL


def test_unknown_extensions_are_passed_over() -> None:
    assert read(header(IPV4 + extension(0x04, b"xx") + extension(0xEE, b""))) == Origin(CLIENT, SERVER)


@pytest.mark.parametrize("place", range(FIXED_BYTES - 2))
def test_each_wrong_byte_of_the_fixed_part_is_refused_or_means_nothing_else(place: int) -> None:
    data = bytearray(header())
    data[place] ^= 0xFF
    with pytest.raises(ProxyHeaderError):
        read(bytes(data))


@pytest.mark.parametrize("command", [0x00, 0x11, 0x22, 0x2F, 0x31])
def test_other_versions_and_commands_are_refused(command: int) -> None:
    with pytest.raises(ProxyHeaderError):
        read(header(command=command))


@pytest.mark.parametrize("family", [0x01, 0x12, 0x22, 0x31, 0x32, 0x41])
def test_other_protocols_than_tcp_are_refused(family: int) -> None:
    with pytest.raises(ProxyHeaderError):
        read(header(family=family))


def test_a_header_that_is_too_long_is_refused_before_its_rest_is_read() -> None:
    with pytest.raises(ProxyHeaderError):
        rest_bytes(header(length=LIMIT_BYTES + 1)[:FIXED_BYTES])
    assert rest_bytes(header(length=LIMIT_BYTES)[:FIXED_BYTES]) == LIMIT_BYTES


@pytest.mark.parametrize("missing", range(1, len(IPV4)))
def test_addresses_that_are_cut_off_are_refused(missing: int) -> None:
    with pytest.raises(ProxyHeaderError):
        read(header(IPV4[:-missing]))


def test_extensions_that_are_cut_off_anywhere_are_refused() -> None:
    full = tls()
    for end in range(1, len(full)):
        with pytest.raises(ProxyHeaderError):
            read(header(IPV4 + full[:end]), certificates=True)


def test_the_certificate_counts_only_if_it_is_trusted_and_verified() -> None:
    trusted = read(header(IPV4 + tls()), certificates=True).security
    assert trusted is not None
    assert trusted.client_certificate is not None
    assert trusted.client_certificate.common_name == "CP1"
    only_tls = TransportSecurity(tls=True)
    assert read(header(IPV4 + tls())).security == only_tls
    assert read(header(IPV4 + tls(verify=1)), certificates=True).security == only_tls
    assert read(header(IPV4 + tls(client=0x01)), certificates=True).security == only_tls
    assert read(header(IPV4 + tls(common_name=None)), certificates=True).security == only_tls
    assert read(header(IPV4 + tls(client=0x04)), certificates=True).security is None
    with pytest.raises(ProxyHeaderError):
        read(header(IPV4 + tls(common_name=b"\xff")), certificates=True)


# On sockets


@pytest.fixture
async def behind(
    database: Database, tenant: TenantRecord, settings: Settings, apps: dict[str, FastAPI], pki: Pki
) -> AsyncIterator[TlsServer]:
    """A server behind a proxy on the loopback."""
    changed = pki.settings(
        settings, proxy_protocol=True, proxy_client_certificates=True, trusted_proxies=["127.0.0.1"]
    )
    app = apps.setdefault("behind", apps.get("behind") or create_app(changed))
    async with serve_tls(app, changed) as (plain, secure, acceptors):
        try:
            yield TlsServer(secure, app, database, tenant, changed, plain, acceptors)
        finally:
            await close_all()


def refusals() -> float:
    value: float = LIMITS_HIT.labels("proxy_header")._value.get()
    return value


async def request(server: TlsServer, first: bytes, headers: str = "") -> RawClient:
    """Send a PROXY header and a handshake to the plain port, in one segment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.plain_port)
    client = RawClient(reader, writer)
    lines = [
        f"GET /ocpp/{server.tenant.slug}/CP1 HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: ocpp1.6",
    ]
    writer.write(first + "\r\n".join(lines).encode() + b"\r\n" + headers.encode() + b"\r\n")
    client.response = await client.read_response()
    return client


async def test_the_client_of_the_header_is_the_remote_and_its_certificate_logs_in(behind: TlsServer) -> None:
    await behind.register("CP1")
    client = await request(behind, header(IPV4 + tls()))
    assert client.response.status == 101
    assert (await client.call("Heartbeat", {}))[0] == 3
    (session,) = behind.endpoint._registry.sessions()
    connection = session.connection
    assert (connection.remote, connection.security_profile) == (CLIENT[0], 3)
    await client.close()


async def test_a_header_that_comes_byte_by_byte_is_read(behind: TlsServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", behind.plain_port)
    for byte in header():
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    writer.write(b"GET /v1/protocols HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("first", [header(), header(b"", command=0x20, family=0)])
async def test_tls_begins_behind_the_header(behind: TlsServer, pki: Pki, first: bytes) -> None:
    await behind.register("CP1")
    loop = asyncio.get_running_loop()
    raw = socket.socket()
    raw.setblocking(False)
    await loop.sock_connect(raw, ("127.0.0.1", behind.port))
    await loop.sock_sendall(raw, first)
    reader, writer = await asyncio.open_connection(sock=raw, ssl=pki.client_context(), server_hostname="x")
    writer.write(b"GET /v1/protocols HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize(
    "first",
    [
        b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n",
        b"GET /v1/protocols HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(16),
        header(IPV4[:-1]),
        header(length=65_535),
        bytes(64),
    ],
)
@pytest.mark.parametrize("is_tls", [False, True])
async def test_anything_but_a_header_of_version_2_is_closed(
    behind: TlsServer, first: bytes, is_tls: bool
) -> None:
    before = refusals()
    reader, writer = await asyncio.open_connection("127.0.0.1", behind.port if is_tls else behind.plain_port)
    writer.write(first)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    await until(lambda: refusals() == before + 1)


@pytest.mark.parametrize("end", [0, 1, 15, 16, 20])
async def test_a_header_that_ends_too_early_is_closed(behind: TlsServer, end: int) -> None:
    before = refusals()
    reader, writer = await asyncio.open_connection("127.0.0.1", behind.plain_port)
    writer.write(header()[:end])
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await until(lambda: refusals() == before + 1)


async def test_a_peer_that_is_no_trusted_proxy_is_closed_unread(
    settings: Settings, apps: dict[str, FastAPI], pki: Pki
) -> None:
    changed = pki.settings(settings, proxy_protocol=True, trusted_proxies=["192.0.2.0/24"])
    app = apps.setdefault("foreign", apps.get("foreign") or create_app(changed))
    before = refusals()
    async with serve_tls(app, changed) as (plain, secure, _):
        for port in (plain, secure):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(header())
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
    assert refusals() == before + 2


async def test_a_header_that_does_not_come_is_waited_for_ten_seconds_at_most(behind: TlsServer) -> None:
    assert behind.acceptors is not None
    plain, _ = behind.acceptors._started
    anonymous = plain._anonymous
    _, writer = await asyncio.open_connection("127.0.0.1", behind.plain_port)
    await until(lambda: bool(anonymous._connections))
    (watched,) = anonymous._connections
    now = asyncio.get_running_loop().time()
    assert watched.deadline is not None
    assert 0 < watched.deadline - now <= 10
    # Its time is over: the next look closes it.
    watched.deadline = now
    await until(lambda: not anonymous._connections)
    writer.close()


async def test_a_password_is_needed_without_a_certificate(behind: TlsServer) -> None:
    await behind.register("CP1")
    client = await request(behind, header(IPV4 + tls(client=0x01)))
    assert client.response.status == 401
    await client.close()
