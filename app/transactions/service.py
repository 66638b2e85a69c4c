"""Use cases of transactions: read them, their meter values, and the messages that fit none."""

from dataclasses import dataclass
from datetime import datetime

from app.charge_points.service import found_charge_point
from app.charge_points.store import ChargePointReads
from app.database.database import Database
from app.database.unit_of_work import TenantReads
from app.errors import NotFound
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import (
    MeterValueFilter,
    MeterValueRecord,
    StoredOrphan,
    TransactionFilter,
    TransactionRecord,
)
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class TransactionService:
    """The use cases of transactions. Charge points write them, through the ledger."""

    database: Database

    async def get(self, tenant_id: TenantId, transaction_id: int) -> TransactionRecord:
        """Return a transaction by its OCPP transactionId.

        Raises:
            NotFound: the tenant has no such transaction.
        """
        record = await self._store(tenant_id).get(transaction_id)
        if record is None:
            raise NotFound("There is no such transaction.", "transaction_id")
        return record

    async def page(
        self,
        tenant_id: TenantId,
        limit: int,
        after: tuple[datetime, int] | None,
        filters: TransactionFilter,
    ) -> list[TransactionRecord]:
        """Return transactions, the latest start first. after: start and id of the last one seen."""
        return await self._store(tenant_id).page(limit, after, filters)

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

    async def _charge_point_id(self, tenant_id: TenantId, identity: str) -> int:
        reads = ChargePointReads(self.database.reads, tenant_id)
        charge_point_id: int = found_charge_point(await reads.get(identity))["id"]
        return charge_point_id

    def _store(self, tenant_id: TenantId) -> TransactionStore:
        return TransactionStore(TenantReads(self.database.reads, tenant_id))
