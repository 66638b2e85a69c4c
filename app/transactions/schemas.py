"""Shapes of REST requests and answers about transactions."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

import orjson
from pydantic import AfterValidator, BeforeValidator, Field

from app.audit.schemas import Reason
from app.clock import utc_text
from app.database.repository import LARGEST_INT64
from app.deviations.dictionary import meaning_of
from app.ocpp import redact
from app.shown_texts import shown_json
from app.transactions.evidence import unpack
from app.transactions.records import OrphanKind, PresumedReason
from app.transactions.rules.registers import energy_of
from app.transactions.rules.series import Aggregate, Point, Series, SeriesFlag
from app.transactions.stored_records import MeterValueRecord, TransactionRecord
from app.web.inputs import Input
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.rows import Fields, optional_json, optional_time

State = Literal["running", "presumed_ended", "stopped"]


def _each_once(flags: Iterable[str]) -> list[str]:
    """Return flags without repetitions: the start and the stop may have the same one."""
    return list(dict.fromkeys(flags))


class Transaction(Resource):
    """A transaction; `id` is the OCPP transactionId.

    `started_at` and `stopped_at` are the charge point's times, or those of the arrival if its times say
    nothing (flag `time_...`). `*_received_at` are ours.
    """

    id: int
    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    connector_id: int
    id_tag: str
    started_at: Instant
    started_received_at: Instant
    meter_start_wh: int | None = Field(description="null: the start told none (flag meter_missing).")
    reservation_id: int | None
    id_tag_info: Json = Field(description="The idTagInfo that StartTransaction was answered with.")
    stopped_at: Instant | None
    stopped_received_at: Instant | None = Field(description="null: no stop has come.")
    meter_stop_wh: int | None
    energy_wh: int | None = Field(
        description="meter_stop_wh - meter_start_wh; negative with the flag meter_decreased. null: a "
        "register is missing, or the difference does not fit 64 bits."
    )
    state: State = Field(
        description="presumed_ended: no stop has come, but a later start, a boot, the status Available or an "
        "operator showed that the transaction is over. A late stop still ends it."
    )
    presumed_ended_at: Instant | None
    presumed_ended_reason: PresumedReason | None
    last_meter_wh: int | None = Field(
        description="The last register that was known when the transaction was presumed to have ended."
    )
    stop_reason: str | None
    stop_id_tag: str | None
    stop_id_tag_info: Json | None
    flags: Annotated[list[str], BeforeValidator(_each_once)] = Field(
        description="What is unusual about the transaction, such as meter_decreased."
    )
    remote_start_command_id: UUID | None

    example: ClassVar[Json] = {
        "id": 1042,
        "charge_point": "RDAM-0123",
        "connector_id": 1,
        "id_tag": "B4A63CDF",
        "started_at": EXAMPLE_TIME,
        "started_received_at": EXAMPLE_TIME,
        "meter_start_wh": 18000,
        "reservation_id": None,
        "id_tag_info": {"status": "Accepted"},
        "stopped_at": None,
        "stopped_received_at": None,
        "meter_stop_wh": None,
        "energy_wh": None,
        "state": "running",
        "presumed_ended_at": None,
        "presumed_ended_reason": None,
        "last_meter_wh": None,
        "stop_reason": None,
        "stop_id_tag": None,
        "stop_id_tag_info": None,
        "flags": [],
        "remote_start_command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
    }


class MeterValue(Resource):
    """One `meterValue` element: samples of one moment."""

    connector_id: int
    transaction_id: int | None
    sampled_at: Instant
    received_at: Instant
    context: Literal["periodic", "stop"] = Field(
        description="periodic: from MeterValues. stop: from StopTransaction."
    )
    sampled_values: list[Json] = Field(
        description="The `sampledValue` objects as the charge point sent them."
    )

    example: ClassVar[Json] = {
        "connector_id": 1,
        "transaction_id": 1042,
        "sampled_at": EXAMPLE_TIME,
        "received_at": EXAMPLE_TIME,
        "context": "periodic",
        "sampled_values": [{"value": "18250", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}],
    }


class SeriesPoint(Resource):
    """One value of a series."""

    at: Instant
    value: float


class MeterSeries(Resource):
    """The values of one measurand, phase, location and unit."""

    measurand: str
    phase: str | None = Field(description="null: all phases together.")
    location: str
    unit: str | None = Field(
        description="Values in kWh or kW are shown in Wh or W, and so on. null: the charge point told none."
    )
    aggregate: Aggregate | None = Field(
        description="last: each point is the last value of its bucket, at the time of that value. mean: each "
        "point is the mean of its bucket with at most 6 decimals, at the start of the bucket. null: every "
        "value is a point, because `every_s` was not given."
    )
    flags: list[SeriesFlag] = Field(
        description="register_restarted: a value of a register is below the one before. register_in_kwh: a "
        "register says Wh, or no unit, but its first value is within 1 of meter_start_wh / 1000, or its last "
        "within 1 of meter_stop_wh / 1000. A meter_start_wh or meter_stop_wh below 10000 is not compared. "
        "No value is changed because of a flag."
    )
    points: list[SeriesPoint] = Field(
        description="In the order of their time. A value that was sent twice for one time is one point."
    )


class TransactionSeries(Resource):
    """The meter values of a transaction as series."""

    every_s: int | None = Field(description="Seconds of a bucket; buckets are counted from 1970, in UTC.")
    left_out: int = Field(
        description="How many of the values that were asked for are not numbers, such as SignedData."
    )
    series: list[MeterSeries]

    example: ClassVar[Json] = {
        "every_s": 900,
        "left_out": 0,
        "series": [
            {
                "measurand": "Energy.Active.Import.Register",
                "phase": None,
                "location": "Outlet",
                "unit": "Wh",
                "aggregate": "last",
                "flags": [],
                "points": [{"at": EXAMPLE_TIME, "value": 18250}],
            }
        ],
    }


class TransactionEnd(Input):
    """Why an operator ends a transaction by hand, and what the meter showed."""

    reason: Reason
    meter_stop_wh: Annotated[int, Field(ge=0, le=LARGEST_INT64)] | None = Field(
        default=None, description="What was read from the meter; null: the last register that is known."
    )

    example: ClassVar[Json] = {
        "reason": "The cable was cut, and the meter was read on site.",
        "meter_stop_wh": 18250,
    }


class Attachment(Input):
    """The orphan record that an operator attaches to a transaction, and why."""

    orphan_record_id: Annotated[int, Field(ge=1, le=LARGEST_INT64)]
    reason: Reason

    example: ClassVar[Json] = {"orphan_record_id": 17, "reason": "Same driver, same register, wrong clock."}


def _without_secrets_in_text(text: str | None) -> str | None:
    return None if text is None else redact(text)


class OrphanRecord(Resource):
    """A billing message that fits no transaction, stored as it was received."""

    id: int

    kind: OrphanKind = Field(
        description="`stop_unknown_transaction`: no such transaction; `stop_conflict`: the transaction was "
        "stopped before, otherwise; `damaged`: something in it could not be read, and the rest is recorded; "
        "`invalid`: refused for its structure, by a version of before."
    )
    action: str
    payload: Annotated[Any, AfterValidator(shown_json)] = Field(
        description="The payload as far as it was read; of `damaged` the deviations."
    )
    raw: Annotated[str | None, AfterValidator(_without_secrets_in_text)] = Field(
        description="The frame as it was received but for secrets, if `kind` is `damaged` or `invalid`."
    )
    received_at: Instant
    transaction_id: int | None = Field(
        description="The transaction that the message names or was joined to later; null: none."
    )

    example: ClassVar[Json] = {
        "id": 17,
        "kind": "stop_unknown_transaction",
        "action": "StopTransaction",
        "payload": {
            "transactionId": -1,
            "timestamp": EXAMPLE_TIME,
            "meterStop": 18250,
            "reason": "PowerLoss",
        },
        "raw": None,
        "received_at": EXAMPLE_TIME,
        "transaction_id": None,
    }


class EvidenceFrame(Resource):
    """A frame as it was received but for secrets, and its deviations from the standard."""

    frame: str
    deviations: list[Json]

    @classmethod
    def of(cls, packed: bytes | None) -> Self | None:
        """Return the frame of packed evidence, without secrets."""
        if packed is None:
            return None
        kept = unpack(packed)
        frame = redact(kept.frame)
        if frame == kept.frame:
            return cls(frame=frame, deviations=kept.deviations)
        # What they quote was looked at by the rules of its day.
        return cls(frame=frame, deviations=[shown_json(one) for one in kept.deviations])


class FlagMeaning(Resource):
    """A flag of the transaction, and what it says."""

    flag: str
    meaning: str


class Evidence(Resource):
    """The frames and messages behind a transaction."""

    start: EvidenceFrame | None = Field(description="null: from before frames were kept.")
    stop: EvidenceFrame | None = Field(
        description="null: no stop has come, it was an orphan record, or it is from before frames were kept."
    )
    orphan_records: list[OrphanRecord] = Field(
        description="Messages about it that fit it not at once, contradict it, or were damaged; at most 100."
    )
    flags: list[FlagMeaning]

    example: ClassVar[Json] = {
        "start": {
            "frame": '[2,"7","StartTransaction",{"connectorId":1,"idTag":"B4A63CDF","meterStart":18000}]',
            "deviations": [{"kind": "missing_field", "pointer": "/timestamp", "raw": ""}],
        },
        "stop": None,
        "orphan_records": [],
        "flags": [
            {"flag": "time_missing", "meaning": "A message bore no time. That of its arrival is stored."}
        ],
    }


def flag_meanings(flags: Iterable[str]) -> list[FlagMeaning]:
    """Return flags with their meanings, each once."""
    return [FlagMeaning(flag=flag, meaning=meaning_of(flag)) for flag in _each_once(flags)]


def transaction_fields(record: TransactionRecord) -> Fields:
    """Return the members of a `Transaction`."""
    command_id = record.remote_start_command_id
    return {
        "id": record.id,
        "charge_point": record.identity,
        "connector_id": record.connector_id,
        "id_tag": record.id_tag,
        "started_at": utc_text(record.started_at),
        "started_received_at": utc_text(record.started_received_at),
        "meter_start_wh": record.meter_start_wh,
        "reservation_id": record.reservation_id,
        "id_tag_info": optional_json(record.id_tag_info_json),
        "stopped_at": optional_time(record.stopped_at),
        "stopped_received_at": optional_time(record.stopped_received_at),
        "meter_stop_wh": record.meter_stop_wh,
        "energy_wh": energy_of(record.meter_start_wh, record.meter_stop_wh),
        "state": _state(record),
        "presumed_ended_at": optional_time(record.presumed_ended_at),
        "presumed_ended_reason": record.presumed_ended_reason,
        "last_meter_wh": record.last_meter_wh,
        "stop_reason": record.stop_reason,
        "stop_id_tag": record.stop_id_tag,
        "stop_id_tag_info": optional_json(record.stop_id_tag_info_json),
        # Its start and its stop may have the same one.
        "flags": _each_once(record.flags),
        "remote_start_command_id": None if command_id is None else str(command_id),
    }


def _state(record: TransactionRecord) -> State:
    if record.stopped_received_at is not None:
        return "stopped"
    return "running" if record.presumed_ended_at is None else "presumed_ended"


def meter_value_fields(record: MeterValueRecord) -> Fields:
    """Return the members of a `MeterValue`."""
    return {
        "connector_id": record.connector_id,
        "transaction_id": record.transaction_id,
        "sampled_at": utc_text(record.sampled_at),
        "received_at": utc_text(record.received_at),
        "context": record.context,
        "sampled_values": optional_json(record.sampled_values_json),
    }


def series_fields(every_s: int | None, series: Iterable[Series], left_out: int) -> Fields:
    """Return the members of a `TransactionSeries`."""
    return {
        "every_s": every_s,
        "left_out": left_out,
        "series": [
            {
                **one.key._asdict(),
                "aggregate": one.aggregate,
                "flags": one.flags,
                "points": [_point_fields(point) for point in one.points],
            }
            for one in series
        ],
    }


def _point_fields(point: Point) -> Fields:
    return {"at": utc_text(point.at), "value": orjson.Fragment(_number_text(point.value))}


def _number_text(number: Decimal) -> str:
    """Return a decimal as JSON, exactly, without zeros that say nothing."""
    return format(number.normalize() or Decimal(0), "f")
