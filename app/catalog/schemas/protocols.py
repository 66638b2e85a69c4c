"""Shapes of the answers about whole protocols: list, card, matrix, map, search. The pages show the same."""

from typing import Annotated, Literal

from pydantic import Field

from app.catalog.definition import Profile
from app.catalog.facts import (
    Adoption,
    CapabilityKey,
    Certification,
    Confidence,
    Deployments,
    Direction,
    FactSource,
    Level,
    MatrixRow,
    Migration,
    PlainFact,
    ProtocolVersion,
    Relations,
    SchemaSet,
    SecurityTopic,
    SourcedFact,
    TextAccess,
)
from app.catalog.schemas.messages import Served

Depth = Literal["all", "messages", "card"]
DEPTH_WORDS: dict[Depth, str] = {
    "all": "All: messages, keys, and how this server treats them",
    "messages": "Messages: fields and schemas",
    "card": "Card: the facts of the protocol",
}
LEVEL_WORDS: dict[Level, str] = {
    "supported": "Supported",
    "partial": "Partial",
    "not_supported": "Not supported",
    "not_applicable": "Not applicable",
    "unknown": "Unknown",
}
LEVEL_MARKS: dict[Level, str] = {
    "supported": "✓",
    "partial": "◐",
    "not_supported": "—",
    "not_applicable": "·",
    "unknown": "?",
}
CONFIDENCE_WORDS: dict[Confidence, str] = {
    "read": "Read in the sources",
    "stated": "As stated by the source, not checked elsewhere",
    "known": "General knowledge, not read in a source",
}


class ApiLink(Served):
    """An API request that shows more."""

    method: Literal["GET", "POST"]
    path: str
    summary: str


class ProtocolSummary(Served):
    """A protocol in the list."""

    slug: Annotated[str, Field(description="Name of the protocol in URLs.")]
    name: str
    family: str
    family_name: str
    depth: Annotated[
        Depth,
        Field(
            description="all: messages, keys, error codes, and how this server treats them. messages: "
            "messages with fields and schemas. card: the facts of the protocol alone."
        ),
    ]
    status: str | None = None
    released: Annotated[int, Field(description="Year of the release.")]
    version: str
    edition: str | None = None
    parties: Annotated[tuple[str, ...], Field(description="Who speaks it, in the words of the standard.")]
    party_keys: Annotated[
        tuple[str, ...], Field(description="Who speaks it, as the map of the protocols names them.")
    ]
    tagline: str | None = None
    summary: str
    tags: tuple[str, ...]
    adoption: Annotated[Adoption | None, Field(description="null: no figure is known.")] = None
    href: Annotated[str, Field(description="Path of the protocol in this API.")]
    page: Annotated[str, Field(description="Path of the protocol's web page.")]


class ProtocolFilter(Served):
    """The filter of the list of protocols."""

    family: str | None = None
    party: str | None = None
    depth: Depth | None = None
    capability: CapabilityKey | None = None
    q: str | None = None


class ProtocolList(Served):
    """The protocols of the catalog that match a filter."""

    ecosystem: str
    filter: ProtocolFilter
    count: int
    protocols: tuple[ProtocolSummary, ...]


class CapabilityCounts(Served):
    """How many rows of the capability matrix have each level."""

    supported: int
    partial: int
    not_supported: int
    not_applicable: int
    unknown: int


class MatrixRowServed(MatrixRow):
    """One row of the capability matrix."""

    level_text: Annotated[str, Field(description="The level as the page shows it.")]


class MigrationServed(Migration):
    """Which protocol users move to next, and why."""

    href: Annotated[str, Field(description="Path of the next protocol in this API.")]
    page: Annotated[str, Field(description="Path of its web page.")]


class FlowStepServed(Served):
    """One step of the message flow."""

    step: Annotated[int, Field(ge=1, description="Place in the flow, counted from 1.")]
    step_text: Annotated[str, Field(description="The place as the page shows it.")]
    action: str
    direction: Direction
    direction_text: Annotated[str, Field(description="The direction as text.")]
    text: str
    href: Annotated[str | None, Field(description="Path of the message in this API.")] = None


class Counts(Served):
    """Sizes of the lists below the protocol."""

    messages: int
    configuration_keys: int
    error_codes: int
    deviations: Annotated[int, Field(description="Entries of the dictionary of deviations.")]


class SectionServed(Served):
    """A section of the page of a protocol."""

    key: Annotated[str, Field(description="Name of the member with the facts of this section.")]
    title: str
    note: str | None = None


class PageLink(Served):
    """A link of the page of a protocol."""

    text: str
    href: str


class PageTexts(Served):
    """Texts of the page of a protocol that put several facts together."""

    breadcrumb: str
    badges: tuple[str, ...]
    parties: str
    footer: str
    links: tuple[PageLink, ...]


class SpokenAlong(Served):
    """An edge of the map along which the protocol is spoken."""

    edge: Annotated[int, Field(description="Number of the edge on the map.")]
    source: Annotated[str, Field(alias="from")]
    targets: Annotated[tuple[str, ...], Field(alias="to")]
    passes: str
    note: str | None = None


class Protocol(ProtocolSummary):
    """A protocol with every fact of its page."""

    identity: Annotated[
        SourcedFact, Field(description="The evidence of name, parties, release, version and summary.")
    ]
    capabilities: tuple[MatrixRowServed, ...]
    capability_counts: CapabilityCounts
    migration: MigrationServed | None = None
    security: tuple[SecurityTopic, ...]
    message_flow: tuple[FlowStepServed, ...]
    deployments: Deployments | None = None
    transport: PlainFact
    encoding: PlainFact
    governance: PlainFact
    field_status: Annotated[PlainFact, Field(description="Where it is used, and what becomes of it.")]
    text_access: TextAccess
    certification: Certification
    versions: tuple[ProtocolVersion, ...]
    schema_sets: tuple[SchemaSet, ...]
    relations: Relations
    spoken: Annotated[tuple[SpokenAlong, ...], Field(description="Who speaks it to whom.")]
    sources: Annotated[dict[str, FactSource], Field(description="By the key that the facts give.")]
    profiles: Annotated[
        tuple[Profile, ...], Field(description="Feature profiles, in the order of the standard.")
    ]
    counts: Counts | None = None
    sections: tuple[SectionServed, ...]
    page_texts: PageTexts
    api: tuple[ApiLink, ...]
    docs: Annotated[str, Field(description="Path of the documentation of this API.")]


class MapParty(Served):
    """A party on the map."""

    key: Annotated[str, Field(description="For the filter `party` of the list of protocols.")]
    name: str


class MapProtocol(Served):
    """A protocol that is spoken along an edge. confidence: `known` if no entry names it."""

    name: str
    slug: str | None = None
    note: str | None = None
    confidence: Confidence
    href: str | None = None


class MapEdge(Served):
    """A connection on the map: which parties, and what passes by which protocols."""

    number: Annotated[int, Field(ge=1)]
    source: Annotated[str, Field(alias="from", description="Key of a party.")]
    targets: Annotated[tuple[str, ...], Field(alias="to", description="Keys of parties.")]
    protocols: tuple[MapProtocol, ...]
    passes: str


class ProtocolMap(Served):
    """The map of who speaks what to whom. The entries of the protocols have the sources."""

    parties: tuple[MapParty, ...]
    edges: tuple[MapEdge, ...]


class MatrixCapability(Served):
    """A row of the capability matrix, for all protocols."""

    key: CapabilityKey
    name: str


class MatrixCell(Served):
    """The level of one capability in one protocol."""

    level: Level
    reason: str | None = None
    confidence: Confidence


class MatrixProtocol(Served):
    """The capabilities of one protocol, by key."""

    slug: str
    name: str
    family: str
    href: str
    capabilities: dict[CapabilityKey, MatrixCell]


class ProtocolMatrix(Served):
    """The capability matrices of all protocols as one."""

    capabilities: tuple[MatrixCapability, ...]
    protocols: tuple[MatrixProtocol, ...]


SearchKind = Literal["protocol", "message", "field", "configuration_key", "error_code"]


class SearchHit(Served):
    """One thing with the text in its name or in its summary."""

    kind: SearchKind
    protocol: Annotated[str, Field(description="Slug of the protocol that has it.")]
    name: str
    of: Annotated[str | None, Field(description="The message or type that has the field.")] = None
    summary: str
    href: Annotated[str, Field(description="Path in this API of what describes it.")]
    page: Annotated[str, Field(description="Path of the web page that shows it.")]


class SearchFilter(Served):
    """The text that was searched for, and where."""

    q: str
    protocol: str | None = None
    kind: SearchKind | None = None


class SearchResult(Served):
    """Everything with the text: exact names first, then names that begin with it, names, and summaries."""

    filter: SearchFilter
    count: Annotated[int, Field(description="How many there are.")]
    hits: Annotated[tuple[SearchHit, ...], Field(description="The first 100 of them.")]
