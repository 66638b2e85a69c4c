"""Transactions: the list, and each one with its values over time, its flags and its evidence."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query, Request
from pydantic import ValidationError
from starlette.responses import Response, StreamingResponse

from app.console.access import ConsoleRoute, Operator, Viewer, field_of, go_to
from app.console.rendering import HEADERS, ROOT, page, query_text
from app.console.transactions import Place, TransactionScreen, meter_rows
from app.errors import AppError, Conflict, FieldViolation, InvalidInput
from app.spreadsheets import CSV_TYPE, protected_line
from app.transactions.schemas import TransactionEnd, transaction_fields
from app.transactions.stored_records import TransactionFilter, TransactionRecord
from app.users.records import SignedIn
from app.web.inputs import TransactionIdPath
from app.web.pagination import NumberedMoment, decode_cursor, encode_cursor
from app.web.problems import body_errors
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/transactions", route_class=ConsoleRoute)

_Screen = Annotated[TransactionScreen, Depends(provided(TransactionScreen))]
_PAGE_SIZE: Final = 50
_EXPORT_LIMIT: Final = 5000
_VALUES_LIMIT: Final = 20_000
_LAST_YEAR: Final = 9000
_REGISTER: Final = re.compile(r"\d{1,20}", re.ASCII)
_STATES: Final[dict[str, bool | None]] = {"": None, "running": True, "ended": False}
_COLUMNS: Final = (
    *("id", "charge_point", "connector_id", "id_tag", "started_at", "stopped_at", "state"),
    *("meter_start_wh", "meter_stop_wh", "energy_wh", "stop_reason", "flags"),
)
_Text = Annotated[str, Query(max_length=255, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class TransactionScreenQuery:
    """The parameters that narrow the list. cursor: where the page before ended."""

    charge_point: _Text = ""
    id_tag: _Text = ""
    state: _Text = ""
    since: _Text = ""
    until: _Text = ""
    cursor: Annotated[str, Query(max_length=400)] = ""

    def filters(self) -> TransactionFilter:
        """Return the filter that the service understands.

        Raises:
            InvalidInput: a state or a day is not one.
        """
        if self.state not in _STATES:
            raise InvalidInput([FieldViolation("state", "unknown_value", "is not running or ended")])
        last = _day("until", self.until)
        return TransactionFilter(
            identity=self.charge_point.strip() or None,
            id_tag=self.id_tag.strip() or None,
            open=_STATES[self.state],
            from_at=_day("since", self.since),
            to_at=None if last is None else last + timedelta(days=1),
        )

    def values(self) -> dict[str, str]:
        """Return the parameters that narrow, without the place."""
        return {
            "charge_point": self.charge_point,
            "id_tag": self.id_tag,
            "state": self.state,
            "since": self.since,
            "until": self.until,
        }

    def place(self) -> Place | None:
        """Return where the page begins.

        Raises:
            InvalidInput: the cursor is not one that a page has written.
        """
        key = decode_cursor(self.cursor or None, NumberedMoment)
        return None if key is None else (key.at, key.number)


_Narrowed = Annotated[TransactionScreenQuery, Depends()]


@router.get("")
async def transactions_page(request: Request, person: Viewer, screen: _Screen, query: _Narrowed) -> Response:
    """Show transactions, the latest start first."""
    narrowed, filters = query.values(), query.filters()
    as_in_api = {
        "charge_point": filters.identity,
        "id_tag": filters.id_tag,
        "open": {None: None, True: "true", False: "false"}[filters.open],
        "from": filters.from_at and f"{filters.from_at:%Y-%m-%dT%H:%M:%SZ}",
        "to": filters.to_at and f"{filters.to_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    values = {
        **await _rows(person, screen, query),
        **narrowed,
        "states": list(_STATES),
        "narrowed_query": query_text(narrowed),
        # Only the newest page grows, so only it keeps itself up to date.
        "live_address": None if query.cursor else f"{ROOT}/transactions/rows?{query_text(narrowed)}",
        "curl_path": f"/v1/transactions?{query_text({**as_in_api, 'limit': _PAGE_SIZE})}",
    }
    return page(request, "transactions.html", person, values)


@router.get("/rows")
async def transaction_rows(request: Request, person: Viewer, screen: _Screen, query: _Narrowed) -> Response:
    """Show one page of the list alone."""
    return page(request, "transaction_rows.html", person, await _rows(person, screen, query))


@router.get(".csv")
async def export_transactions(person: Viewer, screen: _Screen, query: _Narrowed) -> Response:
    """Download the newest transactions that fit, as CSV."""
    records = await screen.records(person.tenant_id, _EXPORT_LIMIT, query.filters())
    return _csv("transactions.csv", _record_lines(records))


@router.get("/{transaction_id}")
async def transaction_page(
    request: Request, person: Viewer, screen: _Screen, transaction_id: TransactionIdPath
) -> Response:
    """Show one transaction."""
    return await _transaction_page(request, person, screen, transaction_id, None)


@router.get("/{transaction_id}/now")
async def transaction_now(
    request: Request, person: Viewer, screen: _Screen, transaction_id: TransactionIdPath
) -> Response:
    """Show the facts of a transaction alone."""
    shown = await screen.get(person.tenant_id, transaction_id)
    return page(request, "transaction_now.html", person, {"transaction": shown})


@router.get("/{transaction_id}/charts.json")
async def transaction_charts(person: Viewer, screen: _Screen, transaction_id: TransactionIdPath) -> Response:
    """Return the charts of a transaction."""
    charts = await screen.charts(person.tenant_id, transaction_id)
    content = orjson.dumps([asdict(chart) for chart in charts])
    return Response(content, media_type="application/json", headers=dict(HEADERS))


@router.get("/{transaction_id}/meter-values.csv")
async def export_meter_values(person: Viewer, screen: _Screen, transaction_id: TransactionIdPath) -> Response:
    """Download the meter values of a transaction as CSV, one line for each sampled value."""
    records = await screen.meter_values(person.tenant_id, transaction_id, _VALUES_LIMIT)
    return _csv(f"transaction-{transaction_id}.csv", _lines_of(meter_rows(records)))


@router.post("/{transaction_id}/end")
async def end_transaction(
    request: Request, person: Operator, screen: _Screen, transaction_id: TransactionIdPath
) -> Response:
    """End a transaction by hand, with a reason."""
    given = {name: (await field_of(request, name)).strip() for name in ("reason", "meter_stop_wh")}
    try:
        wanted = _end_of(given)
        await screen.end(person.tenant_id, transaction_id, person.actor, wanted.reason, wanted.meter_stop_wh)
    except (InvalidInput, Conflict) as error:
        return await _transaction_page(request, person, screen, transaction_id, error, given)
    return go_to(f"{ROOT}/transactions/{transaction_id}")


async def _rows(person: SignedIn, screen: TransactionScreen, query: TransactionScreenQuery) -> dict[str, Any]:
    shown, next_after = await screen.page(person.tenant_id, _PAGE_SIZE, query.place(), query.filters())
    cursor = None if next_after is None else encode_cursor(next_after)
    next_query = query_text({**query.values(), "cursor": cursor})
    return {
        "transactions": shown,
        "filtered": any(query.values().values()),
        "next_address": None if cursor is None else f"{ROOT}/transactions?{next_query}",
    }


async def _transaction_page(
    request: Request,
    person: SignedIn,
    screen: TransactionScreen,
    transaction_id: int,
    error: AppError | None,
    given: dict[str, str] | None = None,
) -> Response:
    """Show a transaction. error, given: why it could not be ended, and what was typed."""
    violations = error.violations if isinstance(error, InvalidInput) else ()
    values = {
        "transaction": await screen.get(person.tenant_id, transaction_id),
        "evidence": await screen.evidence(person.tenant_id, transaction_id),
        "given": given or {"reason": "", "meter_stop_wh": ""},
        "faults": {violation.pointer.lstrip("/"): violation.detail for violation in violations},
        "error": error,
        "address": f"{ROOT}/transactions/{transaction_id}",
        "curl_path": f"/v1/transactions/{transaction_id}",
    }
    return page(request, "transaction.html", person, values, 200 if error is None else error.status)


def _end_of(given: dict[str, str]) -> TransactionEnd:
    """Read the form by the rules of the API.

    Raises:
        InvalidInput: the reason or the register is refused.
    """
    if not given["reason"]:
        raise InvalidInput([FieldViolation("/reason", "missing", "is needed")])
    typed = given["meter_stop_wh"]
    register = int(typed) if _REGISTER.fullmatch(typed) else typed or None
    try:
        return TransactionEnd.model_validate({"reason": given["reason"], "meter_stop_wh": register})
    except ValidationError as error:
        raise body_errors(error) from None


def _day(name: str, text: str) -> datetime | None:
    """Read a day as the beginning of it in UTC.

    Raises:
        InvalidInput: it is not a day.
    """
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        day = datetime.max.replace(tzinfo=UTC)
    if day.year > _LAST_YEAR:
        raise InvalidInput([FieldViolation(name, "not_a_day", "is not a day such as 2026-05-04")])
    return day


def _csv(name: str, lines: Iterator[str]) -> Response:
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, media_type=CSV_TYPE, headers=headers)


def _record_lines(records: Sequence[TransactionRecord]) -> Iterator[str]:
    yield protected_line(_COLUMNS)
    for record in records:
        fields = {**transaction_fields(record), "flags": " ".join(dict.fromkeys(record.flags))}
        yield protected_line(_cell(fields[name]) for name in _COLUMNS)


def _lines_of(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    names = ("sampled_at", "context", "measurand", "phase", "location", "unit", "format", "value")
    yield protected_line(names)
    for row in rows:
        yield protected_line(row[name] for name in names)


def _cell(value: object) -> str:
    return "" if value is None else str(value)
