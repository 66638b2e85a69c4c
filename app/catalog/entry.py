"""The entry of a protocol: one TOML file per protocol in `entries`, typed, read once.

What the core describes (messages, fields, error codes) is in `definition`.
"""

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.catalog.facts import (
    CAPABILITIES,
    Adoption,
    Certification,
    Deployments,
    Fact,
    FactSource,
    FlowStep,
    MatrixRow,
    Migration,
    PlainFact,
    ProtocolVersion,
    Relations,
    SchemaSet,
    SecurityTopic,
    SourcedFact,
    Text,
    TextAccess,
)
from app.types import SLUG_PATTERN

ECOSYSTEM = "Protocol Ecosystem"
"""The name of the whole catalog."""


class Entry(Fact):
    """All facts of one protocol. None or an empty list: nothing is known of it."""

    slug: Annotated[str, Field(pattern=rf"^{SLUG_PATTERN}$")]
    # The name of the definition that describes its messages; None if the protocol is only presented.
    definition: Text | None = None
    name: Text
    family: Text
    status: Text | None = None
    released: Annotated[int, Field(ge=1990, le=2100)]
    version: Text
    edition: Text | None = None
    parties: Annotated[tuple[Text, ...], Field(min_length=2)]
    tagline: Text | None = None
    summary: Text
    tags: tuple[Text, ...] = ()
    identity: SourcedFact
    adoption: Adoption | None = None
    capabilities: tuple[MatrixRow, ...]
    migration: Migration | None = None
    transport: PlainFact
    encoding: PlainFact
    governance: PlainFact
    field_status: PlainFact
    text_access: TextAccess
    certification: Certification
    versions: Annotated[tuple[ProtocolVersion, ...], Field(min_length=1)]
    schema_sets: tuple[SchemaSet, ...]
    security: Annotated[tuple[SecurityTopic, ...], Field(min_length=1)]
    relations: Relations
    message_flow: tuple[FlowStep, ...] = ()
    deployments: Deployments | None = None
    sources: dict[str, FactSource]

    @model_validator(mode="after")
    def _check_evidence(self) -> Self:
        """Refuse a matrix of other rows, and facts without a source that do not say so."""
        if tuple(row.key for row in self.capabilities) != tuple(CAPABILITIES):
            raise ValueError(f"the capability matrix must have the rows {', '.join(CAPABILITIES)}")
        used: set[str] = set()
        for fact in self.facts():
            if not fact.sources and fact.confidence != "known":
                raise ValueError(f"a fact that is {fact.confidence} needs a source: {fact}")
            used.update(fact.sources)
        if used != self.sources.keys():
            raise ValueError(f"sources that are not listed or not used: {used ^ self.sources.keys()}")
        return self

    def facts(self) -> Iterator[SourcedFact]:
        """Yield every fact that has evidence."""
        for name in Entry.model_fields:
            value = getattr(self, name)
            members = value if isinstance(value, tuple) else (value,)
            yield from (member for member in members if isinstance(member, SourcedFact))


def load_entries() -> dict[str, Entry]:
    """Read every entry file, by slug, in the order of the file names.

    Raises:
        ValueError: a file breaks the model of an entry, or two files have the same slug.
    """
    entries: dict[str, Entry] = {}
    folder = files("app.catalog") / "entries"
    for source in sorted(folder.iterdir(), key=lambda found: found.name):
        if not source.name.endswith(".toml"):
            continue
        entry = Entry.model_validate(tomllib.loads(source.read_text(encoding="utf-8")))
        if entry.slug in entries:
            raise ValueError(f"{source.name}: another entry has the slug {entry.slug}")
        entries[entry.slug] = entry
    return entries
