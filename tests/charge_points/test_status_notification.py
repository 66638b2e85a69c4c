"""StatusNotification: one statement stores it, and tells whether a session is over."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import pytest

from app.charge_points.handlers.status_notification import StatusServices, handle
from app.charge_points.status_batcher import StatusBatcher
from app.charge_points.store import ConnectorStore
from app.clock import SystemClock
from app.connection import Connection
from app.errors import StoreUnavailable
from app.transactions.records import SessionsOver
from app.types import ChargePointId, TenantId
from tests.support.protocol import OCPP16
from tests.support.store import NOW, ChargePointRecords


@dataclass
class Reported:
    """A connection whose reports are handled, and what the ledger was told."""

    records: ChargePointRecords
    told: list[int | None] = field(default_factory=list)
    is_away: bool = False
    epoch: int = 1

    async def report(self, status: str, connector_id: int = 1, **more: Any) -> None:
        """Handle one StatusNotification."""
        request: Any = {"connectorId": connector_id, "errorCode": "NoError", "status": status, **more}
        statuses = StatusBatcher(self.records.storage.message_steps, connector_limit=4)
        services = StatusServices(statuses, SystemClock(), self._over)
        assert await handle(services, self._connection(), request) == {}

    async def statuses(self) -> dict[int, str]:
        """Return the stored statuses by connector."""
        async with self.records.database.tenant(self.records.tenant.id) as work:
            stored = await ConnectorStore(work).for_charge_point(self.records.record.id)
        return {connector.connector_id: connector.status for connector in stored}

    async def texts(self) -> tuple[str, str | None, str | None]:
        """Return the stored error code, info and vendor error code of connector 1."""
        async with self.records.database.tenant(self.records.tenant.id) as work:
            (stored,) = await ConnectorStore(work).for_charge_point(self.records.record.id)
        return stored.error_code, stored.info, stored.vendor_error_code

    async def _over(
        self, connection: Connection, connector_id: int | None, reason: Literal["boot", "available"]
    ) -> None:
        if self.is_away:
            raise StoreUnavailable
        self.told.append(connector_id)

    def _connection(self) -> Connection:
        return Connection(
            tenant_id=TenantId(self.records.tenant.id),
            tenant_slug=self.records.tenant.slug,
            charge_point_id=ChargePointId(self.records.record.id),
            protocol=OCPP16,
            identity=self.records.record.identity,
            connection_id="connection-1",
            epoch=self.epoch,
            strict=False,
            registration_status="Accepted",
            heartbeat_interval_s=300,
            remote="192.0.2.1",
            subprotocol="ocpp1.6",
            connected_at=NOW,
        )


@pytest.fixture
def reported(records: ChargePointRecords) -> Reported:
    return Reported(records)


async def test_available_without_an_open_transaction_costs_the_ledger_nothing(reported: Reported) -> None:
    ledger, records = reported.records.storage.ledger, reported.records
    for status in ("Available", "Available", "Preparing", "Available"):
        await reported.report(status)
    stopped = await ledger.start_transaction(records.start())
    await ledger.stop_transaction(records.stop(stopped.transaction_id))
    await reported.report("Available")
    assert reported.told == []
    assert await reported.statuses() == {1: "Available"}


async def test_a_secret_in_a_text_is_hidden(reported: Reported) -> None:
    # Some charge points write more into the error code than the standard has.
    texts: dict[str, Any] = {"errorCode": "no ftp://u:hunter2@h", "info": "no ftp://u:hunter2@h"}
    await reported.report("Faulted", **texts, vendorErrorCode="https://h/?token=hunter2")
    assert await reported.texts() == ("no ftp://u:***@h", "no ftp://u:***@h", "https://h/?token=***")
    await reported.report("Faulted", errorCode="OtherError", info="cover open", vendorErrorCode="E 7")
    assert await reported.texts() == ("OtherError", "cover open", "E 7")


@pytest.mark.parametrize(
    "told",
    [
        "Control pilot pin error 12",
        "CP pin 5 voltage low",
        "PIN short circuit E23",
        "PP pin=0V",
        "Basic 230V/16A mode",
        "rpc bearer LTE-B20/B3 lost",
    ],
)
async def test_the_text_of_a_fault_stays(reported: Reported, told: str) -> None:
    await reported.report("Faulted", errorCode=told, info=told, vendorErrorCode=told)
    assert await reported.texts() == (told, told, told)


async def test_available_ends_the_open_transaction_of_its_connector(reported: Reported) -> None:
    ledger, records = reported.records.storage.ledger, reported.records
    await ledger.start_transaction(records.start(connector_id=1))
    await reported.report("Charging", 1)
    await reported.report("Available", 2)
    await reported.report("Available", 0)
    assert reported.told == []
    await reported.report("Available", 1)
    assert reported.told == [1]
    await ledger.sessions_over(
        SessionsOver(records.tenant.id, records.record.id, 1, "available", NOW + timedelta(hours=1))
    )
    await reported.report("Available", 1)
    assert reported.told == [1], "it is presumed to have ended already"


async def test_a_start_without_another_status_is_ended_by_the_next_available(reported: Reported) -> None:
    await reported.report("Available")
    await reported.records.storage.ledger.start_transaction(reported.records.start())
    await reported.report("Available")
    assert reported.told == [1]


async def test_what_the_ledger_missed_is_told_again_by_a_repeat(reported: Reported) -> None:
    await reported.records.storage.ledger.start_transaction(reported.records.start())
    reported.is_away = True
    with pytest.raises(StoreUnavailable):
        await reported.report("Available")
    reported.is_away = False
    await reported.report("Available")
    assert reported.told == [1]


@pytest.mark.parametrize("connector_id", [5, 2**31, 2**40])
async def test_a_connector_that_is_not_stored_may_have_a_transaction(
    reported: Reported, connector_id: int
) -> None:
    for number in range(5):
        await reported.report("Charging", number)
    await reported.report("Charging", connector_id)
    assert reported.told == []
    await reported.report("Available", connector_id)
    assert reported.told == [connector_id]
    assert connector_id not in await reported.statuses()


async def test_a_report_of_an_older_connection_is_not_stored(reported: Reported) -> None:
    reported.epoch = 2
    await reported.report("Charging")
    reported.epoch = 1
    await reported.report("Faulted")
    assert await reported.statuses() == {1: "Charging"}
    assert reported.told == []


async def test_texts_that_the_database_cannot_hold_are_stored_without_those_letters(
    reported: Reported,
) -> None:
    await reported.report("Odd\0", info="\ud800", vendorId="\0", vendorErrorCode="a\0b")
    assert await reported.statuses() == {1: "Odd\ufffd"}
