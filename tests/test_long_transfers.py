"""How long an upload may last."""

import pytest

from app.long_transfers import EXTENSION, LEAST_BYTES_PER_S, STALL_S, begin_long_transfer, upload_deadline


@pytest.mark.parametrize(
    ("now", "received_bytes", "deadline"),
    [
        (0.0, 0, STALL_S),
        # One byte now and then does not help.
        (50.0, 50, STALL_S + 50 / LEAST_BYTES_PER_S),
        # One that comes fast enough on average may go on.
        (3600.0, 3600 * LEAST_BYTES_PER_S, 3600 + STALL_S),
        # One that was fast may not stall for longer than others.
        (1.0, 2**40, 1 + STALL_S),
    ],
)
def test_an_upload_may_last_as_long_as_it_makes_progress(
    now: float, received_bytes: int, deadline: float
) -> None:
    assert upload_deadline(0.0, now, received_bytes) == pytest.approx(deadline)


def test_a_server_without_the_extension_is_not_told() -> None:
    told: list[str] = []
    begin_long_transfer({})
    begin_long_transfer({"extensions": {}})
    begin_long_transfer({"extensions": {EXTENSION: lambda: told.append("begun")}})
    assert told == ["begun"]
