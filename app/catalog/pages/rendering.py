"""Renders every page of the catalog, such as the page of a message, from its template."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, Protocol

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from app.catalog import schemas
from app.catalog.catalog import PAGE_ROOT, Catalog, ProtocolCatalog
from app.catalog.ecosystem import load_ecosystem
from app.catalog.facts import CAPABILITIES
from app.catalog.overview import list_protocols, make_map, make_matrix
from app.catalog.pages.drawing import draw_flow
from app.catalog.pages.map_drawing import draw_map
from app.catalog.pages.twins import PageDocument, markdown_document
from app.catalog.pages.validator import Form, Result, examples
from app.catalog.search import SearchIndex
from app.deviations.records import Family
from app.errors import AppError
from app.near_names import near_names
from app.web.documents import Document, Headers, LazyDocument

STYLE_PATH = "/assets/console.css"
ICON_PATH = "/assets/console.svg"
# Only our style sheet and icon may load. Nothing may run, and no other site may frame a page.
PAGE_HEADERS: Headers = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
        b"frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
)
# Its address has the hash of its content, so a cache reuses only an unchanged style sheet.
_ASSET_MAX_AGE_S = 86_400
_ACCESS_WORDS = {
    "free": "Free",
    "registration": "Free, after registration",
    "paid": "Sold",
    "members": "Members only",
}
_KIND_WORDS: Mapping[schemas.SearchKind, str] = {
    "protocol": "protocol",
    "message": "message",
    "field": "field",
    "configuration_key": "configuration key",
    "error_code": "error code",
}
_INVISIBLE = re.compile("[\x00-\x1f\x7f\ufeff]")


def style_address() -> str:
    """Return the address of the style sheet, with the hash of its content."""
    return f"{STYLE_PATH}?v={sha256(_style()).hexdigest()[:12]}"


def _style() -> bytes:
    return (files("app.catalog.pages") / "assets" / "console.css").read_bytes()


@dataclass(frozen=True, slots=True)
class FurtherPage:
    """A page that another package adds. values: makes those of the template, such as `protocol`."""

    title: str
    template: str
    values: Callable[[], Mapping[str, Any]]


class Pages:
    """All pages of a catalog, with their style sheet and icon.

    Args:
        catalog: all protocols.
        further: pages of other packages, by path.
    """

    def __init__(self, catalog: Catalog, further: Mapping[str, FurtherPage] | None = None) -> None:
        self._catalog = catalog
        self._further = further or {}
        self._twins: dict[str, Document] = {}
        self._style = _style()
        self._icon = (files("app.catalog.pages") / "assets" / "icon.svg").read_bytes()
        self._environment = Environment(
            loader=PackageLoader("app.catalog.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            style_path=style_address(),
            icon_path=ICON_PATH,
            validators=[found.page for found in catalog.protocols.values() if found.core is not None],
            migrations={path: page.title for path, page in self._further.items() if "/migration/" in path},
            level_words=schemas.LEVEL_WORDS,
            level_marks=schemas.LEVEL_MARKS,
            family_words=schemas.FAMILY_WORDS,
            depth_words=schemas.DEPTH_WORDS,
            access_words=_ACCESS_WORDS,
            kind_words=_KIND_WORDS,
            capability_names=CAPABILITIES,
            families=load_ecosystem().families,
            parties=load_ecosystem().parties,
            names={slug: protocol.entry.name for slug, protocol in catalog.protocols.items()},
        )
        self._environment.filters.update(
            json=_pretty_json, code=_inline_code, visible=_visible, position=_position
        )
        self._index = SearchIndex(catalog)

    def assets(self) -> dict[str, Document]:
        """Make the documents of the style sheet and the icon, by path."""
        return {
            STYLE_PATH: Document(self._style, b"text/css; charset=utf-8", max_age_s=_ASSET_MAX_AGE_S),
            ICON_PATH: Document(self._icon, b"image/svg+xml", max_age_s=_ASSET_MAX_AGE_S),
        }

    @cached_property
    def documents(self) -> dict[str, Document]:
        """Every page, rendered, by path."""
        drawn = make_map(self._catalog)
        drawing = draw_map(drawn.parties, drawn.edges)
        pages = {PAGE_ROOT: self.listing(schemas.ProtocolFilter())}
        pages |= self._page(f"{PAGE_ROOT}/map", "map.html", {"map": drawn, "drawing": drawing})
        pages |= self._page(f"{PAGE_ROOT}/matrix", "matrix.html", {"matrix": make_matrix(self._catalog)})
        for protocol in self._catalog.protocols.values():
            pages |= self._protocol_pages(protocol)
        for path, further in self._further.items():
            pages[path] = LazyDocument(partial(self._further_page, path, further))
        return pages

    def _further_page(self, path: str, further: FurtherPage) -> Document:
        return self._page(path, further.template, further.values())[path]

    def listing(self, wanted: schemas.ProtocolFilter) -> Document:
        """Render the page with the protocols that match a filter, and with what else has the text."""
        listed = list_protocols(self._catalog, wanted)
        groups: dict[str, list[schemas.ProtocolSummary]] = {
            family: [] for family in load_ecosystem().families
        }
        for protocol in listed.protocols:
            groups[protocol.family].append(protocol)
        found = None
        if wanted.q:
            found = self._index.find(schemas.SearchFilter(q=wanted.q), but="protocol")
        filtered = wanted != schemas.ProtocolFilter()
        values = {"listed": listed, "groups": groups, "found": found, "filtered": filtered}
        return self._page(PAGE_ROOT, "protocols.html", values)[PAGE_ROOT]

    def not_found(self, path: str) -> str:
        """Render the page that says that nothing is at this path, with links to near ones."""
        # Pages of the same protocol come last, so that they take precedence over those of another version.
        root = "/".join(path.split("/")[:3])
        ordered = sorted(self.documents, key=lambda known: known.startswith(f"{root}/"))
        by_end = {known.rpartition("/")[2]: known for known in ordered}
        near = [by_end[end] for end in near_names(path.rstrip("/").rpartition("/")[2], by_end)]
        return self._environment.get_template("not_found.html").render(path=path[:200], near=near)

    def validator(
        self,
        catalog: ProtocolCatalog,
        form: Form,
        result: Result | None = None,
        error: AppError | None = None,
    ) -> str:
        """Render the page of the validator. error: why there is no result."""
        path = f"{catalog.page}/validator"
        return self._environment.get_template("validator.html").render(
            protocol=catalog.protocol,
            path=path,
            actions=catalog.actions,
            form=form,
            result=result,
            error=error,
            permalink=form.permalink(path) if result else None,
            examples=examples(catalog, path),
        )

    def markdown(self, path: str) -> Document:
        """Return the Markdown twin of the page at a path. It is made at its first use.

        Raises:
            KeyError: there is no such page.
        """
        if path not in self._twins:
            self._twins[path] = markdown_document(self.documents[path], self.documents.__contains__)
        return self._twins[path]

    def _page(self, path: str, template: str, values: Mapping[str, Any]) -> dict[str, Document]:
        text = self._environment.get_template(template).render(values)
        return {path: self._document(path, text, PAGE_HEADERS)}

    def _document(self, path: str, text: str, headers: Headers) -> Document:
        return PageDocument(text, headers, lambda: self.markdown(path))

    def _protocol_pages(self, catalog: ProtocolCatalog) -> dict[str, Document]:
        protocol, root = catalog.protocol, catalog.page
        shared = {"protocol": protocol}
        sections = {section.key: section for section in protocol.sections}
        drawing = draw_flow(protocol.parties, protocol.message_flow) if protocol.message_flow else None
        further = {path: page.title for path, page in self._further.items() if path.startswith(f"{root}/")}
        shown = {**shared, "sections": sections, "drawing": drawing, "further": further}
        pages = self._page(root, "protocol.html", shown)
        definition = catalog.definition
        if definition is None:
            return pages
        groups = _by_profile(catalog.message_list().messages)
        keys = _by_profile(definition.configuration_keys)
        pages |= self._page(f"{root}/messages", "messages.html", {**shared, "groups": groups})
        pages |= self._page(
            f"{root}/configuration-keys", "configuration_keys.html", {**shared, "groups": keys}
        )
        if catalog.deviations:
            families = {"families": _by_family(catalog.deviations)}
            pages |= self._page(f"{root}/deviations", "deviations.html", {**shared, **families})
        codes = {**shared, "error_codes": definition.error_codes}
        pages |= self._page(f"{root}/error-codes", "error_codes.html", codes)
        form = self.validator(catalog, Form())
        path = f"{root}/validator"
        pages[path] = self._document(path, form, PAGE_HEADERS)
        for place, action in enumerate(catalog.actions):
            path = f"{root}/messages/{action}"
            pages[path] = LazyDocument(partial(self._message_page, path, catalog, place))
        return pages

    def _message_page(self, path: str, catalog: ProtocolCatalog, place: int) -> Document:
        """Render the page of one message. place: of its action in the order of the standard, from 0."""
        actions = catalog.actions
        values = {
            "protocol": catalog.protocol,
            "message": catalog.message(actions[place]),
            "before": actions[place - 1] if place else None,
            "after": actions[place + 1] if place + 1 < len(actions) else None,
        }
        return self._page(path, "message.html", values)[path]


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


def _position(members: Iterable[str], member: str) -> int:
    """Return the place of a member, from 1."""
    return list(members).index(member) + 1


def _pretty_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _inline_code(text: str) -> Markup:
    """Turn `names` in backticks into code elements, and escape everything."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 and place < len(parts) - 1 else part
        for place, part in enumerate(parts)
    )
