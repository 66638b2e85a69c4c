"""Use cases of transactions: read them, their meter values and orphan records, and correct them by hand."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from app.acting import note_audited
from app.audit.records import NewAuditEntry
from app.charge_points.service import found_charge_point
from app.charge_points.store import ChargePointReads
from app.clock import Clock
from app.computation import compute
from app.database.database import Database
from app.database.unit_of_work import TenantReads
from app.errors import Conflict, FieldViolation, InvalidInput, NotFound
from app.quirks.records import NO_HABITS, Device, Habits
from app.quirks.service import current_habits
from app.transactions.ledger import Ledger
from app.transactions.records import OperatorEnd, OperatorOutcome, OrphanAttachment
from app.transactions.rules.series import Series, SeriesCollector, SeriesRequest
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import (
    ChangedTransaction,
    ChangePlace,
    MeterValueFilter,
    MeterValueRecord,
    PackedEvidence,
    StoredOrphan,
    TransactionFilter,
    TransactionRecord,
)
from app.types import TenantId

_ORPHANS_SHOWN: Final = 100
MOST_POINTS: Final = 50_000
"""Most points of an answer with series."""
MOST_METER_VALUES: Final = 200_000
"""Most meter values of a transaction that series are made of."""
_READ_AT_ONCE: Final = 500
POWER_IS_OLD: Final = timedelta(minutes=20)
"""The age of a power sample that says nothing of now. Many charge points send one in 15 minutes."""
_BATCH: Final = 500
"""Transactions that an export holds in memory."""


@dataclass(frozen=True, slots=True)
class TransactionService:
    """The use cases of transactions. Charge points write them, through the ledger."""

    database: Database
    ledger: Ledger
    clock: Clock

    async def get(self, tenant_id: TenantId, transaction_id: int) -> TransactionRecord:
        """Return a transaction by its OCPP transactionId.

        Raises:
            NotFound: the tenant has no such transaction.
        """
        record = await self._store(tenant_id).get(transaction_id)
        if record is None:
            raise NotFound("There is no such transaction.", "transaction_id")
        return record

    async def evidence(
        self, tenant_id: TenantId, transaction_id: int
    ) -> tuple[TransactionRecord, PackedEvidence, list[StoredOrphan]]:
        """Return a transaction, the frames behind it, and the orphan records that belong to it.

        Raises:
            NotFound: the tenant has no such transaction.
        """
        transaction = await self.get(tenant_id, transaction_id)
        store = self._store(tenant_id)
        orphans = await store.orphans_of(transaction_id, _ORPHANS_SHOWN)
        return transaction, await store.evidence(transaction_id), orphans

    async def page(
        self,
        tenant_id: TenantId,
        limit: int,
        after: tuple[datetime, int] | None,
        filters: TransactionFilter,
    ) -> list[TransactionRecord]:
        """Return transactions, the latest start first. after: start and id of the last one seen."""
        return await self._store(tenant_id).page(limit, after, filters)

    async def newest_power(
        self, tenant_id: TenantId, charge_point_ids: Sequence[int] | None = None
    ) -> list[MeterValueRecord]:
        """Return the newest power sample of each running transaction, none older than `POWER_IS_OLD`.

        charge_point_ids None: of all charge points.
        """
        since = self.clock.now() - POWER_IS_OLD
        return await self._store(tenant_id).newest_power(charge_point_ids, since)

    async def changed(self, tenant_id: TenantId, limit: int, after: ChangePlace) -> list[ChangedTransaction]:
        """Return the transactions that changed behind a change, the earliest change first.

        Places are given after the commit of a change, and later ones are higher: no change is skipped.
        """
        return await self._store(tenant_id).changed(limit, after)

    async def batches(
        self, tenant_id: TenantId, filters: TransactionFilter
    ) -> AsyncIterator[list[TransactionRecord]]:
        """Yield all transactions that fit, the latest start first, some at a time."""
        after: tuple[datetime, int] | None = None
        while records := await self._store(tenant_id).page(_BATCH, after, filters):
            yield records
            after = (records[-1].started_at, records[-1].id)

    async def meter_values(
        self, tenant_id: TenantId, transaction_id: int, limit: int, after: tuple[datetime, int] | None
    ) -> list[MeterValueRecord]:
        """Return the meter values of a transaction in the order of their time, those of its stop included.

        Args:
            tenant_id: The tenant.
            transaction_id: The OCPP transactionId.
            limit: The most values to return.
            after: Time and digest of the last one seen.

        Raises:
            NotFound: the tenant has no such transaction.
        """
        transaction = await self.get(tenant_id, transaction_id)
        return await self._store(tenant_id).meter_values(transaction, limit, after)

    async def meter_series(
        self, tenant_id: TenantId, transaction_id: int, request: SeriesRequest
    ) -> tuple[list[Series], int]:
        """Return the meter values of a transaction as series, and how many values are not numbers.

        Raises:
            NotFound: the tenant has no such transaction.
            InvalidInput: there are too many points for one answer, or too many meter values.
        """
        transaction = await self.get(tenant_id, transaction_id)
        collector = SeriesCollector(request, await self._habits(tenant_id, transaction.identity))
        store = self._store(tenant_id)
        records = await store.meter_values(transaction, _READ_AT_ONCE)
        read = len(records)
        while records:
            await compute(tenant_id, partial(_collect, collector, records))
            if collector.points > MOST_POINTS:
                raise _too_many_points(request)
            if read > MOST_METER_VALUES:
                raise _too_many_meter_values()
            after = records[-1].sampled_at, records[-1].digest
            records = await store.meter_values(transaction, _READ_AT_ONCE, after)
            read += len(records)
        series = collector.series(transaction.meter_start_wh, transaction.meter_stop_wh)
        return series, collector.left_out

    async def meter_values_of_charge_point(
        self,
        tenant_id: TenantId,
        identity: str,
        limit: int,
        after: tuple[datetime, int] | None,
        filters: MeterValueFilter,
    ) -> list[MeterValueRecord]:
        """Return the meter values of a charge point in the order of their time, in a transaction or not.

        Args:
            tenant_id: The tenant.
            identity: The charge point.
            limit: The most values to return.
            after: Time and digest of the last one seen.
            filters: What narrows them.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        charge_point_id = await self._charge_point_id(tenant_id, identity)
        return await self._store(tenant_id).meter_values_of_charge_point(
            charge_point_id, limit, after, filters
        )

    async def orphan_records(
        self, tenant_id: TenantId, identity: str, limit: int, after: int | None
    ) -> list[StoredOrphan]:
        """Return the billing messages of a charge point that fit no transaction, the newest first.

        Args:
            tenant_id: The tenant.
            identity: The charge point.
            limit: The most records to return.
            after: Id of the last one seen.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        charge_point_id = await self._charge_point_id(tenant_id, identity)
        return await self._store(tenant_id).orphan_records(limit, after, charge_point_id)

    async def end(
        self, tenant_id: TenantId, transaction_id: int, actor: str, reason: str, meter_stop_wh: int | None
    ) -> TransactionRecord:
        """End a transaction by hand; a late stop still ends it as the charge point says.

        Args:
            tenant_id: The tenant.
            transaction_id: The OCPP transactionId.
            actor: Who does it.
            reason: Why.
            meter_stop_wh: What was read from the meter; None: the last register that is known.

        Raises:
            NotFound: the tenant has no such transaction.
            Conflict: its stop has come.
        """
        transaction = await self.get(tenant_id, transaction_id)
        details = {"meter_stop_wh": meter_stop_wh}
        subject = f"/v1/transactions/{transaction_id}"
        now = self.clock.now()
        entry = NewAuditEntry(tenant_id, now, actor, "end_transaction", subject, reason, details)
        place = (tenant_id, transaction.charge_point_id, transaction_id)
        habits = await self._habits(tenant_id, transaction.identity)
        return await self._done(OperatorEnd(*place, meter_stop_wh, now, entry, habits))

    async def attach_orphan(
        self, tenant_id: TenantId, transaction_id: int, actor: str, reason: str, orphan_id: int
    ) -> TransactionRecord:
        """Attach an orphan record of the same charge point to a transaction; a stop ends it.

        Args:
            tenant_id: The tenant.
            transaction_id: The OCPP transactionId.
            actor: Who does it.
            reason: Why.
            orphan_id: The orphan record.

        Raises:
            NotFound: the tenant has no such transaction, or the charge point no such record.
            Conflict: the record belongs to a transaction, or the transaction has its stop.
        """
        transaction = await self.get(tenant_id, transaction_id)
        details = {"orphan_record_id": orphan_id}
        subject = f"/v1/transactions/{transaction_id}"
        now = self.clock.now()
        entry = NewAuditEntry(tenant_id, now, actor, "attach_orphan_record", subject, reason, details)
        place = (tenant_id, transaction.charge_point_id, transaction_id)
        habits = await self._habits(tenant_id, transaction.identity)
        return await self._done(OrphanAttachment(*place, orphan_id, now, entry, habits))

    async def _done(self, act: OperatorEnd | OrphanAttachment) -> TransactionRecord:
        """Do what an operator wants, and return the transaction after it."""
        _require_done(await self.ledger.operator_act(act))
        # The ledger has written the entry in its own transaction.
        note_audited()
        return await self.get(TenantId(act.tenant_id), act.transaction_id)

    async def _charge_point_id(self, tenant_id: TenantId, identity: str) -> int:
        reads = ChargePointReads(self.database.reads, tenant_id)
        charge_point_id: int = found_charge_point(await reads.get(identity), identity)["id"]
        return charge_point_id

    async def _habits(self, tenant_id: TenantId, identity: str) -> Habits:
        """Return the habits of a charge point as its quirk profiles are now."""
        row = await ChargePointReads(self.database.reads, tenant_id).get(identity)
        if row is None:
            return NO_HABITS
        device = Device(row["vendor"], row["model"], row["firmware_version"])
        return await current_habits(TenantReads(self.database.reads, tenant_id), device)

    def _store(self, tenant_id: TenantId) -> TransactionStore:
        return TransactionStore(TenantReads(self.database.reads, tenant_id))


def _require_done(outcome: OperatorOutcome) -> None:
    match outcome:
        case "stopped":
            raise Conflict("The transaction has been stopped.")
        case "attached_before":
            raise Conflict("The orphan record belongs to a transaction already.")
        case "no_such_record" | "other_charge_point":
            raise NotFound(
                "The charge point of the transaction has no such orphan record.", "orphan_record_id"
            )
        case "done":
            pass


def _collect(collector: SeriesCollector, records: list[MeterValueRecord]) -> None:
    for record in records:
        collector.add(record.sampled_at, record.sampled_values)


def _too_many_points(request: SeriesRequest) -> InvalidInput:
    problem = "is needed" if request.every_s is None else "is too small"
    detail = f"{problem}: there are more than {MOST_POINTS} points"
    return InvalidInput([FieldViolation("every_s", "too_many_points", detail)])


def _too_many_meter_values() -> InvalidInput:
    detail = f"has more than {MOST_METER_VALUES} meter values: list them by pages instead"
    return InvalidInput([FieldViolation("transaction_id", "too_many_meter_values", detail)])
