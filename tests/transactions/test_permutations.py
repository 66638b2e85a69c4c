"""However the frames of a session come, in any order, twice or late: the ledger is the same in the end."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.transactions.records import TransactionStarted
from app.transactions.store.reading import TransactionStore
from tests.support.store import NOW, ChargePointRecords, RecordsMaker, reading

pytestmark = pytest.mark.slow

MINUTE = timedelta(minutes=1)
SAMPLES = 3
_NUMBERS = itertools.count(100)
"""Each example has a charge point of its own."""


@dataclass
class Charger:
    """A charge point that knows its transactionId only after the answer to its start."""

    records: ChargePointRecords
    connector_id: int
    number: int | None = None
    answers: dict[str, set[str]] = field(default_factory=dict)
    named: dict[str, int | None] = field(default_factory=dict)

    async def send(self, message: str, at: Any, names_its_id: bool) -> None:
        """Send one message. names_its_id: it names the transactionId, if that is known."""
        ledger = self.records.storage.ledger
        # A retry is the same text.
        known = self.named.setdefault(message, self.number if names_its_id else None)
        place = {"connector_id": self.connector_id}
        answer: object
        if message == "start":
            started: TransactionStarted = await ledger.start_transaction(
                self.records.start(**place, received_at=at, id_tag=f"TAG-{self.connector_id}")
            )
            self.number = started.transaction_id
            answer = (started.transaction_id, started.id_tag_info)
        elif message == "stop":
            stopped = await ledger.stop_transaction(
                self.records.stop(-1 if known is None else known, received_at=at)
            )
            answer = stopped.id_tag_info
        else:
            minutes = int(message)
            value = reading(NOW + minutes * MINUTE, [{"value": message}])
            await ledger.meter_values(self.records.readings(transaction_id=known, **place, readings=[value]))
            answer = None
        self.answers.setdefault(message, set()).add(repr(answer))


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_ledger_is_the_same_in_the_end(make_records: RecordsMaker, data: st.DataObject) -> None:
    records = await make_records(f"CP-{next(_NUMBERS)}")
    charger = Charger(records, 1)
    messages = ["start", "stop", *(str(minute) for minute in range(1, SAMPLES + 1))]
    first = data.draw(st.permutations(messages), "order")
    retries = data.draw(st.lists(st.sampled_from(messages), max_size=4), "retries")
    at = NOW + 2 * timedelta(hours=1)
    for message in (*first, *retries):
        at += MINUTE
        await charger.send(message, at, data.draw(st.booleans()))
    async with records.database.tenant(records.tenant.id) as work:
        store = TransactionStore(work)
        assert charger.number is not None
        transaction = await store.get(charger.number)
        assert transaction is not None
        values = await store.meter_values(transaction, 100)
        orphans = [
            one
            for one in await store.orphan_records(100, charge_point_id=records.record.id)
            if one.transaction_id is None
        ]
    assert (transaction.meter_start_wh, transaction.meter_stop_wh) == (
        1000,
        9000,
    )
    assert transaction.stopped_at == NOW + timedelta(hours=1)
    assert [value.sampled_values[0]["value"] for value in values] == ["1", "2", "3"]
    assert orphans == []
    assert all(len(found) == 1 for found in charger.answers.values()), charger.answers
