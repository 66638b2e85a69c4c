"""Connections by the parameters of DATABASE_URL, to real servers. TLS is that of a PgBouncer."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from sqlalchemy import text

from app.database.connecting import StationConnection, connect
from app.database.database import open_reads
from app.database.failures import DATABASE_ERRORS
from app.database.statements import Statement
from app.server.migration import MigrationError, bring_up_to_date
from tests.support.pgbouncer import pgbouncer
from tests.support.processes import PEPPER
from tests.support.tls_certificates import Authority


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[StationConnection]:
    connection = await connect(url, "test", {"jit": "off"})
    try:
        yield connection
    finally:
        await connection.close()


def _folder(url: str) -> str:
    (folder,) = parse_qs(urlsplit(url).query)["host"]
    return folder


async def test_the_folder_of_a_socket_may_be_encoded_as_a_host(database_url: str) -> None:
    path = urlsplit(database_url).path
    encoded = quote(_folder(database_url), safe="")
    async with _connected(f"postgresql://postgres@{encoded}{path}") as connection:
        assert await connection.fetchval("select current_database()") == path[1:]


async def test_name_and_options_reach_the_server(database_url: str) -> None:
    url = f"{database_url}&application_name=billing&options=-c%20work_mem%3D5MB%20-c%20jit%3Don"
    async with _connected(url) as connection:
        assert await connection.fetchval("show application_name") == "billing test"
        assert await connection.fetchval("show work_mem") == "5MB"
        # A setting that the server needs is not changed by the URL.
        assert await connection.fetchval("show jit") == "off"


async def test_the_next_host_is_tried_when_one_is_away_or_silent(database_url: str) -> None:
    path, folder = urlsplit(database_url).path, _folder(database_url)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ports = f"{_free_port()},{silent.getsockname()[1]},5432"
        url = f"postgresql://postgres@{path}?host=127.0.0.1,127.0.0.1,{folder}&port={ports}"
        async with _connected(f"{url}&connect_timeout=1") as connection:
            assert await connection.fetchval("select 1") == 1


@pytest.mark.parametrize("attributes", ["any", "primary", "read-write"])
async def test_reads_connect_to_a_primary_although_they_cannot_write(
    database_url: str, attributes: str
) -> None:
    reads = open_reads(f"{database_url}&target_session_attrs={attributes}")
    try:
        assert await reads.rows(Statement(text("select 1 as one")), {})
    finally:
        await reads.close()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("root of the database")


@pytest.fixture
def tls_place(database_url: str, engine_directory: Path, authority: Authority) -> Iterator[tuple[str, Path]]:
    """The place of a pooler that wants client certificates over TLS, and the folder of its files."""
    files = engine_directory / "files"
    files.mkdir(mode=0o755)
    Path(authority.client("postgres").write(files, "client")[1]).chmod(0o600)
    certificate, key = authority.server("localhost").write(files, "server")
    Path(key).chmod(0o644)
    (files / "root.pem").write_bytes(authority.pem)
    port = _free_port()
    options = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "client_tls_sslmode": "verify-full",
        "client_tls_cert_file": certificate,
        "client_tls_key_file": key,
        "client_tls_ca_file": str(files / "root.pem"),
    }
    with pgbouncer(engine_directory, database_url, "session", **options):
        yield f"localhost:{port}{urlsplit(database_url).path}", files


async def test_tls_is_verified_both_ways(tls_place: tuple[str, Path], authority: Authority) -> None:
    place, files = tls_place
    certificate, key = str(files / "client.pem"), str(files / "client.key")
    client = f"sslcert={quote(certificate)}&sslkey={quote(key)}"
    url = f"postgresql://postgres@{place}?pooler=session&sslrootcert={files}/root.pem&{client}"
    for mode in ("require", "verify-ca", "verify-full"):
        options = f"sslmode={mode}&keepalives_idle=7&keepalives_count=3&channel_binding=prefer"
        async with _connected(f"{url}&{options}") as connection:
            assert connection.socket is not None
            assert connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7
            assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
    with pytest.raises(MigrationError, match="cannot be trusted: IP address mismatch"):
        await bring_up_to_date(url.replace("localhost", "127.0.0.1") + "&sslmode=verify-full", PEPPER)
    other = Authority("another root")
    (files / "other.pem").write_bytes(other.pem)
    with pytest.raises(MigrationError, match=r"^DATABASE_URL: localhost:\d+ cannot be trusted"):
        await bring_up_to_date(url.replace("root.pem", "other.pem") + "&sslmode=verify-ca", PEPPER)
    with pytest.raises(DATABASE_ERRORS):
        await connect(url.replace(client, "sslmode=require"), "test")
