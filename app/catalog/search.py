"""Finds a text in protocols, messages, fields, configuration keys and error codes, best matches first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from app.catalog import schemas
from app.catalog.catalog import Catalog, ProtocolCatalog
from app.catalog.definition import Definition, FieldDescription, MessageDescription

MOST_HITS = 100


@dataclass(frozen=True, slots=True)
class _Indexed:
    """A possible hit, with its name and its whole text without case."""

    hit: schemas.SearchHit
    name: str
    text: str

    def rank(self, q: str) -> int | None:
        """Return how well it matches, 0 the best; None if it does not. q: without case."""
        if q not in self.text:
            return None
        if self.name == q:
            return 0
        if self.name.startswith(q):
            return 1
        return 2 if q in self.name else 3


class SearchIndex:
    """Everything in the catalog that has a name.

    Args:
        catalog: all protocols.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @cached_property
    def _members(self) -> list[_Indexed]:
        return [
            _Indexed(hit, hit.name.casefold(), f"{hit.name}\n{hit.of or ''}\n{hit.summary}".casefold())
            for protocol in self._catalog.protocols.values()
            for hit in _hits_of(protocol)
        ]

    def find(
        self, wanted: schemas.SearchFilter, but: schemas.SearchKind | None = None
    ) -> schemas.SearchResult:
        """Find a text, in any case; exact names come first, and otherwise the order of the catalog holds.

        Args:
            wanted: what to find.
            but: what to leave out.
        """
        q = wanted.q.casefold()
        ranked: list[tuple[int, schemas.SearchHit]] = []
        for member in self._members:
            hit = member.hit
            if (
                hit.kind == but
                or wanted.protocol not in (None, hit.protocol)
                or wanted.kind not in (None, hit.kind)
            ):
                continue
            rank = member.rank(q)
            if rank is not None:
                ranked.append((rank, hit))
        ranked.sort(key=lambda found: found[0])
        hits = tuple(hit for _, hit in ranked[:MOST_HITS])
        return schemas.SearchResult(filter=wanted, count=len(ranked), hits=hits)


def _hits_of(protocol: ProtocolCatalog) -> Iterator[schemas.SearchHit]:
    entry, definition = protocol.entry, protocol.definition
    yield schemas.SearchHit(
        kind="protocol",
        protocol=entry.slug,
        name=entry.name,
        summary=entry.tagline or entry.summary,
        href=protocol.href,
        page=protocol.page,
    )
    if definition is not None:
        yield from _message_hits(protocol)
        yield from _type_hits(protocol, definition)
        yield from _list_hits(protocol, definition)


def _message_hits(protocol: ProtocolCatalog) -> Iterator[schemas.SearchHit]:
    for message in protocol.messages_by_action.values():
        below = f"messages/{message.action}"
        yield schemas.SearchHit(
            kind="message",
            protocol=protocol.entry.slug,
            name=message.action,
            summary=message.summary,
            href=f"{protocol.href}/{below}",
            page=f"{protocol.page}/{below}",
        )
        yield from _field_hits(protocol, message, message.request.fields, "request")
        yield from _field_hits(protocol, message, message.response.fields, "response")


def _type_hits(protocol: ProtocolCatalog, definition: Definition) -> Iterator[schemas.SearchHit]:
    """Yield the fields of each type once, at the first message that uses it."""
    seen: set[str] = set()
    for message in definition.messages:
        for name in protocol.types_of((*message.request.fields, *message.response.fields)):
            if name not in seen:
                seen.add(name)
                yield from _field_hits(protocol, message, definition.types[name].fields or (), name)


def _field_hits(
    protocol: ProtocolCatalog, message: MessageDescription, fields: Iterable[FieldDescription], place: str
) -> Iterator[schemas.SearchHit]:
    """Yield fields. place: where the page of the message has them: `request`, `response` or a type."""
    below = f"messages/{message.action}"
    for field in fields:
        yield schemas.SearchHit(
            kind="field",
            protocol=protocol.entry.slug,
            name=field.name,
            of=f"{message.action} {place}" if place in ("request", "response") else place,
            summary=field.summary,
            href=f"{protocol.href}/{below}",
            page=f"{protocol.page}/{below}#{place}",
        )


def _list_hits(protocol: ProtocolCatalog, definition: Definition) -> Iterator[schemas.SearchHit]:
    for key in definition.configuration_keys:
        yield schemas.SearchHit(
            kind="configuration_key",
            protocol=protocol.entry.slug,
            name=key.name,
            summary=key.summary,
            href=f"{protocol.href}/configuration-keys",
            page=f"{protocol.page}/configuration-keys#{key.name}",
        )
    for code in definition.error_codes:
        yield schemas.SearchHit(
            kind="error_code",
            protocol=protocol.entry.slug,
            name=code.code,
            summary=code.summary,
            href=f"{protocol.href}/error-codes",
            page=f"{protocol.page}/error-codes#{code.code}",
        )
