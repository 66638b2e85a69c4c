"""Compares what charge points know with what is stored. Pure functions: `stored.py` reads the database."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.faults.ledger import Ledger, Message


class Kind(StrEnum):
    """The ways in which a record can be wrong."""

    LOST = "lost"
    """It was answered, and is not stored."""
    DOUBLED = "doubled"
    """It is stored more than once."""
    CHANGED = "changed"
    """It is stored otherwise than it was sent, or a later answer differs from the first one."""
    INVENTED = "invented"
    """It is stored, and no charge point sent it."""
    REFUSED = "refused"
    """A CALLERROR that does not say "try again" (InternalError), or a login that was refused for good."""


@dataclass(frozen=True)
class Record:
    """The billed part of a message. moment: its time, which no other message of the charge point has."""

    action: str
    moment: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong. text: the record, for people."""

    kind: Kind
    identity: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """The result: counts of messages, tries and records, and what is wrong."""

    sent: int
    tries: int
    answered: int
    stored: int
    findings: tuple[Finding, ...]

    def count(self, kind: Kind) -> int:
        """Return how many findings are of a kind."""
        return sum(finding.kind is kind for finding in self.findings)

    @staticmethod
    def of_all(parts: Iterable["Verdict"]) -> "Verdict":
        """Add up the verdicts of several charge points."""
        listed = list(parts)
        return Verdict(
            sent=sum(part.sent for part in listed),
            tries=sum(part.tries for part in listed),
            answered=sum(part.answered for part in listed),
            stored=sum(part.stored for part in listed),
            findings=tuple(finding for part in listed for finding in part.findings),
        )


def judge(ledger: Ledger, stored: Sequence[Record]) -> Verdict:
    """Judge one charge point. stored: all its records, in any order.

    A message without an answer may be stored or not, but not twice and not otherwise than it was sent.
    """
    found: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in stored:
        found[record.action, record.moment].append(record)
    findings: list[Finding] = []
    messages = list(ledger)
    for message in messages:
        record = _record_of(message)
        copies = found.pop((record.action, record.moment), [])
        findings += (
            Finding(kind, ledger.identity, f"{record}, stored: {copies}") for kind in _wrong(message, copies)
        )
    for copies in found.values():
        findings += (Finding(Kind.INVENTED, ledger.identity, str(record)) for record in copies)
    for status in ledger.refused_logins:
        findings.append(Finding(Kind.REFUSED, ledger.identity, f"a login: HTTP {status}"))
    return Verdict(
        sent=len(messages),
        tries=sum(len(message.unique_ids) for message in messages),
        answered=sum(bool(message.answers) for message in messages),
        stored=len(stored),
        findings=tuple(findings),
    )


def _wrong(message: Message, copies: list[Record]) -> list[Kind]:
    """Return what is wrong with a message and its stored copies."""
    wrong = []
    if message.answers and not copies:
        wrong.append(Kind.LOST)
    if len(copies) > 1:
        wrong.append(Kind.DOUBLED)
    content = _record_of(message).content
    differs = any(copy.content != {**copy.content, **content} for copy in copies)
    if differs or any(answer != message.answers[0] for answer in message.answers):
        wrong.append(Kind.CHANGED)
    if any(error != "InternalError" for error in message.errors):
        wrong.append(Kind.REFUSED)
    return wrong


def _record_of(message: Message) -> Record:
    """Return what has to be stored of a message. The id of a start is known once that is answered."""
    payload = message.payload
    match message.action:
        case "StartTransaction":
            content = {name: payload[name] for name in ("connectorId", "idTag", "meterStart")}
            if message.answers:
                content["transactionId"] = message.answers[0]["transactionId"]
        case "StopTransaction":
            content = {name: payload[name] for name in ("transactionId", "meterStop", "reason")}
        case _:
            (element,) = payload["meterValue"]
            content = {name: payload[name] for name in ("connectorId", "transactionId")}
            return Record(
                message.action, element["timestamp"], {**content, "samples": element["sampledValue"]}
            )
    return Record(message.action, payload["timestamp"], content)
