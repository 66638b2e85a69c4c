"""The ledger: group commit of everything that is worth money. SQL in `ledger_sql` and its neighbours."""

from app.clock import Clock
from app.settings import Settings
from app.store.entries import (
    InvalidRecord,
    MeterReadings,
    StopRecorded,
    TransactionStart,
    TransactionStarted,
    TransactionStop,
)


class Ledger:
    """The durable writer of one worker. Each method returns after the fsynced commit of its record."""

    def __init__(self, url: str, *, settings: Settings, clock: Clock) -> None:
        self._url = url

    def start(self) -> None:
        """Begin to write in the background."""

    async def close(self) -> None:
        """Commit what waits, and end."""

    async def start_transaction(self, start: TransactionStart) -> TransactionStarted:
        """Record a start, authorize its tag, allocate the transactionId.

        Raises:
            StoreUnavailable: not committed in time. CallFailed: this record cannot be stored.
        """
        raise NotImplementedError

    async def stop_transaction(self, stop: TransactionStop) -> StopRecorded:
        """Record a stop."""
        raise NotImplementedError

    async def meter_values(self, readings: MeterReadings) -> None:
        """Record meter values."""
        raise NotImplementedError

    async def keep_invalid(self, record: InvalidRecord) -> None:
        """Keep a refused billing message."""
        raise NotImplementedError
