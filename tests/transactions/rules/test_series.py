"""Meter values as series: units, defaults, buckets, and registers that are odd."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transactions.rules.series import (
    Series,
    SeriesCollector,
    SeriesKey,
    SeriesRequest,
    key_of,
    number_of,
    shows_kwh,
)
from tests.support.api import NOW

REGISTER = "Energy.Active.Import.Register"
INTERVAL = "Energy.Reactive.Import.Interval"
POWER = "Power.Active.Import"
SECOND = timedelta(seconds=1)


def collected(
    samples: list[tuple[int, Any]],
    request: SeriesRequest | None = None,
    registers: tuple[int | None, int | None] = (None, None),
) -> tuple[list[Series], int]:
    """The series of samples, each with its seconds after NOW."""
    collector = SeriesCollector(request or SeriesRequest())
    for second, sampled in samples:
        collector.add(NOW + SECOND * second, [sampled])
    series = collector.series(*registers)
    assert collector.points == sum(len(one.points) for one in series)
    return series, collector.left_out


def points(series: Series) -> list[tuple[float, str]]:
    return [((point.at - NOW) / SECOND, format(point.value, "f")) for point in series.points]


@pytest.mark.parametrize(
    ("sampled", "key", "in_thousands"),
    [
        ({}, (REGISTER, None, "Outlet", "Wh"), False),
        ({"measurand": None, "unit": ""}, (REGISTER, None, "Outlet", "Wh"), False),
        ({"unit": "kWh", "phase": "L1"}, (REGISTER, "L1", "Outlet", "Wh"), True),
        ({"measurand": POWER, "unit": "kW", "location": "EV"}, (POWER, None, "EV", "W"), True),
        ({"measurand": POWER}, (POWER, None, "Outlet", None), False),
        ({"measurand": INTERVAL}, (INTERVAL, None, "Outlet", "Wh"), False),
        ({"measurand": "SoC", "unit": "Percent"}, ("SoC", None, "Outlet", "Percent"), False),
        ({"measurand": "Vendor.Own", "unit": "kvarh"}, ("Vendor.Own", None, "Outlet", "varh"), True),
    ],
)
def test_a_sample_belongs_to_a_series_by_its_names_and_their_defaults(
    sampled: dict[str, Any], key: tuple[Any, ...], in_thousands: bool
) -> None:
    assert key_of(sampled) == (SeriesKey(*key), in_thousands)


@pytest.mark.parametrize("sampled", [None, 5, "1", ["1"], {"measurand": 7}, {"unit": ["Wh"]}])
def test_what_has_no_readable_names_belongs_to_no_series(sampled: Any) -> None:
    assert key_of(sampled) is None


@pytest.mark.parametrize(
    ("sampled", "number"),
    [
        ({"value": "18250"}, "18250"),
        ({"value": " -0.10 "}, "-0.10"),
        ({"value": "1.5e3"}, "1.5e3"),
        ({"value": ".5"}, "0.5"),
        ({"value": 7}, "7"),
        ({"value": 7.25}, "7.25"),
        ({"value": "0.1", "format": "Raw"}, "0.1"),
    ],
)
def test_numbers_are_read_exactly(sampled: dict[str, Any], number: str) -> None:
    assert number_of(sampled) == Decimal(number)


@pytest.mark.parametrize(
    "sampled",
    [
        {},
        *({"value": value} for value in (None, True, "", "NaN", "Infinity", "1,5", "0x10", "1_000", "1e300")),
        {"value": "1000000000000000"},
        {"value": "0." + "1" * 27},
        {"value": "1234", "format": "SignedData"},
    ],
)
def test_what_is_not_a_number_has_no_value(sampled: dict[str, Any]) -> None:
    assert number_of(sampled) is None


def test_each_measurand_phase_location_and_unit_is_a_series() -> None:
    samples: list[tuple[int, Any]] = [
        (0, {"value": "18.0", "unit": "kWh"}),
        (0, {"value": "3.5", "measurand": POWER, "unit": "kW"}),
        (0, {"value": "230", "measurand": "Voltage", "phase": "L2", "unit": "V"}),
        (0, {"value": "231", "measurand": "Voltage", "phase": "L1", "unit": "V"}),
        (9, {"value": "18250", "unit": "Wh"}),
        (9, {"value": "40", "measurand": POWER, "location": "EV"}),
    ]
    series, left_out = collected(samples)
    assert [(tuple(one.key), points(one)) for one in series] == [
        ((REGISTER, None, "Outlet", "Wh"), [(0, "18000"), (9, "18250")]),
        ((POWER, None, "EV", None), [(9, "40")]),
        ((POWER, None, "Outlet", "W"), [(0, "3500")]),
        (("Voltage", "L1", "Outlet", "V"), [(0, "231")]),
        (("Voltage", "L2", "Outlet", "V"), [(0, "230")]),
    ]
    assert left_out == 0
    assert {one.aggregate for one in series} == {None}


@pytest.mark.parametrize(
    ("request_", "found", "left_out"),
    [
        (SeriesRequest(), 4, 2),
        (SeriesRequest(measurand="Voltage"), 2, 1),
        (SeriesRequest(measurand="Voltage", phase="L1"), 1, 0),
        (SeriesRequest(location="EV"), 1, 0),
        (SeriesRequest(phase="L3"), 0, 0),
    ],
)
def test_only_what_is_asked_for_is_returned_and_counted(
    request_: SeriesRequest, found: int, left_out: int
) -> None:
    samples: list[tuple[int, Any]] = [
        (0, {"value": "1"}),
        (0, {"value": "signed", "format": "SignedData"}),
        (0, {"value": "231", "measurand": "Voltage", "phase": "L1"}),
        (0, {"value": "231", "measurand": "Voltage", "phase": "L2"}),
        (0, {"value": "bad", "measurand": "Voltage"}),
        (0, {"value": "50", "measurand": "SoC", "location": "EV"}),
    ]
    series, counted = collected(samples, request_)
    assert (len(series), counted) == (found, left_out)


def test_a_value_that_was_sent_twice_is_one_point() -> None:
    samples: list[tuple[int, Any]] = [
        (0, {"value": "1000"}),
        (0, {"value": "1.000", "unit": "kWh", "context": "Transaction.Begin"}),
        (0, {"value": "1001"}),
        (5, {"value": "1001"}),
    ]
    [series], _ = collected(samples)
    assert points(series) == [(0, "1000"), (0, "1001"), (5, "1001")]


def test_a_bucket_has_the_last_value_of_a_register_and_the_mean_of_others() -> None:
    samples: list[tuple[int, Any]] = []
    for second, wh, watts in ((0, 100, 1000), (10, 150, 2000), (29, 170, 4001), (31, 180, 7), (95, 190, 8)):
        samples += [(second, {"value": str(wh)}), (second, {"value": str(watts), "measurand": POWER})]
    [register, power], _ = collected(samples, SeriesRequest(every_s=30))
    # NOW is a multiple of 30 seconds.
    assert (register.aggregate, points(register)) == ("last", [(29, "170"), (31, "180"), (95, "190")])
    assert (power.aggregate, points(power)) == (
        "mean",
        [(0, "2333.666667"), (30, "7.000000"), (90, "8.000000")],
    )


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 10**6)), max_size=60),
    st.integers(1, 200),
)
def test_buckets_keep_order_and_last_register(samples: list[tuple[int, int]], every_s: int) -> None:
    ordered: list[tuple[int, Any]] = [(at, {"value": str(value)}) for at, value in sorted(samples)]
    series, _ = collected(ordered, SeriesRequest(every_s=every_s))
    raw, _ = collected(ordered)
    assert len(series) == len(raw) == min(1, len(samples))
    for one, every in zip(series, raw, strict=True):
        times = [point.at for point in one.points]
        assert times == sorted(set(times))
        assert one.points[-1] == every.points[-1]
        assert set(one.points) <= set(every.points)
        assert one.flags == every.flags


@pytest.mark.parametrize(
    ("values", "measurand", "restarted"),
    [
        ([(0, 100), (1, 100), (2, 101)], REGISTER, False),
        ([(0, 100), (1, 99)], REGISTER, True),
        ([(0, 100), (1, 0), (2, 500)], "Energy.Active.Export.Register", True),
        ([(0, 100), (1, 99)], POWER, False),
        ([(0, 101), (0, 100), (1, 101)], REGISTER, False),
        ([(0, 101), (0, 100), (1, 100)], REGISTER, True),
    ],
    ids=["grows", "falls", "falls and grows", "not a register", "two at one time", "below one of two"],
)
def test_a_register_that_falls_is_flagged(
    values: list[tuple[int, int]], measurand: str, restarted: bool
) -> None:
    samples = [(at, {"value": str(value), "measurand": measurand}) for at, value in values]
    for request in (SeriesRequest(), SeriesRequest(every_s=3600)):
        [series], _ = collected(samples, request)
        assert series.flags == (["register_restarted"] if restarted else [])


@pytest.mark.parametrize(
    ("value", "register_wh", "in_kwh"),
    [
        ("18.25", 18_000, True),
        ("19", 18_000, True),
        ("19.01", 18_000, False),
        ("18250", 18_000, False),
        ("10", 10_000, True),
        ("0.4", 0, False),
        ("9.9", 9_999, False),
        ("18", None, False),
    ],
)
def test_a_register_in_kwh_is_known_by_that_of_start_or_stop(
    value: str, register_wh: int | None, in_kwh: bool
) -> None:
    assert shows_kwh(Decimal(value), register_wh) is in_kwh


@pytest.mark.parametrize(
    ("samples", "registers", "in_kwh"),
    [
        ([{"value": "18.2"}, {"value": "22.9"}], (18_000, None), True),
        ([{"value": "18.2", "unit": "Wh"}], (18_000, None), True),
        ([{"value": "18.2", "unit": "kWh"}], (18_000, None), False),
        ([{"value": "0.0"}, {"value": "24.9"}], (0, 25_000), True),
        ([{"value": "0"}, {"value": "24900"}], (0, 25_000), False),
        ([{"value": "18.0", "unit": "kWh"}, {"value": "18.2"}], (18_000, None), True),
        ([{"value": "18.2", "phase": "L1"}], (18_000, None), False),
        ([{"value": "18.2", "measurand": "Energy.Active.Export.Register"}], (18_000, None), False),
        ([{"value": "18.2"}], (None, None), False),
    ],
)
def test_a_register_in_kwh_is_flagged_and_not_changed(
    samples: list[dict[str, str]], registers: tuple[int | None, int | None], in_kwh: bool
) -> None:
    [series], _ = collected(list(enumerate(samples)), registers=registers)
    assert ("register_in_kwh" in series.flags) is in_kwh
    assert "kWh" in str(samples[-1]) or points(series)[-1][1] == samples[-1]["value"]
