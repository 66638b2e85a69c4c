"""Client certificates: security profile 3 (whitepaper A00.FR.401-429, TC_087), on a real socket."""

import asyncio
import ssl
from collections.abc import MutableMapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.login_attempts.records import RefusalReason
from tests.gateway.test_tls import failures, reused
from tests.gateway.tls_fixtures import mutual, pki
from tests.support.gateway import KEY, until
from tests.support.tls import Pki, TlsServer, log_in
from tests.support.tls_certificates import Authority, Issued

__all__ = ["mutual", "pki"]


def profiles(server: TlsServer) -> list[int]:
    return [session.connection.security_profile for session in server.endpoint._registry.sessions()]


async def test_tc_087_a_charge_point_logs_in_by_its_certificate_without_a_password(
    mutual: TlsServer, pki: Pki
) -> None:
    await mutual.register("CP1")
    certificate = pki.clients.client("CP1", "Operator")
    client = await log_in(mutual, "CP1", pki.client_context(certificate))
    assert client.response.status == 101
    assert (await client.call("Heartbeat", {}))[0] == 3
    assert profiles(mutual) == [3]


async def test_tc_087_an_intermediate_authority_is_followed_to_its_root(mutual: TlsServer, pki: Pki) -> None:
    await mutual.register("CP1")
    middle = Authority("authority of the factory", pki.clients)
    context = pki.client_context(middle.client("CP1", "Operator"), (middle,))
    assert (await log_in(mutual, "CP1", context)).response.status == 101


async def test_without_a_certificate_the_password_counts(mutual: TlsServer, pki: Pki) -> None:
    await mutual.register("CP1")
    client = await mutual.connect("CP1", tls=pki.client_context())
    assert (await client.call("Heartbeat", {}))[0] == 3
    assert profiles(mutual) == [2]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("fault", ["another authority", "expired", "revoked", "self-signed", "a server's"])
async def test_tc_087_a_certificate_that_is_not_valid_ends_the_session_and_is_counted(
    mutual: TlsServer, pki: Pki, fault: str, version: ssl.TLSVersion
) -> None:
    await mutual.register("CP1")
    certificate = _faulty(pki, fault)
    if fault == "revoked":
        (pki.directory / "revoked.pem").write_bytes(pki.clients.revocations(certificate))
        assert mutual.acceptors is not None
        mutual.acceptors._reload()
    context = pki.client_context(certificate)
    context.minimum_version = context.maximum_version = version
    before = failures("client_certificate")
    # The password would be right: it must not help.
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await log_in(mutual, "CP1", context, user="CP1", password=KEY)
    await until(lambda: failures("client_certificate") == before + 1)
    assert profiles(mutual) == []


@pytest.mark.parametrize(
    ("common_name", "organization", "detail"),
    [
        ("CP2", "Operator", "common name"),
        ("cp1", "Operator", "common name"),
        ("CP1", "Another", "organization"),
        ("CP1", None, "organization"),
        ("", "Operator", "common name"),
    ],
)
async def test_tc_087_a_certificate_of_another_charge_point_or_operator_is_refused(
    mutual: TlsServer, pki: Pki, common_name: str, organization: str | None, detail: str
) -> None:
    await mutual.register("CP1")
    context = pki.client_context(pki.clients.client(common_name or " ", organization))
    with capture_logs() as logs:
        client = await log_in(mutual, "CP1", context, user="CP1", password=KEY)
    assert client.response.status == 401
    reason, told = noted(logs)
    assert reason == RefusalReason.CERTIFICATE
    assert detail in told


async def test_a_revoked_certificate_is_refused_within_a_session_that_began_before(
    mutual: TlsServer, pki: Pki
) -> None:
    await mutual.register("CP1")
    certificate = pki.clients.client("CP1", "Operator")
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", mutual.port, ssl=pki.client_context(certificate)
    )
    writer.write(b"GET /v1/protocols HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    (pki.directory / "revoked.pem").write_bytes(pki.clients.revocations(certificate))
    assert mutual.acceptors is not None
    mutual.acceptors._reload()
    lines = [
        f"GET /ocpp/{mutual.tenant.slug}/CP1 HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "",
        "",
    ]
    with capture_logs() as logs:
        writer.write("\r\n".join(lines).encode())
        await until(lambda: noted(logs) == (RefusalReason.CERTIFICATE, "The client certificate is revoked."))
    writer.close()


async def test_a_connection_is_closed_when_its_certificate_is_revoked(mutual: TlsServer, pki: Pki) -> None:
    await mutual.register("CP1")
    await mutual.register("CP2")
    certificate = pki.clients.client("CP1", "Operator")
    revoked = await log_in(mutual, "CP1", pki.client_context(certificate))
    other = await log_in(mutual, "CP2", pki.client_context(pki.clients.client("CP2", "Operator")))
    (pki.directory / "revoked.pem").write_bytes(pki.clients.revocations(certificate))
    assert mutual.acceptors is not None
    mutual.acceptors._reload()
    assert await revoked.close_code() == 1008
    assert (await other.call("Heartbeat", {}))[0] == 3


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("has_certificate", [False, True])
async def test_a_ticket_resumes_a_session_without_certificate_only(
    mutual: TlsServer, pki: Pki, version: ssl.TLSVersion, has_certificate: bool
) -> None:
    # A resumed session would not be verified again, so that a revoked certificate would live on in it.
    context = pki.client_context(pki.clients.client("CP1", "Operator") if has_certificate else None)
    context.minimum_version = context.maximum_version = version
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, reused, mutual.port, context) == [False, not has_certificate]


def noted(logs: Sequence[MutableMapping[str, Any]]) -> tuple[str | None, str]:
    """Return why the last login was refused, and the detail."""
    lines = [line for line in logs if line["event"] == "login_refused"]
    return (lines[-1]["reason"], lines[-1]["detail"] or "") if lines else (None, "")


def _faulty(pki: Pki, fault: str) -> Issued:
    match fault:
        case "another authority":
            return Authority("another root").client("CP1", "Operator")
        case "expired":
            return pki.clients.client("CP1", "Operator", ends_in=-timedelta(hours=1))
        case "self-signed":
            return Authority("CP1")
        case "a server's":
            return pki.clients.server("CP1")
        case _:
            return pki.clients.client("CP1", "Operator")
