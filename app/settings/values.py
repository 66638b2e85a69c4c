"""The types of settings, and the names of their environment variables."""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX: Final = "STATIONMASTER_"
"""How the variables of the server begin."""
_PLAIN = ("database_url", "redis_url")


class SettingsError(Exception):
    """A setting is missing or wrong. The text is one line and names the environment variable."""


class SettingsGroup(BaseSettings):
    """Settings of one subject. Variables: `STATIONMASTER_<FIELD>`, except `DATABASE_URL` and `REDIS_URL`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        allow_inf_nan=False,
        # Compose and shells pass on a variable that is not set as an empty one.
        env_ignore_empty=True,
    )


def variable_of(field: str) -> str:
    """Return the environment variable that sets a field."""
    return field.upper() if field in _PLAIN else PREFIX + field.upper()


def check_bare(url: str) -> None:
    """Check that nothing is around a URL.

    Raises:
        ValueError: a blank, a line end or a quotation mark is, as files of variables bring them along.
    """
    if url != url.strip().strip("\"'"):
        raise ValueError("has a blank, a line end or a quotation mark at an end: leave it out")


def url_with(*schemes: str) -> Callable[[str | None], str | None]:
    """Return the check of a URL that begins with one of some schemes. An empty text is None."""

    def check(value: str | None) -> str | None:
        if value is None or value == "":
            return None
        check_bare(value)
        if value.partition("://")[0] not in schemes or "://" not in value:
            raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    return check


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.strip("[] ").replace('"', "").split(",") if part.strip()]
    return value


def _check_networks(value: list[str]) -> list[str]:
    for text in value:
        meant = ipaddress.ip_network(text, strict=False)
        if "/" in text and ipaddress.ip_interface(text).ip != meant.network_address:
            raise ValueError(f"{text} is not a network, because it has host bits: did you mean {meant}?")
    return value


def _check_seconds(value: list[str]) -> list[str]:
    for text in value:
        if not re.fullmatch(r"[A-Z][A-Za-z]+=[0-9]{1,8}(\.[0-9]{1,3})?", text):
            raise ValueError(f"{text} is not an action and seconds, such as Reset=900")
    return value


def check_http_url(value: str | None) -> str | None:
    """Return a URL without its last slash; an empty text is None.

    Raises:
        ValueError: it is not a URL of HTTP with a host, or has more than a port and a path.
    """
    checked = url_with("http", "https")(value)
    if checked is None:
        return None
    if not checked.isascii() or re.search(r"[^!-~]", checked):
        raise ValueError("must be printable ASCII characters without blanks")
    try:
        parts = urlsplit(checked)
        _ = parts.port
    except ValueError:
        raise ValueError("must have a host, and a port that is a number up to 65535") from None
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be a URL with a host, and without user, query and fragment")
    return checked.rstrip("/")


def _none_if_empty(value: str | None) -> str | None:
    return value or None


Texts = Annotated[list[str], NoDecode, BeforeValidator(_split)]
"""Texts with commas between them."""
Durations = Annotated[
    list[Annotated[float, Field(ge=0, le=31_536_000)]],
    NoDecode,
    BeforeValidator(_split),
    Field(max_length=100),
]
"""Seconds with commas between them."""
Paths = Annotated[list[Path], NoDecode, BeforeValidator(_split)]
"""Paths with commas between them."""
Networks = Annotated[Texts, AfterValidator(_check_networks)]
"""Networks (CIDR, without host bits)."""
SecondsByAction = Annotated[Texts, AfterValidator(_check_seconds)]
"""Seconds for some actions, such as Reset=900."""
HttpUrl = Annotated[str | None, AfterValidator(check_http_url)]
"""A URL with a host, and without user, query, fragment and last slash."""
TextIfAny = Annotated[str | None, AfterValidator(_none_if_empty)]
"""A text. An empty one is None."""
