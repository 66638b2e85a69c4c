"""Renders every page of the catalog, such as the page of a message, from its template."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from typing import Any, Protocol

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from app.catalog import schemas
from app.catalog.catalog import PAGE_ROOT, Catalog, ProtocolCatalog
from app.catalog.pages.drawing import draw_flow
from app.deviations.records import Family
from app.near_names import near_names
from app.web.documents import Document, Headers

HTML = b"text/html; charset=utf-8"
STYLE_PATH = "/assets/console.css"
ICON_PATH = "/assets/console.svg"
# Only our style sheet and icon may load. Nothing may run, and no other site may frame a page.
PAGE_HEADERS: Headers = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
)
# Its address has the hash of its content, so a cache reuses only an unchanged style sheet.
_ASSET_MAX_AGE_S = 86_400
_INVISIBLE = re.compile("[\x00-\x1f\x7f\ufeff]")


class Pages:
    """All pages of a catalog, with their style sheet and icon."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._style = (files("app.catalog.pages") / "assets" / "console.css").read_bytes()
        self._icon = (files("app.catalog.pages") / "assets" / "icon.svg").read_bytes()
        self._environment = Environment(
            loader=PackageLoader("app.catalog.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            style_path=f"{STYLE_PATH}?v={sha256(self._style).hexdigest()[:12]}",
            icon_path=ICON_PATH,
            level_words=schemas.LEVEL_WORDS,
            family_words=schemas.FAMILY_WORDS,
        )
        self._environment.filters.update(json=_pretty_json, code=_inline_code, visible=_visible)

    def assets(self) -> dict[str, Document]:
        """Make the documents of the style sheet and the icon, by path."""
        return {
            STYLE_PATH: Document(self._style, b"text/css; charset=utf-8", max_age_s=_ASSET_MAX_AGE_S),
            ICON_PATH: Document(self._icon, b"image/svg+xml", max_age_s=_ASSET_MAX_AGE_S),
        }

    @cached_property
    def documents(self) -> dict[str, Document]:
        """Every page, rendered, by path."""
        pages = {PAGE_ROOT: self._page("protocols.html", {"listed": self._catalog.protocol_list})}
        for protocol in self._catalog.protocols.values():
            pages |= self._protocol_pages(protocol)
        return pages

    def not_found(self, path: str) -> str:
        """Render the page that says that nothing is at this path, with links to near ones."""
        by_end = {known.rpartition("/")[2]: known for known in self.documents}
        near = [by_end[end] for end in near_names(path.rstrip("/").rpartition("/")[2], by_end)]
        return self._environment.get_template("not_found.html").render(path=path[:200], near=near)

    def _page(self, template: str, values: Mapping[str, Any]) -> Document:
        text = self._environment.get_template(template).render(values)
        return Document(text.encode(), HTML, extra=PAGE_HEADERS)

    def _protocol_pages(self, catalog: ProtocolCatalog) -> dict[str, Document]:
        protocol, root = catalog.protocol, catalog.page
        shared = {"protocol": protocol}
        drawing = draw_flow(protocol.parties, protocol.message_flow)
        pages = {root: self._page("protocol.html", {**shared, "drawing": drawing})}
        definition = catalog.definition
        if definition is None:
            return pages
        groups = _by_profile(catalog.message_list().messages)
        keys = _by_profile(definition.configuration_keys)
        pages[f"{root}/messages"] = self._page("messages.html", {**shared, "groups": groups})
        pages[f"{root}/configuration-keys"] = self._page(
            "configuration_keys.html", {**shared, "groups": keys}
        )
        if catalog.deviations:
            families = {"families": _by_family(catalog.deviations)}
            pages[f"{root}/deviations"] = self._page("deviations.html", {**shared, **families})
        codes = {**shared, "error_codes": definition.error_codes}
        pages[f"{root}/error-codes"] = self._page("error_codes.html", codes)
        for place, action in enumerate(catalog.actions):
            pages[f"{root}/messages/{action}"] = self._message_page(catalog, place)
        return pages

    def _message_page(self, catalog: ProtocolCatalog, place: int) -> Document:
        """Render the page of one message. place: of its action in the order of the standard, from 0."""
        actions = catalog.actions
        values = {
            "protocol": catalog.protocol,
            "message": catalog.message(actions[place]),
            "before": actions[place - 1] if place else None,
            "after": actions[place + 1] if place + 1 < len(actions) else None,
        }
        return self._page("message.html", values)


class _OfProfile(Protocol):
    @property
    def profile(self) -> str: ...


def _by_profile(members: Iterable[_OfProfile]) -> dict[str, list[_OfProfile]]:
    groups: dict[str, list[_OfProfile]] = {}
    for member in members:
        groups.setdefault(member.profile, []).append(member)
    return groups


def _by_family(members: Iterable[schemas.Deviation]) -> dict[Family, list[schemas.Deviation]]:
    groups: dict[Family, list[schemas.Deviation]] = {}
    for member in members:
        groups.setdefault(member.family, []).append(member)
    return groups


def _visible(text: str) -> str:
    """Replace the characters that a page cannot show by their escapes, but keep lines."""
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    return "\n".join(_INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", line) for line in lines)


def _pretty_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _inline_code(text: str) -> Markup:
    """Turn `names` in backticks into code elements, and escape everything."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 and place < len(parts) - 1 else part
        for place, part in enumerate(parts)
    )
