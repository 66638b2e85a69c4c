"""Stores the states of connectors in batches: StatusNotifications that come at once share one commit."""

from collections.abc import Sequence
from typing import Final

from app.batcher import Batcher
from app.charge_points.records import StatusRecorded, StatusReport
from app.charge_points.store import record_statuses
from app.database.prepared import Prepared
from app.errors import StoreUnavailable
from app.types import ChargePointKey

_BATCH: Final = 200
"""The most reports of one statement, which takes PostgreSQL some milliseconds."""

_Reported = tuple[ChargePointKey, StatusReport]
_Result = StatusRecorded | Exception


class StatusBatcher:
    """The statements of one worker about the states of connectors."""

    def __init__(self, steps: Prepared, connector_limit: int) -> None:
        """Make a batcher.

        Args:
            steps: the connections that run the statements.
            connector_limit: the most connectors that a charge point may have.
        """
        self._steps = steps
        self._connector_limit = connector_limit
        self._batcher: Batcher[_Reported, _Result] = Batcher(self._record, _BATCH)

    async def record(self, place: ChargePointKey, report: StatusReport) -> StatusRecorded:
        """Store a report, unless the stored one is newer. Return after the commit.

        Raises:
            StoreUnavailable: the database is away or too slow. The change may or may not be done.
            NotFound: the charge point was deleted.
        """
        result = await self._batcher.add((place, report))
        if isinstance(result, Exception):
            raise result
        return result

    async def _record(self, reports: list[_Reported]) -> list[_Result]:
        results: dict[int, _Result] = {}
        left = list(enumerate(reports))
        while left:
            # A statement changes each row once, so a second report of a connector goes into the next one.
            first: dict[tuple[int, int, int], int] = {}
            for number, (place, report) in left:
                first.setdefault((*place, report.connector_id), number)
            numbers = list(first.values())
            together = await self._record_together([reports[number] for number in numbers])
            results |= dict(zip(numbers, together, strict=True))
            left = [item for item in left if item[0] not in results]
        return [results[number] for number in range(len(reports))]

    async def _record_together(self, reports: Sequence[_Reported]) -> Sequence[_Result]:
        try:
            return await record_statuses(self._steps.rows, reports, self._connector_limit)
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(reports) == 1:
                return [error]
        # One that cannot be stored, of a charge point that was deleted for example, fails alone.
        return [(await self._record_together([one]))[0] for one in reports]
