"""REDIS_URL: one server, a service of Sentinel, or a cluster. No connection is made here.

No error shows a part of a URL: a password that is not percent-encoded may end up in any of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote

from app.near_names import near_names

Kind = Literal["server", "sentinel", "cluster"]

_SCHEMES: Final[Mapping[str, tuple[Kind, bool]]] = {
    "redis": ("server", False),
    "rediss": ("server", True),
    "unix": ("server", False),
    "redis-sentinel": ("sentinel", False),
    "rediss-sentinel": ("sentinel", True),
    "redis-cluster": ("cluster", False),
    "rediss-cluster": ("cluster", True),
}
"""Kind, and whether TLS is used, by the scheme."""
_PORTS: Final[Mapping[Kind, int]] = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OF_SENTINEL: Final = ("sentinel_username", "sentinel_password")
_KNOWN: Final = ("db", "client_name", *_FILES, "ssl_cert_reqs", "ssl_check_hostname", *_OF_SENTINEL)
_WORDS: Final = {"ssl_cert_reqs": ("none", "optional", "required"), "ssl_check_hostname": ("true", "false")}
_ENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"(?P<name>[^:\[\]]+|\[[^\]]+\])(?::(?P<port>\d{1,5}))?")


class RedisAddressError(ValueError):
    """REDIS_URL cannot be used. The text is one line and shows no part of it."""


@dataclass(frozen=True, slots=True, repr=False)
class RedisAddress:
    """Where Redis is, and how to log in. It has no `repr`, because it has a password.

    hosts: of the server, of the Sentinels, or of some nodes of the cluster; empty: `path` is a socket;
    service: the name of the servers that Sentinel watches; options: parameters of the URL.
    """

    kind: Kind
    is_encrypted: bool
    hosts: tuple[tuple[str, int], ...]
    path: str
    username: str | None
    password: str | None
    database: int
    service: str
    options: Mapping[str, str]


def read_redis_address(url: str) -> RedisAddress:
    """Read a URL.

    Raises:
        RedisAddressError: it cannot be used.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise RedisAddressError(f"must begin with {', '.join(f'{name}://' for name in _SCHEMES)}")
    if rest.count("@") > 1 or "#" in rest:
        raise RedisAddressError("has more than one @, or a #: write these in a password as %40 and %23")
    kind, is_encrypted = _SCHEMES[scheme]
    account, _, rest = rest.rpartition("@")
    if "/" in account or "?" in account:
        raise RedisAddressError("has a / or ? before the @: write these in a password as %2F and %3F")
    username, _, password = account.partition(":")
    rest, _, query = rest.partition("?")
    options = _options(query)
    hosts: tuple[tuple[str, int], ...] = ()
    path = service = ""
    if scheme == "unix":
        path = _decoded("the path", rest)
        if not path.startswith("/"):
            raise RedisAddressError("unix:// needs the path of a socket: unix:///run/redis.sock")
        database = options.pop("db", "")
    else:
        names, _, path_of_url = rest.partition("/")
        hosts = _hosts(names, kind)
        service, database = _service(path_of_url, kind)
        database = options.pop("db", "") or database
    if kind == "cluster" and database not in ("", "0"):
        raise RedisAddressError("a cluster has the database 0 only")
    if kind != "sentinel" and any(name in options for name in _OF_SENTINEL):
        raise RedisAddressError("sentinel_username and sentinel_password are for redis-sentinel:// only")
    if not is_encrypted and any(name.startswith("ssl_") for name in options):
        raise RedisAddressError(
            "parameters for TLS are for rediss://, rediss-sentinel:// and rediss-cluster:// only"
        )
    return RedisAddress(
        kind,
        is_encrypted,
        hosts,
        path,
        _decoded("the user", username) or None,
        _decoded("the password", password) or None,
        _database(database),
        service,
        options,
    )


def check_redis_files(address: RedisAddress) -> None:
    """Check that the files of an address exist and may be read.

    Raises:
        RedisAddressError: the text names the parameter and the file.
    """
    for name in _FILES:
        if path := address.options.get(name):
            try:
                Path(path).open("rb").close()
            except OSError as error:
                raise RedisAddressError(f"{name}: {path} cannot be read: {error.strerror}") from None


def _service(path: str, kind: Kind) -> tuple[str, str]:
    """Return the name of the service and the database of a path."""
    if kind != "sentinel":
        return "", path.rstrip("/")
    service, _, database = path.partition("/")
    if not service:
        raise RedisAddressError("redis-sentinel:// needs the name of the service after the hosts: /mymaster")
    return _decoded("the name of the service", service), database


def _hosts(text: str, kind: Kind) -> tuple[tuple[str, int], ...]:
    hosts = []
    for part in text.split(",") if text else ("localhost",):
        found = _HOST.fullmatch(part)
        if found is None or not 0 < (port := int(found["port"] or _PORTS[kind])) < 65536:
            raise RedisAddressError("each host must be a name and a port from 1 to 65535, such as cache:6379")
        hosts.append((_decoded("the host", found["name"].strip("[]")), port))
    if kind == "server" and len(hosts) > 1:
        raise RedisAddressError("several hosts need redis-sentinel:// or redis-cluster://")
    return tuple(hosts)


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise RedisAddressError("the database must be a number, such as redis://cache/1")
    return int(text)


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, equals, value = part.partition("=")
        if name not in _KNOWN or not equals:
            near = near_names(name, _KNOWN, 1)
            hint = f"did you mean {near[0]}?" if near else f"it may have {', '.join(sorted(_KNOWN))}"
            # The name is not shown: it is a piece of the password if that has a ? or a &.
            raise RedisAddressError(f"a parameter after the ? is unknown; {hint}")
        options[name] = _decoded(name, value)
        if name in _WORDS and options[name].lower() not in _WORDS[name]:
            raise RedisAddressError(f"{name} must be {' or '.join(_WORDS[name])}")
    return options


def _decoded(name: str, text: str) -> str:
    if _ENCODED.search(text):
        raise RedisAddressError(f"{name} has a % without two hexadecimal digits: write % as %25")
    return unquote(text)
