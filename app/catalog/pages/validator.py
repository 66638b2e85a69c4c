"""Prepares a judgement for the page of the validator: findings at their places, repaired form, answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from app.catalog.catalog import ProtocolCatalog
from app.catalog.definition import MessageDescription
from app.catalog.judgement import judge
from app.catalog.pages.marking import Layout, MarkedLine, lay_out
from app.catalog.schemas import Judgement, Question, ViolationFound
from app.errors import FieldViolation, InvalidInput
from app.ocpp import Protocol

PERMALINK_LIMIT: Final = 4096
"""Characters of a permalink. Proxies and mail clients cut longer ones."""
_EXAMPLES: Final = (
    "missing_value",
    "not_an_array",
    "too_few_items",
    "unknown_value",
    "bad_date_time",
    "action_spelling",
    "unique_id_numeric",
    "duplicate_field",
    "cut_off",
    "call_refused",
)
"""Deviations that people have asked about in public, by their codes in the dictionary."""
_PAYLOAD_PLACE: Final = {"call": 3, "call_result": 2, "call_error": 4}


@dataclass(frozen=True, slots=True)
class Form:
    """The input of a person. action: of a payload; empty if the text is a frame."""

    text: str = ""
    action: str = ""
    direction: str = "request"
    sender: str = "charge_point"
    strict: bool = False

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> "Form":
        """Read the fields of a form or of a permalink. Others are left aside, as on every page."""
        return cls(
            # Browsers send the lines of a text area with a carriage return.
            text=fields.get("text", "").replace("\r\n", "\n"),
            action=fields.get("action", ""),
            direction="response" if fields.get("direction") == "response" else "request",
            sender="central_system" if fields.get("sender") == "central_system" else "charge_point",
            strict=fields.get("strict", "") not in ("", "false"),
        )

    def permalink(self, path: str) -> str | None:
        """Return the link to the page with this form filled in; None if it is too long."""
        fields = {"text": self.text, "sender": self.sender}
        if self.action:
            fields = {"text": self.text, "action": self.action, "direction": self.direction}
        if self.strict:
            fields["strict"] = "true"
        link = f"{path}?{urlencode(fields)}"
        return link if len(link) <= PERMALINK_LIMIT else None

    def question(self) -> Question:
        """Return the question to be judged.

        Raises:
            InvalidInput: a payload is not JSON.
        """
        if not self.action:
            return Question.model_validate({"frame": self.text, "sender": self.sender, "strict": self.strict})
        try:
            payload = json.loads(self.text)
        except (ValueError, RecursionError):
            raise InvalidInput([FieldViolation("/text", "not_json", "is not JSON")]) from None
        return Question.model_validate(
            {
                "action": self.action,
                "direction": self.direction,
                "payload": payload,
                "strict": self.strict,
            }
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule, or one deviation that is repaired. number: of its marks on the page.

    code: of OCPP-J for a broken rule, of the dictionary for a deviation; section: of the standard.
    """

    number: int
    is_broken: bool
    code: str
    pointer: str
    text: str
    section: str | None = None
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that the page shows of a judgement.

    sent: the text as lines; read: the form after the repair, None if there is none; answer: the frame that
    this server would send, None for none; answer_note: what is to be known of the answer.
    """

    judgement: Judgement
    findings: tuple[Finding, ...]
    sent: Layout
    read: Layout | None
    answer: list[Any] | None
    answer_note: str


@dataclass(frozen=True, slots=True)
class Example:
    """A frame to try. title: what is wrong with it."""

    title: str
    href: str


def examples(catalog: ProtocolCatalog, path: str) -> tuple[Example, ...]:
    """Return the frames of the dictionary that the page offers. path: of the page."""
    entries = {entry.code: entry for entry in catalog.deviations}
    offered = []
    for code in _EXAMPLES:
        entry = entries.get(code)
        if entry is not None and entry.example:
            link = Form(text=entry.example[0]).permalink(path)
            if link is not None:
                offered.append(Example(entry.seen, link))
    return tuple(offered)


def examine(catalog: ProtocolCatalog, core: Protocol, form: Form) -> Result:
    """Judge what was typed in.

    Raises:
        InvalidInput: it cannot be judged, such as a payload of an unknown action.
    """
    judgement = judge(catalog, core, form.question())
    findings = _findings(catalog, judgement)
    value, is_json = _parsed(form.text)
    place = _PAYLOAD_PLACE.get(judgement.kind or "")
    marks = _marks(findings, "" if place is None else f"/{place}")
    sent = lay_out(value, marks) if is_json else _text_layout(form.text, judgement, findings)
    message = _message(catalog, judgement)
    answer, note = _answer(form, judgement, message)
    repaired = _repaired(judgement, message, value if is_json else None)
    return Result(
        judgement,
        findings,
        sent,
        None if repaired is None else lay_out(repaired, {} if is_json else marks),
        answer,
        note,
    )


def _parsed(text: str) -> tuple[Any, bool]:
    """Return the value of a text, and whether it is JSON that can be laid out."""
    try:
        value = json.loads(text)
        lay_out(value, {})
    except (ValueError, RecursionError):
        return None, False
    return value, True


def _findings(catalog: ProtocolCatalog, judgement: Judgement) -> tuple[Finding, ...]:
    entries = {entry.code: entry for entry in catalog.deviations}
    broken = [_broken(number, found) for number, found in enumerate(judgement.violations, 1)]
    repaired = []
    for number, found in enumerate(judgement.deviations, len(broken) + 1):
        entry = entries.get(found.kind)
        text = found.kind.replace("_", " ") if entry is None else f"{entry.seen} {entry.handling}"
        section = None if entry is None else entry.section
        href = None if entry is None else f"{catalog.page}/deviations#{found.kind}"
        repaired.append(Finding(number, False, found.kind, found.pointer, text, section, href))
    return (*broken, *repaired)


def _broken(number: int, found: ViolationFound) -> Finding:
    return Finding(number, True, found.code, found.pointer, found.detail, found.section)


def _marks(findings: tuple[Finding, ...], root: str) -> dict[str, list[int]]:
    """Return the numbers by pointer into the whole text. root: of the payload; empty for a payload alone."""
    marks: dict[str, list[int]] = {}
    for finding in findings:
        pointer = f"{root}{finding.pointer}" if finding.pointer else ""
        marks.setdefault(pointer, []).append(finding.number)
    return marks


def _text_layout(text: str, judgement: Judgement, findings: tuple[Finding, ...]) -> Layout:
    """Lay out a text that is not JSON: each line with the findings whose raw piece ends on it."""
    numbers: dict[int, list[int]] = {}
    of_deviations = [finding for finding in findings if not finding.is_broken]
    for finding, found in zip(of_deviations, judgement.deviations, strict=True):
        start = text.find(found.raw)
        # The piece ends with the fault.
        end = start + len(found.raw) if found.raw and start >= 0 else 0
        numbers.setdefault(text.count("\n", 0, end), []).append(finding.number)
    for finding in findings:
        if finding.is_broken:
            numbers.setdefault(0, []).append(finding.number)
    lines = [
        MarkedLine(line, tuple(sorted(numbers.get(place, ())))) for place, line in enumerate(text.split("\n"))
    ]
    return Layout(tuple(lines), False)


def _message(catalog: ProtocolCatalog, judgement: Judgement) -> MessageDescription | None:
    """Return the message of the judged action, in whatever case it is written."""
    spelt = (judgement.action or "").casefold()
    return next(
        (found for action, found in catalog.messages_by_action.items() if action.casefold() == spelt), None
    )


def _repaired(judgement: Judgement, message: MessageDescription | None, sent: Any) -> Any:
    """Return the form after the repair; None if the text is refused, or needs none."""
    if judgement.violations or not judgement.deviations:
        return None
    if judgement.kind is None:
        return judgement.payload
    if judgement.kind == "call":
        action = judgement.action if message is None else message.action
        return [2, judgement.unique_id, action, judgement.payload]
    if judgement.kind == "call_result":
        return [3, judgement.unique_id, judgement.payload]
    return sent


def _answer(
    form: Form, judgement: Judgement, message: MessageDescription | None
) -> tuple[list[Any] | None, str]:
    """Return the frame that answers, and what is to be known of it."""
    if judgement.answer is not None:
        return judgement.answer, "The message is refused with this CALLERROR."
    if judgement.verdict == "unreadable":
        return None, "Nothing is answered, because no message id can be read."
    if judgement.kind not in (None, "call") or form.direction == "response":
        return None, "Nothing is answered: it is an answer itself."
    if judgement.violations or message is None:
        return None, "Nothing is answered."
    answer = [3, judgement.unique_id or "…", message.examples.response]
    if form.sender == "central_system" or message.sender == "central_system":
        return answer, "The charge point answers with a CALLRESULT such as this one."
    treatment = message.central_system
    effect = "" if treatment is None else f" {treatment.effect}"
    return answer, f"A CALLRESULT such as this one.{effect}"
