"""The parameters of DATABASE_URL: those of libpq (PostgreSQL 18, section 34.1.2), and our `pooler`.

Each one works as libpq means it, or is refused. No error shows a value.
"""

from collections.abc import Callable, Mapping
from typing import Final

from app.near_names import near_names

SECRETS: Final = frozenset({"password", "sslpassword"})
"""Parameters with secret values. An `&` in such a value that is not encoded begins another parameter."""

FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
TLS: Final = (
    *("sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)
KEEPALIVES: Final = ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")

_Check = Callable[[str], str | None]
"""Returns what a value must be, if it is not that."""


class AddressError(ValueError):
    """DATABASE_URL cannot be used. The text is one line, names the parameter, and shows no value."""


def _anything(value: str) -> str | None:
    return None


def _one_of(*values: str) -> _Check:
    words = values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"
    return lambda value: None if value in values else f"must be {words}"


def _only(*values: str, because: str) -> _Check:
    return lambda value: None if value in values else f"must be {' or '.join(values)}: {because}"


def _number(value: str) -> str | None:
    is_number = value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 9
    return None if is_number else "must be a whole number"


def _refused(because: str) -> _Check:
    return lambda value: f"is not supported: {because}"


_WRITES: Final = "the server writes, so it needs the primary"
_NO_KERBEROS: Final = _refused("the driver has no Kerberos")
_NO_OAUTH: Final = _refused("the driver has no OAuth")

_CHECKS: Final[Mapping[str, _Check]] = {
    **dict.fromkeys(("host", "port", "dbname", "user", "password", "passfile"), _anything),
    **dict.fromkeys(("sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"), _anything),
    **dict.fromkeys(("application_name", "fallback_application_name", "options"), _anything),
    **dict.fromkeys(("connect_timeout", *KEEPALIVES), _number),
    "keepalives": _one_of("0", "1"),
    "sslmode": _one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": _one_of("postgres", "direct"),
    **dict.fromkeys(("ssl_min_protocol_version", "ssl_max_protocol_version"), _one_of("TLSv1.2", "TLSv1.3")),
    "ssl": _only("true", because="libpq has sslmode"),
    "target_session_attrs": _only("any", "primary", "read-write", because=_WRITES),
    "load_balance_hosts": _one_of("disable", "random"),
    "channel_binding": _only(
        *("prefer", "disable"),
        because="the driver cannot bind; sslmode=verify-full keeps others out of the connection, too",
    ),
    "client_encoding": _only("UTF8", "utf8", "UTF-8", "utf-8", "auto", because="all texts are UTF-8"),
    "gssencmode": _only("disable", "prefer", because="the driver has no Kerberos"),
    "sslsni": _only("1", because="the driver always names the host"),
    "sslcompression": _only("0", because="TLS is not compressed"),
    "sslcertmode": _only("allow", because="leave out sslcert instead"),
    "min_protocol_version": _only("3.0", because="the driver speaks version 3.0"),
    "max_protocol_version": _one_of("3.0", "3.2", "latest"),
    "pooler": _one_of("none", "session", "transaction"),
    "hostaddr": _refused("name the address as host"),
    "service": _refused("write its parameters into the URL"),
    "servicefile": _refused("write its parameters into the URL"),
    "sslcrldir": _refused("write the lists into one file, sslcrl"),
    "sslkeylogfile": _refused("it would reveal what is sent"),
    "requiressl": _refused("use sslmode=require"),
    "require_auth": _refused("the driver does not tell how it has logged in; use sslmode=verify-full"),
    "requirepeer": _refused("the driver does not tell the user of a socket"),
    "replication": _refused("the server does not replicate"),
    **dict.fromkeys(("scram_client_key", "scram_server_key"), _refused("use password or passfile")),
    **dict.fromkeys(("krbsrvname", "gsslib", "gssdelegation"), _NO_KERBEROS),
    **dict.fromkeys(
        ("oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope", "oauth_ca_file"), _NO_OAUTH
    ),
}
_OTHERS: Final[Mapping[str, str]] = {
    "pgbouncer": "for PgBouncer write pooler=transaction or pooler=session",
    "sslaccept": "libpq has sslmode",
    "connection_limit": "the sizes of the pools are settings",
    "pool_timeout": "the sizes of the pools are settings",
    "schema": "write options=-c%20search_path%3D...",
    "prepared_statement_cache_size": "for PgBouncer write pooler=transaction",
    "statement_cache_size": "for PgBouncer write pooler=transaction",
}
"""Parameters of other programs, and what to write instead."""


_LONGEST_SHOWN: Final = 64


def check_name(name: str, *, after_secret: bool) -> None:
    """Check that a parameter exists. after_secret: it follows a password, and may be a piece of that.

    Raises:
        AddressError: it does not exist.
    """
    if name in _CHECKS:
        return
    if name in _OTHERS:
        raise AddressError(f"{name} is not a parameter of libpq: {_OTHERS[name]}")
    if after_secret:
        raise AddressError(
            "there is an unknown parameter after a password; write & in a password as %26, and ? as %3F"
        )
    near = near_names(name, _CHECKS, 1)
    shown = name if 0 < len(name) <= _LONGEST_SHOWN and name.isprintable() else "a parameter"
    raise AddressError(f"{shown} is not a parameter of libpq{f'; did you mean {near[0]}?' if near else ''}")


def check_value(name: str, value: str) -> None:
    """Check the value of a parameter that exists.

    Raises:
        AddressError: the value, or the parameter as such, is not supported.
    """
    if (problem := _CHECKS[name](value)) is not None:
        raise AddressError(f"{name} {problem}")
