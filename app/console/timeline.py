"""Joins what happened at a charge point into one list: CALLs with their answers, commands, transactions.

Pure: the values come from the services of REST.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Literal

import orjson

from app.commands.records import CommandRecord
from app.frame_log.records import FrameRecord
from app.transactions.stored_records import TransactionRecord
from app.types import Json

EntryKind = Literal["call", "answer", "unreadable", "connection", "command", "transaction"]
FIELDS_SHOWN: Final = 200
"""Fields of one payload that a page lists. The frame itself is shown whole."""
_DEPTH: Final = 12


@dataclass(frozen=True, slots=True)
class ShownField:
    """One value of a payload. path: names and indexes; note: what the standard says of it, "" if nothing.

    repaired: what is known of a value that was not as the standard has it; "": nothing was repaired.
    """

    path: str
    value: str
    note: str
    repaired: str


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of the timeline.

    incoming: whether it came from the charge point; None: neither direction. title: the action, or the state
    of what it is about; detail: the essence of it; milliseconds: from the CALL to its answer, None: there is
    none on the page; repaired: codes of what was tolerated; address: of the page with more; key: unique.
    """

    at: datetime
    kind: EntryKind
    key: str
    title: str
    incoming: bool | None = None
    detail: str = ""
    message_id: str = ""
    milliseconds: float | None = None
    outcome: str = ""
    failed: bool = False
    fields: tuple[ShownField, ...] = ()
    answer_fields: tuple[ShownField, ...] = ()
    repaired: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    address: str = ""


class Notes:
    """The notes of the catalog on the fields of each message.

    Args:
        description: the definition of a version of OCPP, as `Protocol.describe` gives it.
    """

    def __init__(self, description: Json) -> None:
        self._messages = {message["action"]: message for message in description["messages"]}
        self._types: Json = description["types"]
        self._known: dict[tuple[str, str], dict[str, str]] = {}

    def of_payload(self, action: str, way: Literal["request", "response"]) -> dict[str, str]:
        """Return the notes of a payload by the path of the field, with `*` for the index of a list."""
        message = self._messages.get(action)
        if message is None:
            return {}
        if (action, way) not in self._known:
            self._known[action, way] = dict(self._walk(message[way]["fields"], "", 0))
        return self._known[action, way]

    def _walk(self, fields: Iterable[Json], before: str, depth: int) -> Iterator[tuple[str, str]]:
        for described in fields:
            path = f"{before}/{described['name']}" + ("/*" if described.get("many") else "")
            yield path, described["summary"]
            kind = self._types.get(described["type"], {})
            if depth < _DEPTH and kind.get("fields"):
                yield from self._walk(kind["fields"], path, depth + 1)


@dataclass(frozen=True, slots=True)
class _Frame:
    record: FrameRecord
    parts: Sequence[Any]

    @property
    def message_id(self) -> str:
        return str(self.parts[1])


def timeline(
    frames: Sequence[FrameRecord],
    commands: Iterable[CommandRecord],
    transactions: Iterable[TransactionRecord],
    notes: Notes,
) -> list[TimelineEntry]:
    """Return the entries of one page, the newest first.

    frames: the newest first; commands and transactions: of the same time.
    """
    entries = [*_exchanges(frames, notes), *_connections(frames)]
    entries += [_command_entry(command) for command in commands]
    for transaction in transactions:
        entries += _transaction_entries(transaction)
    # What happened at one moment is ordered by kind, so that a page is the same each time.
    return sorted(entries, key=lambda entry: (entry.at, entry.kind, entry.key), reverse=True)


def _exchanges(frames: Sequence[FrameRecord], notes: Notes) -> Iterator[TimelineEntry]:
    answers: dict[tuple[str, str, str], _Frame] = {}
    calls: list[_Frame] = []
    for record in frames:
        parts = _parts(record.text)
        if parts is None:
            yield TimelineEntry(
                record.at,
                "unreadable",
                f"frame-{record.id}",
                "unreadable frame",
                record.direction == "in",
                detail=record.text[:200],
                failed=True,
                repaired=_codes(record),
                texts=(record.text,),
            )
        elif parts[0] == 2:
            calls.append(_Frame(record, parts))
        else:
            answers[record.connection_id, record.direction, str(parts[1])] = _Frame(record, parts)
    for call in calls:
        other = "out" if call.record.direction == "in" else "in"
        answer = answers.pop((call.record.connection_id, other, call.message_id), None)
        yield _call_entry(call, answer, notes)
    for alone in answers.values():
        yield _answer_entry(alone)


def _call_entry(call: _Frame, answer: _Frame | None, notes: Notes) -> TimelineEntry:
    record, action = call.record, str(call.parts[2])
    payload = call.parts[3] if len(call.parts) > 3 else {}
    entry = TimelineEntry(
        at=record.at,
        kind="call",
        key=f"frame-{record.id}",
        title=action,
        incoming=record.direction == "in",
        detail=_essence(payload),
        message_id=call.message_id,
        fields=_fields(payload, notes.of_payload(action, "request"), record),
        repaired=_codes(record),
        texts=(record.text,),
    )
    if answer is None:
        return entry
    outcome, failed = _outcome(answer.parts)
    body = answer.parts[2] if answer.parts[0] == 3 and len(answer.parts) > 2 else {}
    return replace(
        entry,
        milliseconds=(answer.record.at - record.at).total_seconds() * 1000,
        outcome=outcome,
        failed=failed,
        answer_fields=_fields(body, notes.of_payload(action, "response"), answer.record),
        repaired=entry.repaired + _codes(answer.record),
        texts=(record.text, answer.record.text),
    )


def _answer_entry(answer: _Frame) -> TimelineEntry:
    record = answer.record
    outcome, failed = _outcome(answer.parts)
    return TimelineEntry(
        at=record.at,
        kind="answer",
        key=f"frame-{record.id}",
        title="answer",
        incoming=record.direction == "in",
        detail="Its CALL is not on this page.",
        message_id=answer.message_id,
        outcome=outcome,
        failed=failed,
        repaired=_codes(record),
        texts=(record.text,),
    )


def _connections(frames: Sequence[FrameRecord]) -> Iterator[TimelineEntry]:
    """Find where one connection follows another."""
    for newer, older in pairwise(frames):
        if newer.connection_id != older.connection_id:
            gap_s = (newer.at - older.at).total_seconds()
            detail = f"The last frame of the connection before came {gap_s:.1f} s earlier."
            yield TimelineEntry(
                newer.at, "connection", f"connection-{newer.id}", "new connection", None, detail=detail
            )


def _command_entry(command: CommandRecord) -> TimelineEntry:
    effect = command.effect or {}
    return TimelineEntry(
        at=command.created_at,
        kind="command",
        key=f"command-{command.id}",
        title=command.action,
        detail=f"by {command.issued_by}" + (f", effect {effect['observed']}" if "observed" in effect else ""),
        message_id=str(command.id),
        outcome=command.status or command.state,
        failed=command.state not in ("accepted", "waiting", "queued", "sent"),
        address=f"/v1/commands/{command.id}",
    )


def _transaction_entries(transaction: TransactionRecord) -> Iterator[TimelineEntry]:
    address = f"/v1/transactions/{transaction.id}"
    shared = f"connector {transaction.connector_id}, tag {transaction.id_tag}"
    yield TimelineEntry(
        at=transaction.started_received_at,
        kind="transaction",
        key=f"start-{transaction.id}",
        title=f"transaction {transaction.id} started",
        detail=shared,
        repaired=tuple(transaction.flags),
        address=address,
    )
    if transaction.stopped_received_at is not None:
        detail = shared
        if transaction.meter_start_wh is not None and transaction.meter_stop_wh is not None:
            energy_kwh = (transaction.meter_stop_wh - transaction.meter_start_wh) / 1000
            detail = f"{shared}, {energy_kwh:.3f} kWh, {transaction.stop_reason or 'Local'}"
        yield TimelineEntry(
            at=transaction.stopped_received_at,
            kind="transaction",
            key=f"stop-{transaction.id}",
            title=f"transaction {transaction.id} ended",
            detail=detail,
            address=address,
        )


def _parts(text: str) -> Sequence[Any] | None:
    """Return the members of a frame; None: it has not the form of one (OCPP-J 4.2)."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, list) or len(value) < 2 or value[0] not in (2, 3, 4):
        return None
    return None if value[0] == 2 and len(value) < 3 else value


def _outcome(parts: Sequence[Any]) -> tuple[str, bool]:
    """Return the essence of an answer, and whether it is a CALLERROR."""
    if parts[0] == 4:
        return (str(parts[2]) if len(parts) > 2 else "CALLERROR"), True
    body = parts[2] if len(parts) > 2 else {}
    if isinstance(body, dict):
        info = body.get("idTagInfo")
        status = body.get("status") or (info.get("status") if isinstance(info, dict) else None)
        return (str(status) if status is not None else "ok"), False
    return "ok", False


def _essence(payload: Any) -> str:
    """Return the single values of a payload in one line."""
    if not isinstance(payload, dict):
        return ""
    single = (f"{name} {value}" for name, value in payload.items() if isinstance(value, str | int | float))
    return ", ".join(single)[:200]


def _fields(payload: Any, notes: Mapping[str, str], record: FrameRecord) -> tuple[ShownField, ...]:
    repaired = {str(one.get("pointer", "")): _repair(one) for one in record.deviations or ()}
    found: list[ShownField] = []
    for path, general, value in _leaves(payload, "", "", 0):
        if len(found) == FIELDS_SHOWN:
            break
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        found.append(ShownField(path, text, notes.get(general, ""), repaired.get(path, "")))
    return tuple(found)


def _leaves(value: Any, path: str, general: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    """Go through the values of a payload, each with its path, and with `*` for indexes."""
    if isinstance(value, dict) and value and depth < _DEPTH:
        for name, member in value.items():
            yield from _leaves(member, f"{path}/{name}", f"{general}/{name}", depth + 1)
    elif isinstance(value, list) and value and depth < _DEPTH:
        for index, member in enumerate(value):
            yield from _leaves(member, f"{path}/{index}", f"{general}/*", depth + 1)
    elif path:
        yield path, general, value


def _repair(deviation: Json) -> str:
    raw = str(deviation.get("raw") or "")
    return str(deviation.get("kind", "")) + (f", came as {raw}" if raw else "")


def _codes(record: FrameRecord) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(one.get("kind", "")) for one in record.deviations or ()))
