"""The description of a protocol by the core, as typed values: messages, fields, types, error codes, keys.

The values are read once from the JSON text of `app.ocpp.Protocol.describe()`. Nothing is added to them.
"""

from typing import Any, Literal

from pydantic import AliasGenerator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from app.catalog.facts import Direction

Sender = Literal["charge_point", "central_system", "both"]
Way = Literal["request", "response"]
DIRECTION_OF_SENDER: dict[Sender, Direction] = {
    "charge_point": "cp-to-csms",
    "central_system": "csms-to-cp",
    "both": "both",
}


class Described(BaseModel):
    """Base of everything that the core describes. The core writes camelCase, we write snake_case."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=AliasGenerator(validation_alias=to_camel)
    )


class DocumentDescription(Described):
    """A document that the definition cites.

    corrects: the document whose errata it lists. file_set: it is a set of files, such as JSON schemas.
    """

    name: str
    title: str
    edition: str
    released: str
    corrects: str | None = None
    file_set: bool = False


class Source(Described):
    """Where a fact comes from: a section of an edition of a document, an erratum, or a file of a set."""

    document: str
    title: str
    edition: str
    section: str | None = None
    erratum: str | None = None
    file: str | None = None


class Profile(Described):
    """A feature profile: a group of messages that a charge point supports or not. OCPP 1.6 3.2"""

    name: str
    key: str
    section: str
    summary: str


class FieldDescription(Described):
    """One field of a payload: its name, its type, and every limit on it."""

    name: str
    type: str
    required: bool
    many: bool = False
    min_items: int | None = None
    max_items: int | None = None
    max_length: int | None = None
    case_insensitive: bool = False
    minimum: float | int | None = None
    maximum: float | int | None = None
    multiple_of: float | None = None
    summary: str
    sources: tuple[Source, ...] = ()


class PayloadDescription(Described):
    """The payload of a request or of a response."""

    fields: tuple[FieldDescription, ...]


class Examples(Described):
    """A valid payload of the request and of the response."""

    request: dict[str, Any]
    response: dict[str, Any]


class Treatment(Described):
    """How this central system treats a message, and what follows from it."""

    treatment: Literal["recorded", "stored", "answered", "sent"]
    effect: str


class MessageDescription(Described):
    """One action: its request and its response."""

    action: str
    profile: str
    sender: Sender
    confirmed: bool = True
    known: tuple[str, ...] = ()
    sections: tuple[str, ...]
    sources: tuple[Source, ...]
    summary: str
    billing: bool
    answer_kept: bool
    central_system: Treatment | None
    error_behaviour: str
    rules: tuple[str, ...]
    request: PayloadDescription
    response: PayloadDescription
    examples: Examples

    @property
    def direction(self) -> Direction:
        """The direction in which the request is sent."""
        return DIRECTION_OF_SENDER[self.sender]


class EnumValue(Described):
    """One value of an enumeration, as it is sent."""

    value: str
    summary: str


class TypeDescription(Described):
    """A type that several fields share: a bounded string, an enumeration or an object."""

    kind: Literal["string", "enum", "object"]
    section: str
    sources: tuple[Source, ...] = ()
    summary: str
    max_length: int | None = None
    case_insensitive: bool | None = None
    open: bool | None = None
    values: tuple[EnumValue, ...] | None = None
    fields: tuple[FieldDescription, ...] | None = None


class ErrorCode(Described):
    """An error code of a CALLERROR. OCPP-J 4.2.3"""

    code: str
    section: str
    sources: tuple[Source, ...] = ()
    summary: str
    also_received_as: tuple[str, ...] = ()


class StandardConfigurationKey(Described):
    """A configuration key of the standard. OCPP 1.6 9"""

    name: str
    profile: str
    required: bool
    access: Literal["R", "RW", "W"]
    type: str
    unit: str | None = None
    section: str
    sources: tuple[Source, ...] = ()
    summary: str


class SecurityEventType(Described):
    """A known security event. Security whitepaper 8"""

    type: str
    critical: bool
    section: str
    sources: tuple[Source, ...] = ()
    summary: str


class Definition(Described):
    """A whole version of a protocol, as the core describes it."""

    documents: tuple[DocumentDescription, ...] = ()
    profiles: tuple[Profile, ...]
    messages: tuple[MessageDescription, ...]
    types: dict[str, TypeDescription]
    error_codes: tuple[ErrorCode, ...]
    configuration_keys: tuple[StandardConfigurationKey, ...]
    security_events: tuple[SecurityEventType, ...] = ()

    @classmethod
    def read(cls, described: str) -> "Definition":
        """Read the JSON text of `app.ocpp.Protocol.describe()`.

        Raises:
            pydantic.ValidationError: the core describes something that the catalog does not know.
        """
        return cls.model_validate_json(described)
