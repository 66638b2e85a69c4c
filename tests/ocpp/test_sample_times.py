"""The time of a sample is the same whether the core reads it for the queue or the handler does."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import microseconds_of, parse_time
from app.ocpp import MeterQueue
from tests.support.conversations import new_conversation

YEARS = st.one_of(st.integers(0, 9999), st.sampled_from([0, 1, 2, 1582, 1900, 2000, 2024, 9998, 9999]))
TWO_DIGITS = st.one_of(st.integers(0, 61), st.integers(0, 12))
FRACTIONS = st.one_of(st.just(""), st.from_regex(r"\.[0-9]{1,9}", fullmatch=True))
ZONES = st.one_of(
    st.sampled_from(["Z", "z", "", "+00:00", "-00:00", "+14:00", "-23:59", "+0100", "+01"]),
    st.from_regex(r"[+-][0-2][0-9]:[0-5][0-9]", fullmatch=True),
)


@st.composite
def times(draw: st.DrawFn) -> str:
    month, day = draw(st.integers(1, 12)), draw(st.integers(1, 31))
    hour, minute, second = draw(st.integers(0, 24)), draw(TWO_DIGITS), draw(TWO_DIGITS)
    separator = draw(st.sampled_from("TTTt _"))
    clock = f"{hour:02}:{minute:02}:{second:02}"
    return f"{draw(YEARS):04}-{month:02}-{day:02}{separator}{clock}{draw(FRACTIONS)}{draw(ZONES)}"


def queued(text: str) -> Any:
    """The time under which the core has queued a sample; None: it has left it to the handler."""
    meters = MeterQueue(8, 8, lambda: None)
    frame = (
        '[2,"1","MeterValues",{"connectorId":1,"transactionId":1,"meterValue":'
        f'[{{"timestamp":"{text}","sampledValue":[{{"value":"1"}}]}}]}}]'
    )
    new_conversation(meters=meters).text(frame)
    batch = meters.take()
    return None if batch is None else batch.records()[0][-1][0][0]


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(times())
def test_what_the_core_takes_it_reads_as_the_handler_would(text: str) -> None:
    found = queued(text)
    if found is not None:
        moment = parse_time(text)
        assert moment is not None, text
        assert found == microseconds_of(moment), text


def test_the_times_that_charge_points_send_are_taken() -> None:
    for text in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z", "2026-07-01T12:00:00+02:00"):
        assert queued(text) is not None, text
