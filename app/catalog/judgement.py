"""Judges the frame or payload of a developer exactly as the running system would, without any effect."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from app.catalog.catalog import ProtocolCatalog
from app.catalog.definition import FieldDescription, Way
from app.catalog.schemas import DeviationFound, Judgement, Question, ViolationFound
from app.errors import FieldViolation, InvalidInput
from app.near_names import hint, near_names
from app.ocpp import Deviation, Link, Protocol, Refused, Send, Side, Violation

_OTHER_SIDE: dict[Side, Side] = {"charge_point": "central_system", "central_system": "charge_point"}
# A payload alone has no message id; the CALLERROR that answers it shows this one.
_PAYLOAD_UNIQUE_ID = "payload"


def judge(protocol: ProtocolCatalog, core: Protocol, question: Question) -> Judgement:
    """Judge a frame, or the payload of an action.

    Args:
        protocol: the protocol to judge by.
        core: the same protocol in the core.
        question: a frame, or an action and its payload.

    Raises:
        InvalidInput: both or neither are given, the action is unknown, or the text is not Unicode.
    """
    given = question.model_fields_set
    if "frame" in given and question.frame is not None:
        if surplus := given & {"action", "payload", "direction"}:
            raise _refusal(min(surplus), "not_beside_frame", "A frame has its own: give one or the other.")
        return _judge_frame(protocol, core, question)
    if not given & {"action", "payload"}:
        raise _refusal("frame", "missing", "Give a frame, or an action with its payload.")
    if "payload" not in given:
        raise _refusal("payload", "missing", "An action is judged with its payload.")
    if question.action is None:
        raise _refusal(
            "action", "missing", "A payload needs `action`, because it does not name its action itself."
        )
    if question.action not in protocol.actions:
        near = near_names(question.action, protocol.actions)
        raise _refusal("action", "unknown_action", f"There is no such action.{hint(near)}")
    return _judge_payload(protocol, core, question, question.action)


def _refusal(field: str, code: str, detail: str) -> InvalidInput:
    return InvalidInput([FieldViolation(f"/{field}", code, detail)])


def _judge_frame(protocol: ProtocolCatalog, core: Protocol, question: Question) -> Judgement:
    text = question.frame if isinstance(question.frame, str) else _json_text(question.frame, "frame")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # A WebSocket text message is UTF-8: half of a surrogate pair can never arrive.
        raise _refusal("frame", "not_unicode", "The text holds half of a surrogate pair.") from error
    verdict = core.check_frame(text, question.sender, question.strict)
    violations = verdict.violations
    if question.strict and verdict.kind == "call" and verdict.action and not violations:
        payload = _json_text(verdict.payload, "frame")
        violations = core.check_call(question.sender, verdict.action, payload).violations
    way: Way = "request" if verdict.kind == "call" else "response"
    return Judgement(
        verdict="unreadable" if verdict.kind == "unreadable" else _word(violations, verdict.deviations),
        kind=verdict.kind,
        unique_id=verdict.unique_id,
        action=verdict.action,
        violations=_shown_violations(protocol, violations, verdict.action, way),
        deviations=_shown_deviations(verdict.deviations),
        payload=None if violations else verdict.payload,
        answer=_call_error(core, text, _OTHER_SIDE[question.sender], question.strict),
    )


def _judge_payload(protocol: ProtocolCatalog, core: Protocol, question: Question, action: str) -> Judgement:
    text = _json_text(question.payload, "payload")
    described = protocol.messages_by_action[action].sender
    sender: Side = "central_system" if described == "central_system" else "charge_point"
    answer = None
    if question.direction == "request" and question.strict:
        # As before sending: by the rules across fields too.
        verdict = core.check_call(sender, action, text)
    else:
        verdict = core.check_payload(action, question.direction, text, question.strict)
    # A response is never answered, so only a wrong request gets a CALLERROR.
    if question.direction == "request" and verdict.violations:
        frame = f'[2,"{_PAYLOAD_UNIQUE_ID}","{action}",{text}]'
        answer = _call_error(core, frame, _OTHER_SIDE[sender], question.strict)
    return Judgement(
        verdict=_word(verdict.violations, verdict.deviations),
        kind=None,
        unique_id=None,
        action=action,
        violations=_shown_violations(protocol, verdict.violations, action, question.direction),
        deviations=_shown_deviations(verdict.deviations),
        payload=verdict.payload,
        answer=answer,
    )


def _json_text(value: Any, field: str) -> str:
    try:
        return json.dumps(value, separators=(",", ":"))
    except RecursionError as error:
        raise _refusal(field, "too_deep", "The JSON is nested too deeply.") from error


def _word(
    violations: Sequence[Violation], deviations: Sequence[Deviation]
) -> Literal["valid", "tolerated", "invalid"]:
    if violations:
        return "invalid"
    return "tolerated" if deviations else "valid"


def _call_error(core: Protocol, text: str, receiver: Side, strict: bool) -> list[Any] | None:
    """Return what the link of the receiver sends if it refuses the frame, as in a real session."""
    effects = Link(core, receiver, strict=strict).receive(text, 0.0)
    if not any(isinstance(effect, Refused) for effect in effects):
        return None
    sent = next((effect.text for effect in effects if isinstance(effect, Send)), None)
    if sent is None:
        return None
    answer: list[Any] = json.loads(sent)
    return answer


def _shown_deviations(deviations: Iterable[Deviation]) -> list[DeviationFound]:
    return [DeviationFound(kind=found.kind, pointer=found.pointer, raw=found.raw) for found in deviations]


def _shown_violations(
    protocol: ProtocolCatalog, violations: Iterable[Violation], action: str | None, way: Way
) -> list[ViolationFound]:
    return [
        ViolationFound(
            code=violation.code,
            pointer=violation.pointer,
            reason=violation.reason,
            detail=violation.detail,
            section=_section_of(protocol, action, way, _place_of_rule(violation)),
        )
        for violation in violations
    ]


def _place_of_rule(violation: Violation) -> str:
    """Return the pointer to the value whose definition has the broken rule.

    The definition of an object or a list says which members it needs, and how many.
    """
    of_parent = violation.reason in {"missing", "unknown_field", "too_few_items", "too_many_items"}
    return violation.pointer.rpartition("/")[0] if of_parent else violation.pointer


def _section_of(protocol: ProtocolCatalog, action: str | None, way: Way, pointer: str) -> str | None:
    """Find the section of the standard that describes a place in a payload; None if it is not known.

    The innermost named type on the way to the place decides, or else the message itself.
    """
    message = protocol.messages_by_action.get(action or "")
    if message is None or protocol.definition is None:
        return None
    types = protocol.definition.types
    sections = message.sections
    # OCPP 1.6 describes an operation in chapter 4 or 5, and its two payloads in chapter 6.
    # The whitepaper has its payloads in chapter 5.
    chapter = "S 5." if message.profile == "security" else "6."
    payloads = [section for section in sections if section.startswith(chapter)]
    section = payloads[0 if way == "request" else 1] if len(payloads) == 2 else sections[0]
    fields: tuple[FieldDescription, ...] = (message.request if way == "request" else message.response).fields
    for token in pointer.split("/")[1:]:
        field = next((field for field in fields if field.name == token), None)
        if field is not None and field.type in types:
            section, fields = types[field.type].section, types[field.type].fields or ()
    return section
