"""Renders the pages of the console, with the headers that protect them, and serves their assets."""

import gzip
from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import orjson
from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from app.catalog.pages.rendering import ICON_PATH, style_address
from app.clock import utc_text
from app.users.records import SignedIn
from app.users.rules import masked_token
from app.web.documents import Document
from app.web.negotiation import accepts_gzip
from app.web.paths import origin_of

ROOT: Final = "/console"
ASSETS_ROOT: Final = f"{ROOT}/assets"
_MEDIA_TYPES: Final = {
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".md": b"text/markdown; charset=utf-8",
    ".txt": b"text/plain; charset=utf-8",
}
# The address has the hash of the content.
_ASSET_MAX_AGE_S: Final = 31_536_000
_COMPRESSED_FROM_BYTES: Final = 1000
_COMPRESSION_LEVEL: Final = 4
"""A page of 100 KB takes 1 ms, and becomes a tenth as long. Higher levels take longer and hardly gain."""
HEADERS: Final[Mapping[str, str]] = {
    # Our own scripts and style sheets only, nothing inline, no `eval`; no other site may frame a page.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding",
}
"""Headers of every page of the console."""


@cache
def asset_documents() -> dict[str, Document]:
    """Make the documents of all assets, by path."""
    folder = files("app.console") / "assets"
    return {
        f"{ASSETS_ROOT}/{file.name}": Document(
            file.read_bytes(), _MEDIA_TYPES["." + file.name.rpartition(".")[2]], max_age_s=_ASSET_MAX_AGE_S
        )
        for file in sorted(folder.iterdir(), key=lambda found: found.name)
        if file.is_file()
    }


def _asset(name: str) -> str:
    path = f"{ASSETS_ROOT}/{name}"
    return f"{path}?v={sha256(asset_documents()[path].body).hexdigest()[:12]}"


def _time(moment: datetime | None) -> str:
    """Write a time as people read it, in UTC to the second."""
    return "" if moment is None else utc_text(moment)[:19].replace("T", " ")


def _clock_time(moment: datetime) -> str:
    """Write the time of a day, in UTC to the millisecond."""
    return utc_text(moment)[11:23]


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


def _host(url: str) -> str:
    """Return the host of a URL, with its port. The rest may hold a secret."""
    return urlsplit(url).netloc


def query_text(values: Mapping[str, Any]) -> str:
    """Write a query string of the values that are set."""
    return urlencode({name: value for name, value in values.items() if value not in (None, "")})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("app.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        root=ROOT,
        style_path=style_address(),
        icon_path=ICON_PATH,
        asset=_asset,
        htmx_config=orjson.dumps(_HTMX).decode(),
    )
    environment.filters.update(
        time=_time,
        clock=_clock_time,
        host=_host,
        pretty=_pretty,
        segment=partial(quote, safe=""),
    )
    return environment


_HTMX: Final = {
    "allowEval": False,
    "includeIndicatorStyles": False,
    "selfRequestsOnly": True,
    "historyCacheSize": 0,
    "refreshOnHistoryMiss": True,
    # A refusal is shown where every page has its messages.
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "[45]..", "swap": True, "error": True, "target": "#messages", "swapOverride": "innerHTML"},
    ],
}
"""The configuration of htmx, which each page has in a meta element."""


def render(template: str, values: Mapping[str, Any]) -> str:
    """Render one template."""
    return _environment().get_template(template).render(values)


def page(
    request: Request, template: str, person: SignedIn | None, values: Mapping[str, Any], status: int = 200
) -> HTMLResponse:
    """Answer with one page. person: who looks at it; None: a visitor without a session."""
    shared = {
        "person": person,
        "csrf_token": "" if person is None else masked_token(person.csrf_token),
        "path": request.url.path,
        "origin": origin_of(request),
    }
    content, headers = render(template, {**shared, **values}).encode(), dict(HEADERS)
    if len(content) > _COMPRESSED_FROM_BYTES and accepts_gzip(request.headers.get("accept-encoding", "")):
        content = gzip.compress(content, _COMPRESSION_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return HTMLResponse(content, status, headers)
