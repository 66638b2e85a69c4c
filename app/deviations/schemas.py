"""The shapes of answers about deviations."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import quote, urlencode

from pydantic import Field

from app.clock import utc_text
from app.database.prepared import Row
from app.database.repository import LARGEST_INT64
from app.deviations.dictionary import meaning_of
from app.deviations.records import Severity, SoftwareCounts
from app.deviations.rules import per_1000_calls, severity_of
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

DICTIONARY_PATH: Final = "/v1/protocols/ocpp-16j/deviations"

_MILLISECOND = timedelta(milliseconds=1)
_LATEST = datetime.max.replace(tzinfo=UTC) - _MILLISECOND


class LastExample(Resource):
    """The newest message with a deviation."""

    message_id: str | None = Field(description="The unique id of the CALL. null: none can be told.")
    action: str | None = Field(description="The action of the CALL. null: a handshake, or it cannot be told.")
    pointer: str = Field(description="JSON pointer into the payload; empty: the message as a whole.")
    raw: str = Field(description="The value as it was received, at most 120 bytes of JSON.")
    connection_id: str
    frames: str = Field(description="Path of the frames that the charge point sent at that time.")


class ChargePointDeviation(Resource):
    """A deviation of a charge point."""

    code: str = Field(description="An entry of the dictionary.")
    severity: Severity = Field(
        description="`cosmetic`: nothing is lost; `information`: something is lost or not certain; `money`: "
        "a register, a time, a tag or a transaction may be lost or wrong."
    )
    meaning: str = Field(description="What was seen, and what is done about it.")
    count: int = Field(description="The number of messages that have it.")
    first_at: Instant
    last_at: Instant
    firmware_version: str | None = Field(description="Of the charge point when it was seen last.")
    last_example: LastExample
    entry: str = Field(description="Path of the entry in the dictionary, with advice to the vendor.")

    example: ClassVar[Json] = {
        "code": "bad_date_time",
        "severity": "information",
        "meaning": meaning_of("bad_date_time"),
        "count": 1042,
        "first_at": EXAMPLE_TIME,
        "last_at": EXAMPLE_TIME,
        "firmware_version": "2.4.1",
        "last_example": {
            "message_id": "19223201",
            "action": "StatusNotification",
            "pointer": "/timestamp",
            "raw": '"2026-05-04 08:15:30"',
            "connection_id": "5f3b0c1e-8a35-4f0e-9d3e-2f1f1f0f8a11",
            "frames": "/v1/charge-points/RDAM-0123/frames?direction=in"
            "&from=2026-05-04T08%3A15%3A30.000Z&to=2026-05-04T08%3A15%3A30.001Z",
        },
        "entry": f"{DICTIONARY_PATH}/bad_date_time",
    }


class CodeCount(Resource):
    """How often a deviation was seen."""

    code: str = Field(description="An entry of the dictionary.")
    severity: Severity
    count: int = Field(description="The number of messages that have it.")
    per_1000_calls: float | None = Field(description="null: no CALL has been counted yet.")


class Interoperability(Resource):
    """How well the charge points with the same software fit the standard."""

    vendor: str | None
    model: str | None
    firmware_version: str | None
    charge_points: int = Field(description="The number of charge points that have run it.")
    calls: int = Field(description="The number of CALLs that they have sent with it.")
    deviations: int = Field(description="The sum of the counts of all codes.")
    deviations_per_1000_calls: float | None = Field(description="null: no CALL has been counted yet.")
    score: float | None = Field(
        ge=0.0,
        le=100.0,
        description="`100 x calls / (calls + sum of weight x count)`, rounded down to tenths, with the "
        "weights 1 (`cosmetic`), 4 (`information`) and 10 (`money`). 100: no deviation. null: fewer than 100 "
        "CALLs.",
    )
    codes: list[CodeCount] = Field(description="The deviations, the most frequent first.")

    example: ClassVar[Json] = {
        "vendor": "Example",
        "model": "Fast 150",
        "firmware_version": "2.4.1",
        "charge_points": 12,
        "calls": 48000,
        "deviations": 1042,
        "deviations_per_1000_calls": 21.71,
        "score": 92.0,
        "codes": [
            {
                "code": "bad_date_time",
                "severity": "information",
                "count": 1042,
                "per_1000_calls": 21.71,
            }
        ],
    }


def deviation_resource(row: Row, identity: str) -> ChargePointDeviation:
    """Return a row of the list of a charge point's deviations. identity: of the charge point."""
    code: str = row["code"]
    return ChargePointDeviation(
        code=code,
        severity=severity_of(code),
        meaning=meaning_of(code),
        count=row["count"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        firmware_version=row["firmware_version"] or None,
        last_example=LastExample(**row["example"], frames=_frames_path(row, identity)),
        entry=f"{DICTIONARY_PATH}/{code}",
    )


def _frames_path(row: Row, identity: str) -> str:
    # The frame log has the same time. Texts of times end with the millisecond.
    begin: datetime = row["last_at"]
    end = begin + _MILLISECOND if begin < _LATEST else begin
    query = {"direction": "in", "from": utc_text(begin), "to": utc_text(end)}
    return f"/v1/charge-points/{quote(identity, safe='')}/frames?{urlencode(query)}"


def interoperability_of(counted: SoftwareCounts, score: float | None) -> Interoperability:
    """Return what was counted of a kind of software, as it is served."""
    software, calls = counted.software, counted.calls
    codes = sorted(counted.deviations.items(), key=lambda found: (-found[1], found[0]))
    total = min(sum(counted.deviations.values()), LARGEST_INT64)
    return Interoperability(
        vendor=software.vendor or None,
        model=software.model or None,
        firmware_version=software.firmware_version or None,
        charge_points=counted.charge_points,
        calls=calls,
        deviations=total,
        deviations_per_1000_calls=per_1000_calls(total, calls),
        score=score,
        codes=[
            CodeCount(
                code=code,
                severity=severity_of(code),
                count=count,
                per_1000_calls=per_1000_calls(count, calls),
            )
            for code, count in codes
        ],
    )
