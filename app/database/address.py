"""DATABASE_URL, read as libpq reads it (PostgreSQL 18, section 34.1.1.2). No connection is made here.

No error shows a part of a URL: a password that is not percent-encoded may end up in any of them.
"""

import os
import random
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import unquote_to_bytes, urlencode

from app.database.parameters import FILES, KEEPALIVES, SECRETS, TLS, AddressError, check_name, check_value

Pooler = Literal["none", "session", "transaction"]
"""Whether there is a pooler such as PgBouncer before PostgreSQL, and its mode."""

_SYSTEM: Final = "system"
"""The value of `sslrootcert` for the trust anchors of the operating system."""
_DEFAULT_NAME: Final = "stationmaster"
_ENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_IN_BRACKETS: Final = re.compile(r"\[([^\]]+)\](?::(.*))?")
_PORTS: Final = range(1, 65536)


@dataclass(frozen=True, slots=True)
class DatabaseHost:
    """One host. name: of a server, or the folder of a socket; None: the default; port: None: the default."""

    name: str | None
    port: int | None

    def __str__(self) -> str:
        name = self.name or "the local socket"
        return f"{f'[{name}]' if ':' in name else name}:{self.port or 5432}"


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseAddress:
    """Where the database is, and how to log in. It has no `repr`, because it has a password."""

    hosts: tuple[DatabaseHost, ...]
    parameters: Mapping[str, str]
    """All of them by name, decoded. Those of the authority and of the path are among them."""

    @property
    def application_name(self) -> str:
        """The name of this program for the server; connections add their purpose."""
        given = self.parameters.get("application_name") or self.parameters.get("fallback_application_name")
        return given or _DEFAULT_NAME

    @property
    def connect_timeout_s(self) -> float | None:
        """Seconds for each host; None: not given. libpq takes 0 and less for no limit."""
        given = int(self.parameters.get("connect_timeout", "0"))
        return given if given > 0 else None

    @property
    def wants_primary(self) -> bool:
        """Whether a server that cannot write is passed over, and the next host is tried."""
        return self.parameters.get("target_session_attrs", "any") != "any"

    @property
    def pooler(self) -> Pooler:
        """Whether there is a pooler before the server, and its mode."""
        return cast(Pooler, self.parameters.get("pooler", "none"))

    @property
    def place(self) -> str:
        """All hosts with their ports, for messages."""
        return ", ".join(map(str, self.hosts))

    @property
    def takes_anchors_of_system(self) -> bool:
        """Whether the trust anchors of the operating system are meant."""
        return self.parameters.get("sslrootcert") == _SYSTEM

    def in_order(self) -> Iterator[DatabaseHost]:
        """Yield the hosts in the order in which they are tried."""
        is_random = self.parameters.get("load_balance_hosts") == "random"
        yield from random.sample(self.hosts, len(self.hosts)) if is_random else self.hosts

    def driver_arguments(self) -> dict[str, Any]:
        """Return the arguments of the driver that are the same for each host."""
        parameters = self.parameters
        # The driver takes these only from a URL.
        tls = {name: parameters[name] for name in TLS if parameters.get(name)}
        if self.takes_anchors_of_system:
            tls = {name: value for name, value in tls.items() if name == "sslnegotiation"}
        return {
            "dsn": f"postgresql://?{urlencode(tls)}",
            "user": parameters.get("user") or None,
            "password": parameters.get("password") or None,
            "passfile": parameters.get("passfile") or None,
            "database": parameters.get("dbname") or None,
        }

    def keepalives(self) -> Mapping[str, int] | None:
        """Return what the socket is told about idle connections, None: not to look after them."""
        if self.parameters.get("keepalives", "1") == "0":
            return None
        return {name: number for name in KEEPALIVES if (number := int(self.parameters.get(name, "0"))) > 0}


@lru_cache(maxsize=16)
def read_address(url: str) -> DatabaseAddress:
    """Read a URL.

    Raises:
        AddressError: it cannot be used; the text names the parameter.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres", "postgresql+asyncpg"):
        raise AddressError("must begin with postgresql:// or postgres://")
    if rest.count("@") > 1:
        raise AddressError("has more than one @: write each other one as %40")
    account, at, rest = rest.rpartition("@")
    if "/" in account:
        raise AddressError("has a / before the @: write / in a user or password as %2F")
    hosts, path, query = _split(rest)
    parameters = _account(account)
    parameters |= _hosts(hosts)
    if path:
        parameters["dbname"] = _decoded("the name of the database", path)
    # Without an @, what looks like a host and a port may be a user and the begin of a password.
    parameters |= _query(query, after_secret=not at and ":" in hosts)
    if parameters.pop("ssl", None) is not None:
        parameters.setdefault("sslmode", "require")
    if parameters.get("sslrootcert") == _SYSTEM and parameters.setdefault("sslmode", "verify-full") != (
        "verify-full"
    ):
        raise AddressError("sslmode must be verify-full, because sslrootcert is system")
    return DatabaseAddress(_paired(parameters), parameters)


def check_files(address: DatabaseAddress) -> None:
    """Check that the files exist, may be read, and that others cannot read the key.

    Raises:
        AddressError: the text names the parameter and the file.
    """
    for name in FILES:
        value = address.parameters.get(name)
        if not value or (name == "sslrootcert" and address.takes_anchors_of_system):
            continue
        try:
            with Path(value).open("rb") as file:
                found = os.fstat(file.fileno())
        except OSError as error:
            raise AddressError(f"{name}: {value} cannot be read: {error.strerror}") from None
        # As libpq: the key of root may be readable for its group.
        others = 0o037 if found.st_uid == 0 else 0o077
        if name == "sslkey" and stat.S_IMODE(found.st_mode) & others:
            raise AddressError(f"{name}: {value} can be read by other users: chmod 600")


def without_password(url: str) -> tuple[str, str | None]:
    """Return a URL that programs of PostgreSQL understand, without its password, and the password."""
    _, _, rest = url.partition("://")
    account, at, rest = rest.rpartition("@")
    user = account.partition(":")[0]
    address, mark, query = rest.partition("?")
    kept = [
        part for part in query.split("&") if part and part.partition("=")[0] not in ("password", "pooler")
    ]
    plain = f"postgresql://{user}{at}{address}{mark if kept else ''}{'&'.join(kept)}"
    return plain, read_address(url).parameters.get("password") or None


def _split(rest: str) -> tuple[str, str, str]:
    """Return hosts, path and query of what follows the account."""
    rest, _, query = rest.partition("?")
    hosts, _, path = rest.partition("/")
    return hosts, path, query


def _account(text: str) -> dict[str, str]:
    user, _, password = text.partition(":")
    found = {"user": _decoded("user", user), "password": _decoded("password", password)}
    return {name: value for name, value in found.items() if value}


def _hosts(text: str) -> dict[str, str]:
    """Return `host` and `port` of the authority, each with commas between several."""
    names, ports = [], []
    for spec in text.split(","):
        if spec.startswith("["):
            found = _IN_BRACKETS.fullmatch(spec)
            if found is None:
                raise AddressError("host: an address of IPv6 is written as [address]:port")
            name, port = found[1], found[2] or ""
        else:
            name, _, port = spec.partition(":")
        names.append(_decoded("host", name))
        ports.append(_decoded("port", port))
    if not text:
        return {}
    return {"host": ",".join(names)} | ({"port": ",".join(ports)} if any(ports) else {})


def _query(text: str, *, after_secret: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split("&") if text else ():
        name, equals, value = part.partition("=")
        if not equals:
            raise AddressError("has a parameter without =")
        name = _decoded("the name of a parameter", name)
        check_name(name, after_secret=after_secret or not SECRETS.isdisjoint(found))
        if "=" in value:
            raise AddressError(f"{name} has a second =: write it as %3D")
        found[name] = _decoded(name, value)
        check_value(name, found[name])
    return found


def _paired(parameters: Mapping[str, str]) -> tuple[DatabaseHost, ...]:
    """Pair hosts with ports: one port for all, or one for each.

    Raises:
        AddressError: the numbers of hosts and ports differ, or a port is not one.
    """
    names = parameters.get("host", "").split(",")
    ports = parameters.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(names)
    if len(ports) != len(names):
        raise AddressError("port must be one number, or one for each host")
    if len(names) > 1 and not all(names):
        raise AddressError("host has an empty name between commas")
    return tuple(DatabaseHost(name or None, _port(port)) for name, port in zip(names, ports, strict=True))


def _port(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) in _PORTS):
        raise AddressError("port must be a number from 1 to 65535; write : / ? # in a password as % codes")
    return int(text)


def _decoded(name: str, text: str) -> str:
    if _ENCODED.search(text):
        raise AddressError(f"{name} has a % without two hexadecimal digits: write % as %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise AddressError(f"{name} is not UTF-8") from None
