"""Shapes of requests and answers about messages and what belongs to them. The pages show the same values."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.catalog.definition import (
    ErrorCode,
    Examples,
    PayloadDescription,
    SecurityEventType,
    Source,
    StandardConfigurationKey,
    Treatment,
    TypeDescription,
    Way,
)
from app.catalog.facts import Direction
from app.deviations.records import Family, Severity

Sender = Literal["charge_point", "central_system"]
"""The side of a connection that sends a frame."""


class Served(BaseModel):
    """Base of the shapes of all documents."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, populate_by_name=True)


class MessageSummary(Served):
    """A message in the list."""

    action: Annotated[str, Field(description="Name of the action in frames; case-sensitive.")]
    profile: Annotated[str, Field(description="Key of the feature profile.")]
    direction: Annotated[Direction, Field(description="The direction in which the request is sent.")]
    direction_text: str
    sections: Annotated[
        tuple[str, ...], Field(description="Sections of OCPP 1.6; `S ...`: of the security whitepaper.")
    ]
    summary: str
    billing: Annotated[
        bool, Field(description="True: the message is acknowledged only after it is stored durably.")
    ]
    flow_step: Annotated[
        int | None, Field(description="Place in the message flow of the protocol's page.")
    ] = None
    flow_text: Annotated[str | None, Field(description="What the message flow says of it.")] = None
    href: str
    schema_href: str


class MessageFilter(Served):
    """The filter of a list of messages."""

    direction: Direction | None = None
    profile: str | None = None
    q: str | None = None
    flow: Annotated[bool, Field(description="True: only the messages of the flow, in its order.")] = False


class MessageList(Served):
    """Messages, grouped by profile in the order of the standard, or in the order of the flow."""

    protocol: str
    filter: MessageFilter
    count: int
    messages: tuple[MessageSummary, ...]


class Message(MessageSummary):
    """A message with its fields, limits, examples and error behaviour."""

    protocol: str
    profile_name: str
    confirmed: Annotated[bool, Field(description="False: the receiver does not answer.")]
    known: Annotated[
        tuple[str, ...],
        Field(description="Facts that are general knowledge of the standard, not read in a document."),
    ]
    sources: Annotated[
        tuple[Source, ...], Field(description="The sections and errata, with document and edition.")
    ]
    answer_kept: Annotated[
        bool,
        Field(
            description="True: a repeat under the same message id gets the same answer, and takes no effect."
        ),
    ]
    central_system: Annotated[
        Treatment | None,
        Field(
            description="How this server treats the message. recorded: stored by the ledger before the "
            "answer; stored: it changes rows; answered: it changes none; sent: this server sends it."
        ),
    ]
    error_behaviour: str
    rules: Annotated[tuple[str, ...], Field(description="Rules between fields that a request must follow.")]
    request: PayloadDescription
    response: PayloadDescription
    types: Annotated[dict[str, TypeDescription], Field(description="Each named type that the fields use.")]
    examples: Examples


class MessageSchemas(Served):
    """JSON Schema 2020-12 of the request and the response of a message."""

    protocol: str
    action: str
    request: dict[str, Any]
    response: dict[str, Any]


class ConfigurationKeyList(Served):
    """The standard configuration keys."""

    protocol: str
    count: int
    configuration_keys: tuple[StandardConfigurationKey, ...]


class SecurityEventList(Served):
    """The known security events, with their criticality."""

    protocol: str
    count: int
    security_events: tuple[SecurityEventType, ...]


class ErrorCodeList(Served):
    """The error codes of a CALLERROR, in the spelling that is sent."""

    protocol: str
    count: int
    error_codes: tuple[ErrorCode, ...]


class Deviation(Served):
    """A way in which charge points deviate from the standard."""

    code: str
    family: Annotated[Family, Field(description="Where it is seen.")]
    severity: Annotated[
        Severity,
        Field(
            description="cosmetic: the meaning is certain. information: something is lost or not certain. "
            "money: a register, a time, a tag or a transaction may be lost or wrong."
        ),
    ]
    seen: Annotated[str, Field(description="What the charge point does.")]
    handling: Annotated[str, Field(description="What this system does about it.")]
    section: Annotated[str, Field(description="Section of the standard that is broken.")]
    advice: Annotated[str, Field(description="Advice to the vendor.")]
    example: Annotated[
        tuple[str, ...],
        Field(
            description="What a charge point that has it sends, in order: frames, or the head of a "
            "handshake. Empty: there is none."
        ),
    ]
    answers: Annotated[str | None, Field(description="The CALL that the example answers.")] = None
    also: Annotated[tuple[str, ...], Field(description="Further codes that the example has.")]
    sent_as: Annotated[
        Literal["text", "binary", "latin-1"],
        Field(description="How the example is sent: as text, as a binary message, or encoded as Latin-1."),
    ]
    href: Annotated[str, Field(description="Path of the entry in this API.")]


class DeviationList(Served):
    """The dictionary of deviations."""

    protocol: str
    count: int
    deviations: tuple[Deviation, ...]


class Question(BaseModel):
    """A frame, or the payload of an action, to be judged."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"oneOf": [{"required": ["frame"]}, {"required": ["action", "payload"]}]},
    )

    frame: Annotated[
        str | list[Any] | None,
        Field(description="An OCPP-J frame: the text as it is sent, or the JSON array."),
    ] = None
    sender: Annotated[Sender, Field(description="Which side would send the frame.")] = "charge_point"
    action: Annotated[str | None, Field(description="Action of the payload; case-sensitive.")] = None
    direction: Annotated[Way, Field(description="Whether the payload is a request or a response.")] = (
        "request"
    )
    payload: Annotated[Any, Field(description="The payload: any JSON value.")] = None
    strict: Annotated[
        bool,
        Field(
            description="True: refuse what the system would repair, and apply the rules across fields, as "
            "for messages that the system sends. By default, what can be repaired is tolerated and listed."
        ),
    ] = False


class ViolationFound(BaseModel):
    """One broken rule."""

    code: Annotated[str, Field(description="OCPP-J error code.")]
    pointer: Annotated[str, Field(description="JSON pointer to what breaks the rule.")]
    reason: Annotated[str, Field(description="Name of the broken rule.")]
    detail: str
    section: Annotated[str | None, Field(description="Section of the standard that sets the rule.")]


class DeviationFound(BaseModel):
    """One deviation from the standard that the system repairs or tolerates."""

    kind: str
    pointer: str
    raw: str


class Judgement(BaseModel):
    """The system's judgement of a frame or payload."""

    verdict: Annotated[
        Literal["valid", "tolerated", "invalid", "unreadable"],
        Field(
            description="valid: as the standard says. tolerated: accepted, with deviations. "
            "invalid: refused. unreadable: not a frame."
        ),
    ]
    kind: Annotated[str | None, Field(description="Kind of frame; null for a payload alone.")]
    unique_id: str | None
    action: str | None
    violations: list[ViolationFound]
    deviations: list[DeviationFound]
    payload: Annotated[Any, Field(description="The payload as the system reads it; null if it is refused.")]
    answer: Annotated[
        list[Any] | None,
        Field(
            description="The CALLERROR that the system would send; null if it would send none. "
            "For a payload alone its message id is `payload`."
        ),
    ]


QUESTION_EXAMPLES: dict[str, Any] = {
    "frame_text": {
        "summary": "A frame as it is sent",
        "value": {
            "frame": '[2,"19223201","BootNotification",{"chargePointVendor":"VendorX"}]',
            "sender": "charge_point",
            "strict": False,
        },
    },
    "frame_array": {
        "summary": "A frame as a JSON array",
        "value": {"frame": [2, "19223202", "Heartbeat", {}], "sender": "charge_point"},
    },
    "raw_frame": {"summary": "A frame alone", "value": [2, "19223203", "Heartbeat", {}]},
    "payload": {
        "summary": "A payload alone",
        "value": {
            "action": "ChangeConfiguration",
            "direction": "request",
            "payload": {"key": "HeartbeatInterval", "value": "300"},
            "strict": True,
        },
    },
}
"""Bodies of a request to judge something, as OpenAPI shows them."""

FAMILY_WORDS: dict[Family, str] = {
    Family.FRAMES: "Messages and frames",
    Family.FIELDS: "Fields and values",
    Family.REFUSALS: "Messages that cannot be repaired",
    Family.LOGINS: "Handshakes",
    Family.TRANSACTIONS: "Transactions",
}
DIRECTION_WORDS: dict[Direction, str] = {
    "cp-to-csms": "CP → CSMS",
    "csms-to-cp": "CSMS → CP",
    "both": "CP ↔ CSMS",
}
