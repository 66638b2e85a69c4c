"""Judging a developer's frame or payload exactly as the running system would, without any effect."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app import ocpp
from app.catalog.catalog import ProtocolCatalog
from app.catalog.definition import FieldDescription
from app.catalog.unknown_names import hint, near_names
from app.errors import FieldViolation, InvalidInput

Role = Literal["charge_point", "central_system"]
Way = Literal["request", "response"]
VerdictWord = Literal["valid", "tolerated", "invalid", "unreadable"]
_OTHER_ROLE: dict[Role, Role] = {"charge_point": "central_system", "central_system": "charge_point"}
# A bare payload has no message id; the CALLERROR that answers it shows this one.
_PAYLOAD_UNIQUE_ID = "payload"


class Question(BaseModel):
    """What is to be judged: a whole frame, or the payload of an action."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"oneOf": [{"required": ["frame"]}, {"required": ["action", "payload"]}]},
    )

    frame: Annotated[
        str | list[Any] | None,
        Field(description="An OCPP-J frame: the text as it stands on the wire, or the JSON array."),
    ] = None
    sender: Annotated[Role, Field(description="Who would send the frame.")] = "charge_point"
    action: Annotated[str | None, Field(description="Action of the payload, case-sensitive.")] = None
    direction: Annotated[Way, Field(description="Which payload of the action it is.")] = "request"
    payload: Annotated[Any, Field(description="The payload: any JSON value.")] = None
    strict: Annotated[
        bool,
        Field(
            description="Refuse what the system would mend, and apply the rules across fields, as it does to "
            "what it sends. By default what can be mended is tolerated and listed."
        ),
    ] = False


class ViolationFound(BaseModel):
    """One broken rule."""

    code: Annotated[str, Field(description="OCPP-J error code.")]
    pointer: Annotated[str, Field(description="JSON pointer to what is at fault.")]
    reason: Annotated[str, Field(description="Name of the rule.")]
    detail: str
    section: Annotated[str | None, Field(description="Section of the standard that sets the rule.")]


class DeviationFound(BaseModel):
    """One departure from the standard that the system mends or keeps raw."""

    kind: str
    pointer: str
    raw: str


class Judgement(BaseModel):
    """What the system says of it."""

    verdict: Annotated[
        VerdictWord,
        Field(
            description="valid: as the standard says. tolerated: accepted, with deviations. "
            "invalid: refused. unreadable: no frame at all."
        ),
    ]
    kind: Annotated[str | None, Field(description="Kind of frame; null for a bare payload.")]
    unique_id: str | None
    action: str | None
    violations: list[ViolationFound]
    deviations: list[DeviationFound]
    payload: Annotated[Any, Field(description="The payload as the system takes it; null when refused.")]
    answer: Annotated[
        list[Any] | None,
        Field(
            description="The CALLERROR the system would send; null when it would send none. "
            "For a bare payload its message id reads `payload`."
        ),
    ]


def judge(protocol: ProtocolCatalog, question: Question) -> Judgement:
    """Judge what was asked.

    Raises:
        InvalidInput: the question names neither or both, an unknown action, or text that is not Unicode.
    """
    given = question.model_fields_set
    if "frame" in given and question.frame is not None:
        if beside := given & {"action", "payload", "direction"}:
            raise _refusal(min(beside), "not_beside_frame", "A frame carries its own; give one or the other.")
        return _judge_frame(protocol, question)
    if not given & {"action", "payload"}:
        raise _refusal("frame", "missing", "Give a frame, or an action with its payload.")
    if "payload" not in given:
        raise _refusal("payload", "missing", "An action is judged with its payload.")
    if question.action is None:
        raise _refusal("action", "missing", "A payload needs its action.")
    if question.action not in protocol.actions:
        near = near_names(question.action, protocol.actions)
        raise _refusal("action", "unknown_action", f"There is no such action.{hint(near)}")
    return _judge_payload(protocol, question, question.action)


def _refusal(field: str, code: str, detail: str) -> InvalidInput:
    return InvalidInput([FieldViolation(f"/{field}", code, detail)])


def _judge_frame(protocol: ProtocolCatalog, question: Question) -> Judgement:
    text = question.frame if isinstance(question.frame, str) else _json_text(question.frame, "frame")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # A WebSocket text message is UTF-8: half a surrogate pair can never arrive.
        raise _refusal("frame", "not_unicode", "The text holds half of a surrogate pair.") from error
    verdict = ocpp.check_frame(text, question.sender, question.strict)
    broken = verdict.violations
    if question.strict and verdict.kind == "call" and verdict.action and not broken:
        broken = ocpp.check_call(
            question.sender, verdict.action, _json_text(verdict.payload, "frame")
        ).violations
    way: Way = "request" if verdict.kind == "call" else "response"
    return Judgement(
        verdict="unreadable" if verdict.kind == "unreadable" else _word(broken, verdict.deviations),
        kind=verdict.kind,
        unique_id=verdict.unique_id,
        action=verdict.action,
        violations=_violations(protocol, broken, verdict.action, way),
        deviations=_deviations(verdict.deviations),
        payload=None if broken else verdict.payload,
        answer=_call_error(text, _OTHER_ROLE[question.sender], question.strict),
    )


def _judge_payload(protocol: ProtocolCatalog, question: Question, action: str) -> Judgement:
    text = _json_text(question.payload, "payload")
    said = protocol.messages_by_action[action].sender
    sender: Role = "central_system" if said == "central_system" else "charge_point"
    answer = None
    if question.direction == "request" and question.strict:
        # As before sending: with the rules across fields.
        verdict = ocpp.check_call(sender, action, text)
    else:
        verdict = ocpp.check_payload(action, question.direction, text, question.strict)
    # A response is never answered, so only a bad request draws a CALLERROR.
    if question.direction == "request" and verdict.violations:
        frame = f'[2,"{_PAYLOAD_UNIQUE_ID}","{action}",{text}]'
        answer = _call_error(frame, _OTHER_ROLE[sender], question.strict)
    return Judgement(
        verdict=_word(verdict.violations, verdict.deviations),
        kind=None,
        unique_id=None,
        action=action,
        violations=_violations(protocol, verdict.violations, action, question.direction),
        deviations=_deviations(verdict.deviations),
        payload=verdict.payload,
        answer=answer,
    )


def _json_text(value: Any, field: str) -> str:
    try:
        return json.dumps(value, separators=(",", ":"))
    except RecursionError as error:
        raise _refusal(field, "too_deep", "The JSON is nested too deeply.") from error


def _word(broken: Sequence[ocpp.Violation], mended: Sequence[ocpp.Deviation]) -> VerdictWord:
    if broken:
        return "invalid"
    return "tolerated" if mended else "valid"


def _call_error(text: str, receiver: Role, strict: bool) -> list[Any] | None:
    """What the link of the receiver sends back when it refuses the frame: the very code of a live session."""
    effects = ocpp.Link(receiver, strict=strict).receive(text, 0.0)
    if not any(isinstance(effect, ocpp.Refused) for effect in effects):
        return None
    sent = next((effect.text for effect in effects if isinstance(effect, ocpp.Send)), None)
    if sent is None:
        return None
    answer: list[Any] = json.loads(sent)
    return answer


def _deviations(mended: Iterable[ocpp.Deviation]) -> list[DeviationFound]:
    return [DeviationFound(kind=found.kind, pointer=found.pointer, raw=found.raw) for found in mended]


def _violations(
    protocol: ProtocolCatalog, broken: Iterable[ocpp.Violation], action: str | None, way: Way
) -> list[ViolationFound]:
    return [
        ViolationFound(
            code=violation.code,
            pointer=violation.pointer,
            reason=violation.reason,
            detail=violation.detail,
            section=section_of(protocol, action, way, _place(violation)),
        )
        for violation in broken
    ]


def _place(violation: ocpp.Violation) -> str:
    """Where the rule is written: that a member must be there, and how often, is said of what holds it."""
    of_holder = violation.reason in {"missing", "unknown_field", "too_few_items", "too_many_items"}
    return violation.pointer.rpartition("/")[0] if of_holder else violation.pointer


def section_of(protocol: ProtocolCatalog, action: str | None, way: Way, pointer: str) -> str | None:
    """The section of the standard that describes what the pointer leads to; None when it is not known.

    pointer: into the payload. The innermost named type on the way decides, else the message itself.
    """
    message = protocol.messages_by_action.get(action or "")
    if message is None or protocol.definition is None:
        return None
    types = protocol.definition.types
    sections = message.sections
    # OCPP 1.6 describes an operation in chapter 4 or 5, and its two payloads side by side in chapter 6.
    payloads = [section for section in sections if section.startswith("6.")]
    section = payloads[0 if way == "request" else 1] if len(payloads) == 2 else sections[0]
    fields: tuple[FieldDescription, ...] = (message.request if way == "request" else message.response).fields
    for token in pointer.split("/")[1:]:
        field = next((field for field in fields if field.name == token), None)
        if field is not None and field.type in types:
            section, fields = types[field.type].section, types[field.type].fields or ()
    return section
