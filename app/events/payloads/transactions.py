"""Events of transactions and their meter values."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from app.events.payloads.payload import Payload
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource


class TransactionStartedEvent(Payload):
    """A transaction began (OCPP 1.6 4.8). A repeated StartTransaction tells nothing."""

    type = "transaction.started"

    id: int = Field(description="The OCPP transactionId.")
    connector_id: int
    id_tag: str
    started_at: Instant = Field(description="The time of the charge point, if it says something.")
    started_received_at: Instant
    meter_start_wh: int | None
    reservation_id: int | None
    id_tag_info: Json = Field(description="The idTagInfo that StartTransaction was answered with.")
    flags: list[str] = Field(description="What is unusual about the transaction.")
    remote_start_command_id: UUID | None

    example: ClassVar[Json] = {
        "id": 1042,
        "connector_id": 1,
        "id_tag": "B4A63CDF",
        "started_at": EXAMPLE_TIME,
        "started_received_at": EXAMPLE_TIME,
        "meter_start_wh": 18000,
        "reservation_id": None,
        "id_tag_info": {"status": "Accepted"},
        "flags": [],
        "remote_start_command_id": None,
    }


class TransactionEndedEvent(Payload):
    """A transaction ended by its StopTransaction (OCPP 1.6 4.10), which a person may have attached."""

    type = "transaction.ended"

    id: int = Field(description="The OCPP transactionId.")
    connector_id: int
    started_at: Instant
    meter_start_wh: int | None
    stopped_at: Instant = Field(description="The time of the charge point, if it says something.")
    stopped_received_at: Instant
    meter_stop_wh: int | None
    energy_wh: int | None = Field(description="meter_stop_wh - meter_start_wh; null: a register is missing.")
    stop_reason: str
    stop_id_tag: str | None
    flags: list[str] = Field(description="What is unusual about the transaction.")

    example: ClassVar[Json] = {
        "id": 1042,
        "connector_id": 1,
        "started_at": EXAMPLE_TIME,
        "meter_start_wh": 18000,
        "stopped_at": "2026-05-04T09:15:30.000Z",
        "stopped_received_at": "2026-05-04T09:15:31.000Z",
        "meter_stop_wh": 29000,
        "energy_wh": 11000,
        "stop_reason": "Local",
        "stop_id_tag": "B4A63CDF",
        "flags": [],
    }


class TransactionUpdatedEvent(Payload):
    """The register of a transaction came after its end."""

    type = "transaction.updated"

    id: int = Field(description="The OCPP transactionId.")
    meter_stop_wh: int | None
    energy_wh: int | None
    flags: list[str] = Field(description="What is unusual about the transaction.")

    example: ClassVar[Json] = {
        "id": 1042,
        "meter_stop_wh": 29000,
        "energy_wh": 11000,
        "flags": ["meter_missing"],
    }


class TransactionPresumedEndedEvent(Payload):
    """A transaction is over although its StopTransaction has not come. It may still come: it ends it then."""

    type = "transaction.presumed_ended"

    id: int = Field(description="The OCPP transactionId.")
    connector_id: int
    started_at: Instant
    presumed_ended_at: Instant
    presumed_ended_reason: Literal["later_start", "boot", "available", "operator"] = Field(
        description="The sign that it is over."
    )
    last_meter_wh: int | None = Field(description="The last register that is known.")

    example: ClassVar[Json] = {
        "id": 1042,
        "connector_id": 1,
        "started_at": EXAMPLE_TIME,
        "presumed_ended_at": "2026-05-04T09:15:30.000Z",
        "presumed_ended_reason": "boot",
        "last_meter_wh": 24000,
    }


class RecordedReadings(Resource):
    """Readings of one connector that were stored together."""

    charge_point: str = Field(description="Identity of the charge point.")
    connector_id: int
    transaction_id: int | None
    sampled_at: list[Instant] = Field(description="The times of the readings.")
    href: str = Field(description="Where the values are listed.")

    example: ClassVar[Json] = {
        "charge_point": "RDAM-0123",
        "connector_id": 1,
        "transaction_id": 1042,
        "sampled_at": [EXAMPLE_TIME],
        "href": "/v1/charge-points/RDAM-0123/meter-values?connector_id=1"
        "&from=2026-05-04T08:15:30.000Z&to=2026-05-04T08:15:30.001Z",
    }


class MeterValuesRecordedEvent(Payload):
    """Meter values were stored (OCPP 1.6 4.7). One event tells of all that were stored together.

    They are of many charge points. A reader that wants some of these gets the readings of those only.
    """

    type = "meter_values.recorded"

    readings: list[RecordedReadings]

    example: ClassVar[Json] = {"readings": [RecordedReadings.example]}
