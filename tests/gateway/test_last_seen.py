"""When charge points were last heard, as the database knows it."""

from datetime import timedelta
from typing import Any, cast

import pytest

from app.charge_points.login_batcher import LoginBatcher
from app.charge_points.records import LastSeen
from app.connection import Connection
from app.errors import StoreUnavailable
from app.gateway import last_seen as module
from app.gateway.last_seen import LastSeenRecorder
from app.gateway.ticker import LAST_SEEN_PERIOD_S
from tests.support.live import connection


class Written:
    """Takes what would be written."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.is_away = False

    async def record_last_seen(self, times: list[LastSeen]) -> None:
        if self.is_away:
            raise StoreUnavailable
        self.batches.append([seen.charge_point_id for seen in times])


def recorder(written: Written) -> LastSeenRecorder:
    return LastSeenRecorder(cast(LoginBatcher, cast(Any, written)))


def connections(count: int) -> list[Connection]:
    made = [connection(1, identity=str(number), charge_point_id=number) for number in range(count)]
    for number, one in enumerate(made):
        one.connection_id = str(number)
    return made


def hear(one: Connection) -> None:
    one.connected_at += timedelta(seconds=1)


async def test_only_what_has_changed_is_written() -> None:
    written = Written()
    seen, heard = recorder(written), connections(3)
    await seen.write(heard)
    await seen.write(heard)
    hear(heard[1])
    await seen.write(heard)
    assert written.batches == [[0, 1, 2], [1]]


async def test_many_are_written_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PORTION", 2)
    written = Written()
    await recorder(written).write(connections(5))
    assert written.batches == [[0, 1], [2, 3], [4]]


async def test_what_was_not_written_is_written_with_the_next() -> None:
    written = Written()
    seen, heard = recorder(written), connections(1)
    written.is_away = True
    await seen.write(heard)
    written.is_away = False
    await seen.write(heard)
    assert written.batches == [[0]]


async def test_a_connection_that_ends_is_written_and_forgotten() -> None:
    written = Written()
    seen, heard = recorder(written), connections(1)
    await seen.write(heard)
    await seen.write_closed(heard[0], 1000)
    await seen.write(heard)
    assert written.batches == [[0], [0], [0]]


def test_the_time_is_right_within_five_seconds() -> None:
    assert LAST_SEEN_PERIOD_S < 5.0
