"""The kinds of facts on the page of a protocol. Each fact names its sources, and says how sure it is."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Direction = Literal["cp-to-csms", "csms-to-cp", "both"]
Level = Literal["supported", "partial", "not_supported", "not_applicable", "unknown"]
Confidence = Literal["read", "stated", "known"]
CapabilityKey = Literal[
    "remote_start_stop",
    "smart_charging",
    "local_auth_list",
    "firmware_update",
    "diagnostics_upload",
    "device_management",
    "iso_15118_pnc",
    "tls_mandatory",
    "v2g_bidirectional",
    "afir_reporting",
]
CAPABILITIES: dict[CapabilityKey, str] = {
    "remote_start_stop": "Remote start / stop",
    "smart_charging": "Smart charging",
    "local_auth_list": "Local auth list",
    "firmware_update": "Firmware update",
    "diagnostics_upload": "Diagnostics upload",
    "device_management": "Device management",
    "iso_15118_pnc": "ISO 15118 PnC",
    "tls_mandatory": "TLS (mandatory)",
    "v2g_bidirectional": "V2G / bidirectional",
    "afir_reporting": "AFIR-aligned reporting",
}
"""The rows of the capability matrix, in their order, with the names that they have across protocols."""

Text = Annotated[str, Field(min_length=1)]
Date = Annotated[
    str,
    Field(
        pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$", description="A day, a month or a year, as far as it is known."
    ),
]


class Fact(BaseModel):
    """Base of everything that is read from an entry file. A misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class SourcedFact(Fact):
    """A fact with its evidence."""

    confidence: Annotated[
        Confidence,
        Field(
            description="read: read in the sources. stated: as its source states it, not checked elsewhere. "
            "known: general knowledge, not read in a source."
        ),
    ]
    sources: Annotated[
        tuple[Text, ...],
        Field(description="Keys of `sources` of the protocol. Empty: no source was read."),
    ] = ()
    note: Annotated[Text | None, Field(description="What this catalog adds to the fact.")] = None


class FactSource(Fact):
    """A document that facts were read in."""

    document: Text
    where: Annotated[Text, Field(description="Address of the document, or where it was found.")]
    kind: Annotated[
        Literal["primary", "secondary"],
        Field(description="primary: by the publisher of the protocol. secondary: about it, by others."),
    ]


class PlainFact(SourcedFact):
    """A fact in words."""

    text: Text


class Adoption(SourcedFact):
    """How widely the protocol is used."""

    deployments_text: Text
    deployments_at_least: Annotated[int, Field(ge=0)]
    share_text: Text
    share_percent: Annotated[int, Field(ge=0, le=100)]
    share_of: Text


class MatrixRow(SourcedFact):
    """One row of the capability matrix."""

    key: CapabilityKey
    name: Text
    level: Level
    reason: Annotated[Text | None, Field(description="Why the row has this level.")] = None


class Migration(SourcedFact):
    """Which protocol users move to next, and why."""

    source: Annotated[Text, Field(alias="from")]
    target: Annotated[Text, Field(alias="to")]
    target_slug: Text
    text: Text
    drivers: tuple[Text, ...]


class SecurityTopic(SourcedFact):
    """One row of the security layer."""

    topic: Text
    text: Text


class TextAccess(PlainFact):
    """Where to get the text of the standard, and what it costs."""

    access: Literal["free", "registration", "paid", "members"]
    licence: Annotated[Text | None, Field(description="null: the licence is not known.")] = None


class Certification(PlainFact):
    """How implementations are certified. status: of the programme, if there is one."""

    status: Text | None = None


class ProtocolVersion(SourcedFact):
    """A published version or edition."""

    version: Text
    published: Annotated[Date | None, Field(description="null: the date is not known.")] = None


class SchemaSet(SourcedFact):
    """A set of schemas that others publish."""

    kind: Text
    where: Text | None = None
    licence: Annotated[Text | None, Field(description="null: the licence is not known.")] = None


class Relations(SourcedFact):
    """The slugs of protocols that this one replaces, is replaced by, carries, or is used with."""

    supersedes: tuple[Text, ...] = ()
    superseded_by: tuple[Text, ...] = ()
    carries: tuple[Text, ...] = ()
    used_with: Annotated[tuple[Text, ...], Field(description="General knowledge, not read in a source.")] = ()

    def slugs(self) -> tuple[str, ...]:
        """Return every protocol that is named."""
        return (*self.supersedes, *self.superseded_by, *self.carries, *self.used_with)


class FlowStep(Fact):
    """One step of the message flow. Its number is its place in the list, from 1."""

    action: Text
    direction: Direction
    text: Text


class Deployment(Fact):
    """One example of the protocol in use."""

    operator: Text
    text: Text


class Deployments(SourcedFact):
    """Examples of deployments of the protocol, with a note that they are only illustrations."""

    note: Text
    examples: tuple[Deployment, ...]
