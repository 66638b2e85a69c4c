"""Opens all connections of this program to PostgreSQL."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import asyncpg

from app.database.address import DatabaseAddress, DatabaseHost, Pooler, read_address

_TIMEOUT_S: Final = 10.0
"""Seconds for one host, if the URL has no `connect_timeout`."""
_CACHED_STATEMENTS: Final = 100
_OPTIONS: Final = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}
"""The options of a socket. Those that a system does not have are left out, as by libpq."""


class PoolerError(Exception):
    """A pooler in between does not pass the settings of a session on. The text is one line."""


if TYPE_CHECKING:
    _DriverConnection = asyncpg.Connection[asyncpg.Record]
else:
    # It is generic for type checkers only.
    _DriverConnection = asyncpg.Connection


class StationConnection(_DriverConnection):
    """A connection that knows its socket, and the settings that each of its transactions needs."""

    __slots__ = ("in_each_transaction", "scope", "socket", "transport")

    def __init__(self, protocol: Any, transport: Any, *others: Any) -> None:
        super().__init__(protocol, transport, *others)
        self.transport: asyncio.WriteTransport = transport
        self.socket: socket.socket | None = transport.get_extra_info("socket")
        self.in_each_transaction = ""
        """A statement that sets them; empty: the session has them."""
        self.scope = ""
        """Statements that restrict the next transactions to the rows of one tenant; empty: they are not."""

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        """Run a statement. What begins a transaction also makes its settings, in the same round trip."""
        if not query.startswith("BEGIN"):
            return await super().execute(query, *args, **options)
        try:
            return await super().execute(
                "".join((query, self.in_each_transaction, self.scope)), *args, **options
            )
        except BaseException:
            # It may be inside the transaction, and asyncpg would not begin another one: what uses the
            # connection next would work for this tenant, and never commit.
            self.terminate()
            raise


async def connect(
    url: str,
    purpose: str,
    settings: Mapping[str, str] | None = None,
    *,
    timeout_s: float = _TIMEOUT_S,
    command_timeout_s: float | None = None,
) -> StationConnection:
    """Connect to the first host that answers and is fit.

    Args:
        url: DATABASE_URL.
        purpose: The name of the connection in the list of the server, after that of the program.
        settings: Settings of the server for this connection.
        timeout_s: Seconds for each host; `connect_timeout` of the URL has precedence.
        command_timeout_s: Seconds for each statement; None: no limit.

    Raises:
        AddressError: the URL cannot be used.
        PoolerError: a pooler is in between, and the URL does not say so.
        OSError, asyncpg.PostgresError: no host can be used; the error of the last one.
    """
    address = read_address(url)
    wanted = _Wanted(
        purpose, settings or {}, address.connect_timeout_s or timeout_s, command_timeout_s=command_timeout_s
    )
    last: Exception = asyncpg.InterfaceError("no host")
    for host in address.in_order():
        try:
            connection = await _connect(address, host, wanted)
        except (OSError, asyncpg.CannotConnectNowError) as error:
            # As libpq: another host is tried if this one does not serve, and not if it refuses the login.
            last = error
            continue
        if not address.wants_primary or await _is_primary(connection):
            return connection
        connection.terminate()
        last = asyncpg.ReadOnlySQLTransactionError(f"{host} is a standby, which cannot write")
    raise last


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The purpose and settings of a connection, and how long it may take."""

    purpose: str
    settings: Mapping[str, str]
    timeout_s: float
    command_timeout_s: float | None


async def _connect(address: DatabaseAddress, host: DatabaseHost, wanted: _Wanted) -> StationConnection:
    at_start = {"application_name": f"{address.application_name} {wanted.purpose}"}
    if options := address.parameters.get("options"):
        at_start["options"] = options
    if address.pooler == "none":
        at_start |= wanted.settings
    arguments = {
        **address.driver_arguments(),
        "host": host.name,
        "port": host.port,
        "ssl": _system_anchors(address) if address.takes_anchors_of_system else None,
        "timeout": wanted.timeout_s,
        "command_timeout": wanted.command_timeout_s,
        # Without a name a statement is prepared again each time, which a pooler of transactions needs.
        "statement_cache_size": _CACHED_STATEMENTS if address.pooler != "transaction" else 0,
        "max_cached_statement_lifetime": 0,
        "connection_class": StationConnection,
        "server_settings": at_start,
        # Not the one of the environment: `connect` looks itself.
        "target_session_attrs": "any",
    }
    try:
        connection = cast(StationConnection, await asyncpg.connect(**arguments))
    except asyncpg.ProtocolViolationError as error:
        if "unsupported startup parameter" not in str(error):
            raise
        raise PoolerError(
            "a pooler refuses the settings of sessions: add pooler=session or pooler=transaction to the URL"
            if address.pooler == "none"
            else "the pooler refuses the parameter options"
        ) from error
    _keep_alive(connection, address)
    await _apply(connection, address.pooler, wanted.settings)
    return connection


async def _apply(connection: StationConnection, pooler: Pooler, settings: Mapping[str, str]) -> None:
    """Make the settings hold, if they could not be given at the start."""
    if not settings or pooler == "none":
        return
    if pooler == "transaction":
        connection.in_each_transaction = _local_settings(settings)
        return
    try:
        await connection.execute(_set_all(settings, is_local=False))
    except BaseException:
        connection.terminate()
        raise


def keep_settings(connection: StationConnection) -> AbstractAsyncContextManager[object]:
    """Run statements with the settings of a connection: in a transaction of their own, if these need one."""
    return connection.transaction() if connection.in_each_transaction else nullcontext()


def _local_settings(settings: Mapping[str, str]) -> str:
    """Return a statement that makes settings hold for the rest of a transaction."""
    names = {"default_transaction_read_only": "transaction_read_only"}
    return _set_all({names.get(name, name): value for name, value in settings.items()}, is_local=True)


def _set_all(settings: Mapping[str, str], *, is_local: bool) -> str:
    calls = (f"set_config('{name}', '{value}', {is_local})" for name, value in settings.items())
    return f"select {', '.join(calls)};"


async def _is_primary(connection: StationConnection) -> bool:
    # PostgreSQL 14 and newer tell it at the start. Whether the session is set to read only is not asked:
    # some of ours are.
    told = getattr(connection.get_settings(), "in_hot_standby", None)
    if told is not None:
        return bool(told == "off")
    return not await connection.fetchval("select pg_catalog.pg_is_in_recovery()")


def _keep_alive(connection: StationConnection, address: DatabaseAddress) -> None:
    opened, wanted = connection.socket, address.keepalives()
    if opened is None or opened.family == socket.AF_UNIX or wanted is None:
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, number in wanted.items():
        if (option := getattr(socket, _OPTIONS[name], None)) is not None:
            opened.setsockopt(socket.IPPROTO_TCP, option, number)


def _system_anchors(address: DatabaseAddress) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    parameters = address.parameters
    if certificate := parameters.get("sslcert"):
        context.load_cert_chain(
            certificate, parameters.get("sslkey") or None, parameters.get("sslpassword") or ""
        )
    for name, attribute in _VERSIONS.items():
        if version := parameters.get(name):
            setattr(context, attribute, ssl.TLSVersion[version.replace(".", "_")])
    return context


_VERSIONS: Final = {
    "ssl_min_protocol_version": "minimum_version",
    "ssl_max_protocol_version": "maximum_version",
}
