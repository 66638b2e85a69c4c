"""The facts of a protocol page: one TOML file per protocol in `entries`, typed, read once.

What the core derives (messages, fields, error codes) is not here but in `definition`.
"""

import tomllib
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Direction = Literal["cp-to-csms", "csms-to-cp", "both"]
Level = Literal["supported", "partial", "not_supported"]
Text = Annotated[str, Field(min_length=1)]


class Fact(BaseModel):
    """Base of everything read from an entry file: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class Adoption(Fact):
    """How widely the protocol is met in the field."""

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
    """Where users of the protocol go next, and what drives them."""

    source: Annotated[Text, Field(alias="from")]
    target: Annotated[Text, Field(alias="to")]
    text: Text
    drivers: tuple[Text, ...]


class SecurityTopic(Fact):
    """One row of the security layer."""

    topic: Text
    text: Text


class FlowStep(Fact):
    """One step of the message flow; its number is its place in the list, from 1."""

    action: Text
    direction: Direction
    text: Text


class Deployment(Fact):
    """One example of the protocol in use."""

    operator: Text
    text: Text


class Deployments(Fact):
    """Examples of the protocol in use, with the caveat under which they are named."""

    note: Text
    examples: tuple[Deployment, ...]


class Entry(Fact):
    """All facts of one protocol."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    # Which definition of the core describes its messages; none for a protocol that is only presented.
    definition: Literal["v16"] | None = None
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
        ValueError: a file breaks the model above, or two files share a slug.
    """
    entries: dict[str, Entry] = {}
    folder = files("app.catalog") / "entries"
    for source in sorted(folder.iterdir(), key=lambda found: found.name):
        if not source.name.endswith(".toml"):
            continue
        entry = Entry.model_validate(tomllib.loads(source.read_text(encoding="utf-8")))
        if entry.slug in entries:
            raise ValueError(f"{source.name}: the slug {entry.slug} is taken by another entry")
        entries[entry.slug] = entry
    return entries
