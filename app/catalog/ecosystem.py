"""The order of the protocols, their families, and the map of who speaks what to whom (`ecosystem.toml`)."""

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.catalog.facts import Fact, Text


class Spoken(Fact):
    """A protocol that is spoken along an edge, by its slug."""

    slug: Text
    note: Text | None = None


class Edge(Fact):
    """A connection of parties on the map.

    Attributes:
        source, targets: keys of parties.
        passes: what is exchanged.
        general_knowledge: names of further means, which are in no entry.
    """

    source: Annotated[Text, Field(alias="from")]
    targets: Annotated[tuple[Text, ...], Field(alias="to", min_length=1)]
    passes: Text
    protocols: Annotated[tuple[Spoken, ...], Field(min_length=1)]
    general_knowledge: tuple[Text, ...] = ()

    @property
    def parties(self) -> tuple[str, ...]:
        """Every party at this edge."""
        return (self.source, *self.targets)


class Ecosystem(Fact):
    """The protocols in their order, and the map.

    Attributes:
        protocols: every slug.
        families, parties: names by key.
    """

    protocols: tuple[Text, ...]
    families: dict[str, Text]
    parties: dict[str, Text]
    edges: tuple[Edge, ...]

    @model_validator(mode="after")
    def _check_edges(self) -> Self:
        for edge in self.edges:
            if unknown := set(edge.parties) - self.parties.keys():
                raise ValueError(f"an edge of parties that are not listed: {', '.join(sorted(unknown))}")
            if unknown := {spoken.slug for spoken in edge.protocols} - set(self.protocols):
                raise ValueError(f"an edge of protocols that are not listed: {', '.join(sorted(unknown))}")
        return self

    def edges_of(self, slug: str) -> Iterator[tuple[int, Edge]]:
        """Yield the edges along which a protocol is spoken, each with its number on the map, from 1."""
        for number, edge in enumerate(self.edges, 1):
            if any(spoken.slug == slug for spoken in edge.protocols):
                yield number, edge

    def parties_of(self, slug: str) -> tuple[str, ...]:
        """Return the keys of the parties that speak a protocol, in the order of the map."""
        speaking = {party for _, edge in self.edges_of(slug) for party in edge.parties}
        return tuple(party for party in self.parties if party in speaking)

    def in_order(self, slugs: Iterable[str]) -> list[str]:
        """Sort slugs by their place in the catalog.

        Raises:
            ValueError: the list of protocols and the slugs do not name the same.
        """
        given = set(slugs)
        if different := given ^ set(self.protocols):
            raise ValueError(f"without an entry, or without a place: {', '.join(sorted(different))}")
        return list(self.protocols)


@cache
def load_ecosystem() -> Ecosystem:
    """Read the file, once.

    Raises:
        ValueError: it breaks its model.
    """
    text = (files("app.catalog") / "ecosystem.toml").read_text(encoding="utf-8")
    return Ecosystem.model_validate(tomllib.loads(text))
