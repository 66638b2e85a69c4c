"""Reads and ends transactions for their screens, and draws their values, through the services of REST."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.clock import Clock
from app.console.charts import (
    Chart,
    ChartLine,
    charge_line,
    cut_after,
    energy_line,
    limit_line,
    power_line,
    summary_of,
)
from app.errors import InvalidInput
from app.smart_charging.expected_schedule import ScheduleOptions
from app.smart_charging.measured import drawn_power_w
from app.smart_charging.service import ConnectorQuestion, ConnectorScheduleService
from app.transactions.rules.registers import energy_of, register_of
from app.transactions.rules.series import SeriesRequest
from app.transactions.schemas import (
    EvidenceFrame,
    FlagMeaning,
    State,
    flag_meanings,
    transaction_fields,
)
from app.transactions.service import TransactionService
from app.transactions.stored_records import (
    MeterValueRecord,
    StoredOrphan,
    TransactionFilter,
    TransactionRecord,
)
from app.types import TenantId

Place = tuple[datetime, int]
"""The start and the id of a transaction: where a page of the list ends."""
_POINTS_OF_CHART: Final = 1000
"""More than a screen has pixels for."""
_LONGEST_LIMITS_S: Final = 7 * 86_400
"""Limits are computed for so long a transaction at most."""
_HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class ShownTransaction:
    """A transaction on a page.

    energy_wh: of a running one, as far as its newest sample with a power tells; power_w: what it draws now,
    None: it has ended, or nothing tells it.
    """

    record: TransactionRecord
    state: State
    energy_wh: int | None
    power_w: float | None
    duration: str
    flags: list[str]


@dataclass(frozen=True, slots=True)
class ShownEvidence:
    """The evidence of a transaction. start, stop: its frames, None: not kept, or not come."""

    start: EvidenceFrame | None
    stop: EvidenceFrame | None
    orphans: list[StoredOrphan]
    flags: list[FlagMeaning]


@dataclass(frozen=True, slots=True)
class TransactionScreen:
    """Reads what the screens of transactions show."""

    transactions: TransactionService
    schedules: ConnectorScheduleService
    clock: Clock

    async def page(
        self, tenant_id: TenantId, limit: int, after: Place | None, filters: TransactionFilter
    ) -> tuple[list[ShownTransaction], Place | None]:
        """Return a page of transactions, the latest start first, and where the next page begins."""
        records = await self.transactions.page(tenant_id, limit + 1, after, filters)
        shown = records[:limit]
        running = sorted({record.charge_point_id for record in shown if _is_running(record)})
        newest = await self.transactions.newest_power(tenant_id, running) if running else []
        samples = {row.transaction_id: row for row in newest}
        now = self.clock.now()
        next_after = None if len(records) <= limit else (shown[-1].started_at, shown[-1].id)
        # The newest sample of a connector may be of the transaction before, which has ended.
        present = [samples.get(record.id) if _is_running(record) else None for record in shown]
        return [_shown(*pair, now) for pair in zip(shown, present, strict=True)], next_after

    async def records(
        self, tenant_id: TenantId, limit: int, filters: TransactionFilter
    ) -> list[TransactionRecord]:
        """Return the newest transactions as they are, for an export."""
        return await self.transactions.page(tenant_id, limit, None, filters)

    async def get(self, tenant_id: TenantId, transaction_id: int) -> ShownTransaction:
        """Return a transaction.

        Raises:
            NotFound: the tenant has no such transaction.
        """
        record = await self.transactions.get(tenant_id, transaction_id)
        sample = None
        if _is_running(record):
            newest = await self.transactions.newest_power(tenant_id, [record.charge_point_id])
            sample = next((row for row in newest if row.transaction_id == record.id), None)
        return _shown(record, sample, self.clock.now())

    async def evidence(self, tenant_id: TenantId, transaction_id: int) -> ShownEvidence:
        """Return what a transaction rests on.

        Raises:
            NotFound: the tenant has no such transaction.
        """
        record, packed, orphans = await self.transactions.evidence(tenant_id, transaction_id)
        return ShownEvidence(
            EvidenceFrame.of(packed.start_evidence),
            EvidenceFrame.of(packed.stop_evidence),
            orphans,
            flag_meanings(record.flags),
        )

    async def charts(self, tenant_id: TenantId, transaction_id: int) -> list[Chart]:
        """Return the charts of a transaction: power with its limit and the state of charge, and energy.

        Raises:
            NotFound: the tenant has no such transaction.
            InvalidInput: it has too many meter values.
        """
        record = await self.transactions.get(tenant_id, transaction_id)
        end = record.stopped_at or record.presumed_ended_at or self.clock.now()
        length_s = max(int((end - record.started_at).total_seconds()), 1)
        every_s = min(-(-length_s // _POINTS_OF_CHART), 86_400)
        request = SeriesRequest(every_s=every_s)
        series, _ = await self.transactions.meter_series(tenant_id, transaction_id, request)
        power, charge = power_line(series), charge_line(series)
        limit = None if power is None else await self._limit(tenant_id, record, end, length_s)
        rates = [line for line in (limit, power, charge) if line is not None]
        energies = [line for line in (energy_line(series, record.meter_start_wh),) if line is not None]
        charts = [Chart("Power", summary_of(rates), rates), Chart("Energy", summary_of(energies), energies)]
        return [chart for chart in charts if chart.lines]

    async def meter_values(
        self, tenant_id: TenantId, transaction_id: int, limit: int
    ) -> list[MeterValueRecord]:
        """Return the first meter values of a transaction as they are, for an export.

        Raises:
            NotFound: the tenant has no such transaction.
        """
        return await self.transactions.meter_values(tenant_id, transaction_id, limit, None)

    async def end(
        self, tenant_id: TenantId, transaction_id: int, actor: str, reason: str, meter_stop_wh: int | None
    ) -> None:
        """End a transaction by hand.

        Raises:
            NotFound: the tenant has no such transaction.
            Conflict: its stop has come.
        """
        await self.transactions.end(tenant_id, transaction_id, actor, reason, meter_stop_wh)

    async def _limit(
        self, tenant_id: TenantId, record: TransactionRecord, end: datetime, length_s: int
    ) -> ChartLine | None:
        """Return the limit of the connector by the profiles of now; None: nothing limits it."""
        if record.connector_id < 1 or length_s > _LONGEST_LIMITS_S:
            return None
        options = ScheduleOptions(length_s + _HOUR_S, "W", assume_transaction=True)
        question = ConnectorQuestion(record.identity, record.connector_id, record.started_at, options)
        try:
            compared = await self.schedules.compare(tenant_id, question, None)
        except InvalidInput:
            # Too much to compute. The values are shown all the same.
            return None
        line = cut_after(limit_line("Limit", compared.ours, "pale_step", "absent"), end)
        return line if any(value is not None for _, value in line.points) else None


def _is_running(record: TransactionRecord) -> bool:
    return record.stopped_received_at is None and record.presumed_ended_at is None


def _shown(record: TransactionRecord, sample: MeterValueRecord | None, now: datetime) -> ShownTransaction:
    fields = transaction_fields(record)
    energy_wh = fields["energy_wh"]
    if energy_wh is None and record.meter_stop_wh is None:
        register = record.last_meter_wh if sample is None else register_of(sample.sampled_values_json)
        energy_wh = energy_of(record.meter_start_wh, register)
    end = record.stopped_at or record.presumed_ended_at or now
    return ShownTransaction(
        record=record,
        state=fields["state"],
        energy_wh=energy_wh,
        power_w=None if sample is None else drawn_power_w(sample),
        duration=duration_text(end - record.started_at),
        flags=fields["flags"],
    )


def duration_text(length: timedelta) -> str:
    """Write a length as people read it. A clock that was set may make it negative."""
    seconds = int(length.total_seconds())
    if seconds < 0:
        return "ends before it starts"
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def meter_rows(records: Sequence[MeterValueRecord]) -> list[dict[str, str]]:
    """Return one row for each sampled value, for spreadsheets, with the names of OCPP 1.6 7.43."""
    names = ("measurand", "phase", "location", "unit", "format", "value")
    return [
        {
            "sampled_at": record.sampled_at.isoformat(),
            "context": record.context,
            **{name: str(sampled.get(name, "")) for name in names},
        }
        for record in records
        for sampled in record.sampled_values
        if isinstance(sampled, dict)
    ]
