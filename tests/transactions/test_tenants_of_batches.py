"""Whatever tenants are mixed in a commit of the ledger: each row is under the tenant of its connection.

The role of the ledger is exempt from the policies of the tables, so only its own statements see to that.
"""

import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.charge_points.store import ChargePointStore
from app.clock import SystemClock
from app.database.connecting import StationConnection, connect
from app.database.roles import LEDGER, Roles
from app.frame_log.recorder import FrameLog
from app.ocpp import MeterQueue, unpack_frames, unpack_samples
from app.settings import Settings
from app.storage import Storage
from app.tenants.store import TenantStore
from app.transactions.batch import PLANNER_SETTINGS, write_batch
from app.transactions.records import LedgerRecord
from app.transactions.store.transaction_ids import TransactionIds
from tests.support.conversations import new_conversation
from tests.support.store import NOW, ChargePointRecords

pytestmark = pytest.mark.slow

_TENANTS = 4
_STEP = 1_000_000
"""A number in a record, divided by it, is the place of its tenant."""
_NUMBERS = itertools.count(1)
_ROWS = """
    select tenant_id, meter_start_wh as number from transactions
    union all select tenant_id, meter_stop_wh from transactions where meter_stop_wh is not null
    union all select tenant_id, meter_stop_wh from orphan_records
"""
_SAMPLES = "select tenant_id, packed_values from meter_values"
_FRAMES = "select tenant_id, packed from frame_runs"
_VALUE = re.compile(r'"value":"(\d+)"')


@dataclass
class _Mix:
    """Charge points of several tenants, a connection of the ledger, and the frame log."""

    ledger: StationConnection
    owner: "asyncpg.Connection[asyncpg.Record]"
    frame_log: FrameLog
    points: list[ChargePointRecords]
    ids: TransactionIds

    async def commit(self, sent: list[tuple[int, str]]) -> None:
        """Write messages of tenants by one batch, and their frames."""
        meters = MeterQueue(512, 1000, lambda: None)
        records: list[LedgerRecord] = []
        for place, kind in sent:
            point, number = self.points[place], place * _STEP + next(_NUMBERS)
            if kind == "start":
                at = NOW + timedelta(seconds=number % _STEP)
                records.append(point.start(meter_start_wh=number, connector_id=number % _STEP, started_at=at))
            elif kind == "stop":
                raw = {"transactionId": -1, "meterStop": number}
                stopped_at = NOW + timedelta(days=300, seconds=number % _STEP)
                records.append(point.stop(-1, meter_stop_wh=number, raw=raw, stopped_at=stopped_at))
            else:
                values = f'[{{"value":"{number}"}}]'
                sample = f'{{"timestamp":"{datetime.now(UTC).isoformat()}","sampledValue":{values}}}'
                conversation = new_conversation(**point.place, meters=meters, frames=self.frame_log.buffer)
                payload = f'{{"connectorId":1,"transactionId":{number},"meterValue":[{sample}]}}'
                assert conversation.text(f'[2,"{number}","MeterValues",{payload}]') is None
        await write_batch(self.ledger, records, self.ids, timedelta(minutes=3), meters.take())
        await self.frame_log.flush()

    async def stored(self) -> list[tuple[int, int]]:
        """Return the tenant and the number of each record, and of each frame with samples."""
        found = [(row["tenant_id"], row["number"]) for row in await self.owner.fetch(_ROWS)]
        texts = [
            (row["tenant_id"], unpack_samples(row["packed_values"]))
            for row in await self.owner.fetch(_SAMPLES)
        ]
        for row in await self.owner.fetch(_FRAMES):
            _, frames = unpack_frames(row["packed"], 0)
            texts += [(row["tenant_id"], text) for _, _, text, _ in frames]
        for tenant_id, text in texts:
            if (match := _VALUE.search(text)) is not None:
                found.append((tenant_id, int(match[1])))
        return found


@pytest.fixture
async def mix(storage: Storage, database_url: str, settings: Settings) -> AsyncIterator[_Mix]:
    points = []
    for place in range(_TENANTS):
        async with storage.database.platform() as platform:
            tenant = await TenantStore(platform).create(f"mixed-{place}", "Mixed")
        async with storage.database.tenant(tenant.id) as work:
            points.append(ChargePointRecords(storage, tenant, await ChargePointStore(work).create("CP-1")))
    ledger = await connect(database_url, "ledger", {**PLANNER_SETTINGS, "role": LEDGER})
    owner = await asyncpg.connect(database_url)
    frame_log = FrameLog(database_url, settings=settings, clock=SystemClock(), roles=Roles(ledger=True))
    yield _Mix(ledger, owner, frame_log, points, TransactionIds())
    await frame_log.close()
    await ledger.close()
    await owner.close()


_SENT = st.tuples(st.integers(0, _TENANTS - 1), st.sampled_from(["start", "stop", "samples"]))


@given(sent=st.lists(_SENT, min_size=1, max_size=40))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_each_row_is_under_the_tenant_of_its_connection(mix: _Mix, sent: list[tuple[int, str]]) -> None:
    await mix.owner.execute("truncate transactions, orphan_records, meter_values, frame_runs cascade")
    await mix.commit(sent)
    rows = await mix.stored()
    samples = sum(kind == "samples" for _, kind in sent)
    assert len(rows) == len(sent) + samples
    for tenant_id, number in rows:
        assert tenant_id == mix.points[number // _STEP].tenant.id
