"""Shapes of REST requests and answers about transactions."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from app.transactions.records import OrphanKind
from app.web.resources import Instant, Json, Resource


class Transaction(Resource):
    """A transaction; `id` is the OCPP transactionId. Times are the charge point's, `*_received_at` ours."""

    id: int
    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    connector_id: int
    id_tag: str
    started_at: Instant
    started_received_at: Instant
    meter_start_wh: int
    reservation_id: int | None
    id_tag_info: Json = Field(description="The idTagInfo that StartTransaction was answered with.")
    stopped_at: Instant | None
    stopped_received_at: Instant | None = Field(description="null: the transaction is open.")
    meter_stop_wh: int | None
    energy_wh: int | None = Field(description="meter_stop_wh - meter_start_wh; negative when flagged so.")
    stop_reason: str | None
    stop_id_tag: str | None
    stop_id_tag_info: Json | None
    flags: list[str] = Field(description="What is odd about it, such as meter_decreased.")
    remote_start_command_id: UUID | None


class MeterValue(Resource):
    """One `meterValue` element: samples of one moment."""

    connector_id: int
    transaction_id: int | None
    sampled_at: Instant
    received_at: Instant
    context: Literal["periodic", "stop"] = Field(description="From MeterValues, or from StopTransaction.")
    sampled_values: list[Json] = Field(
        description="The `sampledValue` objects as the charge point sent them."
    )


class OrphanRecord(Resource):
    """A billing message that fits no transaction, kept as it came."""

    kind: OrphanKind = Field(
        description="`stop_unknown_transaction`: no such transaction; `stop_conflict`: the transaction was "
        "stopped before, otherwise; `invalid`: refused for its structure."
    )
    action: str
    payload: Any = Field(description="As far as it could be read; any JSON value, if `kind` is `invalid`.")
    raw: str | None = Field(description="The frame as it came, if `kind` is `invalid`.")
    received_at: Instant
    transaction_id: int | None = Field(
        description="The transaction it names, or was joined to since; null: none known."
    )
