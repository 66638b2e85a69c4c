"""The facts on the page of a protocol: one TOML file per protocol in `entries`, typed, read once.

What the core describes (messages, fields, error codes) is in `definition`.
"""

import tomllib
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.types import SLUG_PATTERN

Direction = Literal["cp-to-csms", "csms-to-cp", "both"]
Level = Literal["supported", "partial", "not_supported"]
Text = Annotated[str, Field(min_length=1)]


class Fact(BaseModel):
    """Base of everything that is read from an entry file. A misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class Adoption(Fact):
    """How widely the protocol is used."""

    deployments_text: Text
    deployments_at_least: Annotated[int, Field(ge=0)]
    share_text: Text
    share_percent: Annotated[int, Field(ge=0, le=100)]
    share_of: Text


class Capability(Fact):
    """One row of the capability matrix."""

    name: Text
    level: Level


class Migration(Fact):
    """Which protocol users move to next, and why."""

    source: Annotated[Text, Field(alias="from")]
    target: Annotated[Text, Field(alias="to")]
    text: Text
    drivers: tuple[Text, ...]


class SecurityTopic(Fact):
    """One row of the security layer."""

    topic: Text
    text: Text


class FlowStep(Fact):
    """One step of the message flow. Its number is its place in the list, from 1."""

    action: Text
    direction: Direction
    text: Text


class Deployment(Fact):
    """One example of the protocol in use."""

    operator: Text
    text: Text


class Deployments(Fact):
    """Examples of deployments of the protocol, with a note that they are only illustrations."""

    note: Text
    examples: tuple[Deployment, ...]


class Entry(Fact):
    """All facts of one protocol."""

    slug: Annotated[str, Field(pattern=rf"^{SLUG_PATTERN}$")]
    # The name of the definition that describes its messages; None if the protocol is only presented.
    definition: Text | None = None
    ecosystem: Text
    name: Text
    family: Text
    status: Text
    released: Annotated[int, Field(ge=1990, le=2100)]
    version: Text
    edition: Text
    parties: Annotated[tuple[Text, ...], Field(min_length=2, max_length=2)]
    tagline: Text
    summary: Text
    tags: tuple[Text, ...]
    adoption: Adoption
    capabilities: tuple[Capability, ...]
    migration: Migration
    security: tuple[SecurityTopic, ...]
    message_flow: tuple[FlowStep, ...]
    deployments: Deployments


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
