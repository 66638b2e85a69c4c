"""The shape of every catalog document: response models of the API, and what the pages are rendered from."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.catalog.definition import (
    ConfigurationKey,
    ErrorCode,
    Examples,
    PayloadDescription,
    Profile,
    TypeDescription,
)
from app.catalog.entry import Adoption, Capability, Deployments, Direction, Level, Migration, SecurityTopic


class Served(BaseModel):
    """Base of the catalog documents."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, populate_by_name=True)


class ApiLink(Served):
    """One request of the developer API that leads on."""

    method: Literal["GET", "POST"]
    path: str
    summary: str


class ProtocolSummary(Served):
    """A protocol in the list."""

    slug: Annotated[str, Field(description="Name of the protocol in paths.")]
    name: str
    family: str
    status: str
    released: Annotated[int, Field(description="Year.")]
    version: str
    edition: str
    parties: Annotated[tuple[str, ...], Field(description="The two sides, charge point first.")]
    tagline: str
    summary: str
    tags: tuple[str, ...]
    adoption: Adoption
    href: Annotated[str, Field(description="The protocol in this API.")]
    page: Annotated[str, Field(description="The same for people.")]


class ProtocolList(Served):
    """All protocols of the catalog."""

    ecosystem: str
    protocols: tuple[ProtocolSummary, ...]


class CapabilityCounts(Served):
    """How many rows of the capability matrix stand on each level."""

    supported: int
    partial: int
    not_supported: int


class FlowStepServed(Served):
    """One step of the message flow."""

    step: Annotated[int, Field(ge=1, description="Place in the flow, from 1.")]
    action: str
    direction: Direction
    direction_text: Annotated[str, Field(description="The direction as people write it.")]
    text: str
    href: Annotated[str | None, Field(description="The message in this API.")] = None


class Counts(Served):
    """Sizes of the lists that hang below the protocol."""

    messages: int
    configuration_keys: int
    error_codes: int


class Protocol(ProtocolSummary):
    """A protocol with every fact of its page."""

    capabilities: tuple[Capability, ...]
    capability_counts: CapabilityCounts
    migration: Migration
    security: tuple[SecurityTopic, ...]
    message_flow: tuple[FlowStepServed, ...]
    deployments: Deployments
    profiles: Annotated[tuple[Profile, ...], Field(description="Feature profiles, in the standard's order.")]
    counts: Counts | None = None
    api: tuple[ApiLink, ...]
    docs: Annotated[str, Field(description="The API's own documentation.")]


class MessageSummary(Served):
    """A message in the list."""

    action: Annotated[str, Field(description="Name on the wire, case-sensitive.")]
    profile: Annotated[str, Field(description="Key of the feature profile.")]
    direction: Annotated[Direction, Field(description="Which way the request travels.")]
    direction_text: str
    sections: Annotated[
        tuple[str, ...], Field(description="Sections of OCPP 1.6; `S ...`: of the security whitepaper.")
    ]
    summary: str
    billing: Annotated[bool, Field(description="Acknowledged only after it is durable.")]
    flow_step: Annotated[
        int | None, Field(description="Place in the message flow of the protocol's page.")
    ] = None
    href: str
    schema_href: str


class MessageFilter(Served):
    """The filter that a list of messages was asked with."""

    direction: Direction | None = None
    profile: str | None = None
    q: str | None = None


class MessageList(Served):
    """Messages, grouped by profile in the order of the standard."""

    protocol: str
    filter: MessageFilter
    count: int
    messages: tuple[MessageSummary, ...]


class Message(MessageSummary):
    """A message with its fields, limits, examples and error behaviour."""

    protocol: str
    profile_name: str
    error_behaviour: str
    rules: Annotated[tuple[str, ...], Field(description="Rules across fields that a request must keep.")]
    request: PayloadDescription
    response: PayloadDescription
    types: Annotated[dict[str, TypeDescription], Field(description="Each named type the fields lead to.")]
    examples: Examples


class MessageSchemas(Served):
    """JSON Schema 2020-12 of both ways of a message."""

    protocol: str
    action: str
    request: dict[str, Any]
    response: dict[str, Any]


class ConfigurationKeyList(Served):
    """The standard configuration keys."""

    protocol: str
    count: int
    configuration_keys: tuple[ConfigurationKey, ...]


class ErrorCodeList(Served):
    """The error codes of a CALLERROR, by the spelling that is sent."""

    protocol: str
    count: int
    error_codes: tuple[ErrorCode, ...]


LEVEL_WORDS: dict[Level, str] = {
    "supported": "Supported",
    "partial": "Partial",
    "not_supported": "Not supported",
}
DIRECTION_WORDS: dict[Direction, str] = {
    "cp-to-csms": "CP → CSMS",
    "csms-to-cp": "CSMS → CP",
    "both": "CP ↔ CSMS",
}
