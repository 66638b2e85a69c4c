"""Values that a picture has over a composite schedule: measured ones, and the charge point's own limits."""

from datetime import datetime
from typing import NamedTuple


class Measured(NamedTuple):
    """A value that a connector drew from the grid at one moment. amount: in the unit of the schedule.

    transaction_id: no line connects the values of two transactions, because nothing is known in between.
    """

    at: datetime
    amount: float
    transaction_id: int | None = None


class ReportedLimit(NamedTuple):
    """A limit of the charge point's own schedule, in seconds after the start of ours. limit None: none."""

    start_s: float
    end_s: float
    limit: float | None
