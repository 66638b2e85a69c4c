"""Reads a frame of OCPP 1.6 as the running system would, translates it, and judges it by OCPP 2.0.1."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from app.catalog.definition import Way
from app.catalog.schemas import DeviationFound
from app.clock import Clock
from app.errors import FieldViolation, InvalidInput
from app.migration.records import Mapping16To201
from app.migration.rules.draft import Draft, TranslatedMessage
from app.migration.rules.translate import translate
from app.migration.schemas import (
    InventionFound,
    LossFound,
    MessageFound,
    NeedFound,
    TranslationFound,
    TranslationQuestion,
)
from app.near_names import hint, near_names
from app.ocpp import Deviation, FrameVerdict, Protocol, Side, Violation, messages_of

_LONGEST_ID = 36
_CALL, _CALL_RESULT = 2, 3


@dataclass(frozen=True, slots=True)
class _Read:
    """A question, judged by 1.6. unique_id: None for a payload alone."""

    action: str
    way: Way
    payload: dict[str, Any]
    deviations: list[Deviation]
    unique_id: str | None


class FrameTranslator:
    """Translates frames and payloads.

    Args:
        old: OCPP 1.6.
        new: OCPP 2.0.1.
        mapping: from one to the other.
        clock: for fields that need a time and have none.
    """

    def __init__(self, old: Protocol, new: Protocol, mapping: Mapping16To201, clock: Clock) -> None:
        self._old = old
        self._new = new
        self._mapping = mapping
        self._clock = clock
        sides: tuple[Side, ...] = get_args(Side)
        self._actions = list(
            dict.fromkeys(message["action"] for side in sides for message in messages_of(old, side))
        )

    def answer(self, question: TranslationQuestion) -> TranslationFound:
        """Translate a frame or a payload.

        Raises:
            InvalidInput: both or neither are given, the action is not known, or 1.6 refuses the input.
        """
        given = question.model_fields_set
        if question.frame is None:
            return self._translated(self._read_payload(question))
        if surplus := given & {"payload", "direction"}:
            raise _refusal(min(surplus), "not_beside_frame", "A frame has its own: give one or the other.")
        text = _frame_text(question.frame)
        verdict = self._verdict(text)
        if verdict.kind == "call_error":
            return self._translated_error(text)
        return self._translated(self._read_frame(verdict, question.action))

    def _verdict(self, text: str) -> FrameVerdict:
        sides: tuple[Side, ...] = get_args(Side)
        verdicts = [self._old.check_frame(text, side) for side in sides]
        return min(verdicts, key=lambda verdict: len(verdict.violations))

    def _read_frame(self, verdict: FrameVerdict, action: str | None) -> _Read:
        if verdict.violations or verdict.kind == "unreadable":
            raise _not_16("/frame", verdict.violations)
        if verdict.kind == "call":
            if action is not None:
                raise _refusal("action", "not_beside_frame", "A CALL names its action itself.")
            # The running system keeps a bill that lacks fields. There is nothing to translate.
            read = self._judged(
                str(verdict.action), "request", verdict.payload or {}, "frame", verdict.unique_id
            )
            return replace(read, deviations=verdict.deviations)
        named = self._known(action, "A CALLRESULT does not name its action: give that of its CALL.")
        return self._judged(named, "response", verdict.payload, "frame", verdict.unique_id)

    def _read_payload(self, question: TranslationQuestion) -> _Read:
        if not question.model_fields_set & {"action", "payload"}:
            raise _refusal("frame", "missing", "Give a frame, or an action with its payload.")
        action = self._known(question.action, "A payload does not name its action.")
        if "payload" not in question.model_fields_set:
            raise _refusal("payload", "missing", "An action is translated with its payload.")
        return self._judged(action, question.direction, question.payload, "payload", None)

    def _known(self, action: str | None, missing: str) -> str:
        if action is None:
            raise _refusal("action", "missing", missing)
        if action not in self._actions:
            near = hint(near_names(action, self._actions))
            raise _refusal("action", "unknown_action", f"There is no such action.{near}")
        return action

    def _judged(self, action: str, way: Way, payload: Any, field: str, unique_id: str | None) -> _Read:
        verdict = self._old.check_payload(action, way, _json_text(payload, field), False)
        if verdict.payload is None:
            raise _not_16(f"/{field}", verdict.violations)
        return _Read(action, way, verdict.payload, verdict.deviations, unique_id)

    def _translated(self, read: _Read) -> TranslationFound:
        draft = translate(self._mapping, read.action, read.way, read.payload, self._clock.now())
        shown = [self._shown(message, place, read) for place, message in enumerate(draft.messages)]
        impossible = [
            f"{message.action}{fault.pointer}: {fault.why}" for message in shown for fault in message.faults
        ]
        return _report(draft, read, shown, impossible)

    def _shown(self, message: TranslatedMessage, place: int, read: _Read) -> MessageFound:
        verdict = self._new.check_payload(message.action, message.way, json.dumps(message.payload))
        faults = [LossFound(pointer=found.pointer, why=found.detail) for found in verdict.violations]
        return MessageFound(
            action=message.action,
            direction=message.way,
            payload=message.payload,
            frame=_frame(message, read.unique_id, place),
            valid=not faults,
            faults=faults,
        )

    def _translated_error(self, text: str) -> TranslationFound:
        try:
            parts: list[Any] = json.loads(text)
        except ValueError as error:
            raise _refusal("frame", "unreadable", "A number has too many digits.") from error
        try:
            # What is shown is what was given: an escape may be half of a pair, too.
            json.dumps(parts, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise _not_unicode() from error
        code = self._mapping.error_codes.get(str(parts[2]), parts[2])
        return TranslationFound(
            action=None,
            direction="error",
            messages=[],
            error=[*parts[:2], code, *parts[3:]],
            lost=[],
            invented=[],
            needs=[],
            impossible=[],
            deviations=[],
        )


def _report(draft: Draft, read: _Read, shown: list[MessageFound], impossible: list[str]) -> TranslationFound:
    return TranslationFound(
        action=read.action,
        direction=read.way,
        messages=shown,
        error=None,
        lost=[LossFound(**asdict(loss)) for loss in draft.lost],
        invented=[InventionFound(**asdict(found)) for found in draft.invented],
        needs=[NeedFound(**asdict(need)) for need in draft.needs],
        impossible=[*draft.impossible, *impossible],
        deviations=[
            DeviationFound(kind=found.kind, pointer=found.pointer, raw=found.raw) for found in read.deviations
        ],
    )


def _frame(message: TranslatedMessage, unique_id: str | None, place: int) -> list[Any] | None:
    """Return the frame of a message. A second one gets an id of its own."""
    if unique_id is None:
        return None
    if message.way == "response":
        return [_CALL_RESULT, unique_id, message.payload]
    suffix = f"-{place + 1}" if place else ""
    identity = unique_id[: _LONGEST_ID - len(suffix)] + suffix
    return [_CALL, identity, message.action, message.payload]


def _refusal(field: str, code: str, detail: str) -> InvalidInput:
    return InvalidInput([FieldViolation(f"/{field}", code, detail)])


def _not_16(field: str, violations: Iterable[Violation]) -> InvalidInput:
    """Make the refusal of what 1.6 does not allow: it must be repaired first."""
    found = [
        FieldViolation(field, violation.reason, f"{violation.pointer}: {violation.detail}".removeprefix(": "))
        for violation in violations
    ]
    return InvalidInput(found or [FieldViolation(field, "unreadable", "It is not a frame of OCPP-J.")])


def _frame_text(frame: str | list[Any]) -> str:
    """Return a frame as text without a byte order mark.

    Raises:
        InvalidInput: a text in it is not Unicode.
    """
    text = frame.removeprefix("\ufeff") if isinstance(frame, str) else _json_text(frame, "frame")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _not_unicode() from error
    return text


def _not_unicode() -> InvalidInput:
    return _refusal("frame", "not_unicode", "The text holds half of a surrogate pair.")


def _json_text(value: Any, field: str) -> str:
    try:
        return json.dumps(value, separators=(",", ":"))
    except RecursionError as error:
        raise _refusal(field, "too_deep", "The JSON is nested too deeply.") from error
