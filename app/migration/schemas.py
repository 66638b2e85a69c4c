"""Shapes of the answers: differences, the mapping, and translations. The pages have the same values."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.catalog.definition import Way
from app.catalog.schemas import DeviationFound, Served
from app.migration.records import (
    EnumerationMapping,
    FaultMapping,
    KeyMapping,
    MessageMapping,
    ObjectMapping,
    Overview,
)


class FieldDifference(Served):
    """One difference of a field."""

    direction: Way
    path: Annotated[str, Field(description="Path in the payload; `[]` behind a list.")]
    change: Annotated[
        Literal["added", "removed", "retyped", "relaxed", "tightened", "values"],
        Field(
            description="relaxed: what was valid stays valid. tightened: what was valid may not be. "
            "values: the values of an enumeration differ."
        ),
    ]
    detail: str


class MessageDifference(Served):
    """The differences of a message that both versions have."""

    action: str
    changes: tuple[FieldDifference, ...]


class DifferenceCounts(Served):
    """How many messages differ."""

    added: int
    removed: int
    changed: int
    same: int


class ProtocolDifferences(Served):
    """The differences between two versions, from the first to the second."""

    protocol: str
    other: str
    counts: DifferenceCounts
    added: Annotated[tuple[str, ...], Field(description="Messages that only the other version has.")]
    removed: Annotated[tuple[str, ...], Field(description="Messages that only this version has.")]
    changed: tuple[MessageDifference, ...]
    same: Annotated[tuple[str, ...], Field(description="Messages without a difference.")]


class MigrationMap(Served):
    """Each message, field, value, key and code of OCPP 1.6 with its counterpart in OCPP 2.0.1."""

    protocol: str
    other: str
    overview: Annotated[Overview, Field(description="The drivers first, in the words of the page.")]
    messages: dict[str, MessageMapping]
    types: dict[str, ObjectMapping]
    enumerations: dict[str, EnumerationMapping]
    configuration_keys: dict[str, KeyMapping]
    faults: Annotated[dict[str, FaultMapping], Field(description="By ChargePointErrorCode.")]
    error_codes: Annotated[dict[str, str], Field(description="Of a CALLERROR.")]
    security_events: dict[str, str]
    only_new: Annotated[tuple[str, ...], Field(description="Messages of 2.0.1 without a counterpart.")]


class TranslationQuestion(BaseModel):
    """A frame of OCPP 1.6, or the payload of an action, to be translated."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"oneOf": [{"required": ["frame"]}, {"required": ["action", "payload"]}]},
    )

    frame: Annotated[
        str | list[Any] | None,
        Field(
            description="An OCPP-J frame: the text as it is sent, or the JSON array. Either side may send it."
        ),
    ] = None
    action: Annotated[
        str | None, Field(description="Action of the payload, or of the CALL that a CALLRESULT answers.")
    ] = None
    direction: Annotated[Way, Field(description="Whether the payload is a request or a response.")] = (
        "request"
    )
    payload: Annotated[Any, Field(description="The payload: a JSON object.")] = None


class LossFound(BaseModel):
    """Something that the messages of 2.0.1 do not say. pointer: into the payload of 1.6; empty: the whole."""

    pointer: str
    why: str


class InventionFound(BaseModel):
    """A value that was made up. message: its place in `messages`, from 0; pointer: into its payload."""

    message: int
    pointer: str
    value: Any
    why: str


class NeedFound(BaseModel):
    """State that one frame does not have."""

    what: str
    why: str


class MessageFound(BaseModel):
    """One message of OCPP 2.0.1."""

    action: str
    direction: Way
    payload: dict[str, Any]
    frame: Annotated[list[Any] | None, Field(description="The frame; null for a payload alone.")]
    valid: Annotated[bool, Field(description="Whether the definition of OCPP 2.0.1 accepts it.")]
    faults: Annotated[
        list[LossFound], Field(description="What it does not accept, such as a text that is too long.")
    ]


class TranslationFound(BaseModel):
    """The messages of 2.0.1 for a frame of 1.6, and what differs."""

    action: Annotated[str | None, Field(description="Action of 1.6; null for a CALLERROR.")]
    direction: Literal["request", "response", "error"]
    messages: list[MessageFound]
    error: Annotated[list[Any] | None, Field(description="The CALLERROR of 2.0.1, if a CALLERROR was given.")]
    lost: list[LossFound]
    invented: list[InventionFound]
    needs: Annotated[list[NeedFound], Field(description="State that one frame does not have.")]
    impossible: Annotated[list[str], Field(description="Why there is no message.")]
    deviations: Annotated[list[DeviationFound], Field(description="What was repaired before.")]


TRANSLATION_EXAMPLES: dict[str, Any] = {
    "call": {
        "summary": "A CALL of a charge point",
        "value": {
            "frame": [
                2,
                "19223201",
                "StatusNotification",
                {"connectorId": 1, "errorCode": "GroundFailure", "status": "Faulted"},
            ]
        },
    },
    "call_result": {
        "summary": "A CALLRESULT, with the action that it answers",
        "value": {
            "frame": '[3,"19223202",{"idTagInfo":{"status":"Accepted"},"transactionId":4711}]',
            "action": "StartTransaction",
        },
    },
    "payload": {
        "summary": "A payload alone",
        "value": {"action": "Reset", "payload": {"type": "Soft"}},
    },
}
"""Bodies of a request to translate something, as OpenAPI shows them."""
