"""TLS on a real socket: versions, suites, names, REST, sizes, ends (whitepaper A00.FR.301-323)."""

import asyncio
import contextlib
import json
import os
import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.metrics import TLS_FAILURES
from tests.gateway.tls_fixtures import pki, secure
from tests.support.gateway import until
from tests.support.raw_client import RawClient, frame_bytes
from tests.support.tls import NAME, Pki, TlsServer
from tests.support.tls_certificates import Authority
from tests.support.tools import require_tool

__all__ = ["pki", "secure"]

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
SUITES = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
]


def failures(reason: str) -> float:
    value: float = TLS_FAILURES.labels(reason)._value.get()
    return value


def only(pki: Pki, version: ssl.TLSVersion, suite: str | None = None) -> ssl.SSLContext:
    """Return a context of a client that offers one version, and one suite."""
    context = pki.client_context()
    if suite is not None:
        context.set_ciphers(suite)
    context.minimum_version = context.maximum_version = version
    return context


async def connect(server: TlsServer, identity: str, context: ssl.SSLContext) -> RawClient:
    return await server.connect(identity, tls=context)


def session_of(client: RawClient) -> ssl.SSLObject:
    session: ssl.SSLObject = client.writer.get_extra_info("ssl_object")
    return session


async def test_tc_086_a_charge_point_logs_in_by_tls_and_boots(secure: TlsServer, pki: Pki) -> None:
    await secure.register("CP1")
    client = await connect(secure, "CP1", pki.client_context())
    answer = await client.call("BootNotification", BOOT)
    assert answer[2]["status"] == "Accepted"
    assert session_of(client).version() == "TLSv1.3"
    (session,) = secure.endpoint._registry.sessions()
    assert session.connection.security_profile == 2


@pytest.mark.parametrize("suite", SUITES)
async def test_tc_086_each_suite_of_the_whitepaper_serves_a_client_that_offers_only_that_one(
    secure: TlsServer, pki: Pki, suite: str
) -> None:
    await secure.register("CP1")
    client = await connect(secure, "CP1", only(pki, ssl.TLSVersion.TLSv1_2, suite))
    assert session_of(client).cipher()[0] == suite  # type: ignore[index]
    assert session_of(client).compression() is None
    assert (await client.call("Heartbeat", {}))[0] == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_tc_086_below_tls_1_2_is_refused_and_counted(
    secure: TlsServer, pki: Pki, version: ssl.TLSVersion
) -> None:
    context = pki.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    before = failures("version")
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        await connect(secure, "CP1", context)
    await until(lambda: failures("version") == before + 1)


@pytest.mark.parametrize("suite", ["ECDHE-RSA-AES128-SHA", "AES128-SHA", "NULL:@SECLEVEL=0"])
async def test_other_suites_are_refused_and_counted(secure: TlsServer, pki: Pki, suite: str) -> None:
    before = failures("suite")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await connect(secure, "CP1", only(pki, ssl.TLSVersion.TLSv1_2, suite))
    await until(lambda: failures("suite") == before + 1)


async def test_plain_http_at_the_port_of_tls_is_closed_and_counted(secure: TlsServer) -> None:
    before = failures("not_tls")
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port)
    writer.write(b"GET /v1/protocols HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.read()
    writer.close()
    await until(lambda: failures("not_tls") == before + 1)


async def test_rest_is_served_at_the_port_of_tls(secure: TlsServer, pki: Pki) -> None:
    async with httpx.AsyncClient(verify=pki.client_context(), timeout=60) as client:
        for _ in range(2):
            answer = await client.get(f"https://127.0.0.1:{secure.port}/v1/protocols")
            assert answer.status_code == 200
        document = await client.get(f"https://127.0.0.1:{secure.port}/openapi.json")
        assert len(document.content) > 65_536


async def test_the_kernel_keeps_little_of_what_a_slow_client_does_not_read(secure: TlsServer) -> None:
    # Else a slow client seems to make no progress while megabytes wait there, and its download is cut off.
    _, writer = await asyncio.open_connection("127.0.0.1", secure.port)
    limits: list[int] = []

    def is_accepted() -> bool:
        limits[:] = _limits_of_unsent(writer.get_extra_info("sockname"))
        return bool(limits)

    await until(is_accepted)
    writer.close()
    assert limits == [131_072]


def _limits_of_unsent(peer: Any) -> list[int]:
    """Return the limit of each socket of this process that is connected to a peer."""
    limits = []
    for name in os.listdir("/dev/fd"):
        try:
            held = os.dup(int(name))
        except OSError:
            continue
        if not stat.S_ISSOCK(os.fstat(held).st_mode):
            os.close(held)
            continue
        with socket.socket(fileno=held) as one, contextlib.suppress(OSError):
            if one.getpeername() == peer:
                limits.append(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT))
    return limits


async def test_a_client_that_renegotiates_is_not_followed(secure: TlsServer) -> None:
    client = await asyncio.create_subprocess_exec(
        *(require_tool("OpenSSL"), "s_client", "-tls1_2", "-connect", f"127.0.0.1:{secure.port}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    try:
        async with asyncio.timeout(20):
            # The end of what is printed about the session; then a line with R begins a renegotiation.
            await client.stdout.readuntil(b"Extended master secret: yes")
            client.stdin.write(b"R\n")
            assert b"no renegotiation" in await client.stdout.read()
    finally:
        if client.returncode is None:
            client.kill()
        await client.wait()


async def test_new_keys_within_a_session_are_answered(secure: TlsServer) -> None:
    client = await asyncio.create_subprocess_exec(
        *(require_tool("OpenSSL"), "s_client", "-tls1_3", "-connect", f"127.0.0.1:{secure.port}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    try:
        async with asyncio.timeout(20):
            # A line with K changes the keys, and asks the server to do so, too.
            await client.stdout.readuntil(b"Verify return code")
            client.stdin.write(b"K\n")
            await client.stdout.readuntil(b"KEYUPDATE")
            client.stdin.write(b"GET /v1/protocols HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"HTTP/1.1 200" in await client.stdout.read()
    finally:
        if client.returncode is None:
            client.kill()
        await client.wait()


async def test_the_certificate_is_that_of_the_name_that_is_asked_for(secure: TlsServer, pki: Pki) -> None:
    context = pki.client_context()
    context.check_hostname = True
    _, writer = await asyncio.open_connection("127.0.0.1", secure.port, ssl=context, server_hostname=NAME)
    writer.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", secure.port, ssl=context, server_hostname="other.example")


async def test_other_paths_are_no_websockets(secure: TlsServer, pki: Pki) -> None:
    client = await RawClient.open(secure.port, "/other", tls=pki.client_context())
    assert client.response.status == 400


async def test_a_handshake_that_does_not_come_to_its_end_is_waited_for_ten_seconds_at_most(
    secure: TlsServer,
) -> None:
    assert secure.acceptors is not None
    _, tls = secure.acceptors._started
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    await until(lambda: bool(tls._anonymous._connections))
    (watched,) = tls._anonymous._connections
    now = asyncio.get_running_loop().time()
    assert watched.deadline is not None
    assert 0 < watched.deadline - now <= 10
    # Its time is over: the next look closes it.
    watched.deadline = now
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


async def test_a_frame_of_the_largest_size_arrives(secure: TlsServer, pki: Pki) -> None:
    await secure.register("CP1")
    client = await connect(secure, "CP1", pki.client_context())
    await client.call("BootNotification", BOOT)
    answer = await client.ask(
        json.dumps([2, "big", "DataTransfer", {"vendorId": "V", "data": "x" * 8_300_000}])
    )
    assert answer[1] == "big"


async def test_each_byte_in_a_record_of_its_own_arrives(secure: TlsServer, pki: Pki) -> None:
    await secure.register("CP1")
    client = await connect(secure, "CP1", pki.client_context())
    text = json.dumps([2, "1", "BootNotification", BOOT]).encode()
    for byte in frame_bytes(text):
        client.writer.write(bytes([byte]))
    assert json.loads(await client.text())[0] == 3


async def test_a_record_that_was_changed_ends_the_connection(secure: TlsServer, pki: Pki) -> None:
    await secure.register("CP1")
    client = await connect(secure, "CP1", pki.client_context())
    # The bytes go around the client's TLS: a record with a wrong tag.
    raw: Any = client.writer.get_extra_info("socket")
    os.write(raw.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        await client.frame()
    await until(lambda: not list(secure.endpoint._registry.sessions()))


async def test_the_server_says_goodbye_by_close_notify(secure: TlsServer, pki: Pki) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port, ssl=pki.client_context())
    writer.write(b"GET /v1/protocols HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    # Without close_notify the client raises an error here.
    assert b"\r\n\r\n" in await reader.read()
    writer.close()


def reused(port: int, context: ssl.SSLContext) -> list[bool]:
    """Connect twice, and tell which of the sessions was resumed."""
    found, session = [], None
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, session=session) as tls,
        ):
            # The tickets of TLS 1.3 come with the first answer.
            tls.sendall(b"GET /v1/protocols HTTP/1.1\r\nHost: x\r\n\r\n")
            tls.recv(1)
            found.append(bool(tls.session_reused))
            session = tls.session
    return found


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_is_resumed_by_its_ticket(
    secure: TlsServer, pki: Pki, version: ssl.TLSVersion
) -> None:
    context = only(pki, version)
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, reused, secure.port, context) == [False, True]


async def test_certificates_are_exchanged_without_dropping_sessions(secure: TlsServer, pki: Pki) -> None:
    await secure.register("CP1")
    client = await connect(secure, "CP1", pki.client_context())
    other = Authority("the next root")
    kept = _contents(pki.pairs[0])
    try:
        other.server(NAME).write(pki.directory, "ecdsa")
        assert secure.acceptors is not None
        secure.acceptors._reload()
        context = ssl.create_default_context(cadata=other.pem.decode())
        _, writer = await asyncio.open_connection("127.0.0.1", secure.port, ssl=context, server_hostname=NAME)
        writer.close()
        assert (await client.call("Heartbeat", {}))[0] == 3
    finally:
        _restore(kept)


def _contents(paths: tuple[str, str]) -> dict[Path, bytes]:
    return {Path(path): Path(path).read_bytes() for path in paths}


def _restore(kept: dict[Path, bytes]) -> None:
    for path, content in kept.items():
        path.write_bytes(content)
