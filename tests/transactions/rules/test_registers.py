"""The register that samples show, and the energy between two."""

import json
from typing import Any

import pytest

from app.transactions.rules.registers import energy_of, register_of

SMALLEST, LARGEST = -(2**63), 2**63 - 1


@pytest.mark.parametrize(
    ("samples", "register"),
    [
        ([{"value": "1500"}], 1500),
        ([{"value": "1500.4", "unit": "Wh"}], 1500),
        ([{"value": "1.5", "unit": "kWh", "measurand": "Energy.Active.Import.Register"}], 1500),
        ([{"value": "7", "measurand": "Power.Active.Import"}, {"value": "1500"}], 1500),
        ([{"value": "500", "phase": "L1"}, {"value": "1500"}], 1500),
        ([{"value": "bad"}, {"value": "1500"}], 1500),
        ([{"value": "NaN"}], None),
        ([{"value": "1e300"}], None),
        ([{"value": "1", "unit": "varh"}], None),
        ([{"unit": "Wh"}, None, 5], None),
        ([], None),
    ],
)
def test_the_register_is_the_first_that_can_be_read(samples: list[Any], register: int | None) -> None:
    assert register_of(json.dumps(samples)) == register


@pytest.mark.parametrize(
    ("start", "stop", "energy"),
    [
        (1000, 9000, 8000),
        (9000, 1000, -8000),
        (None, 1, None),
        (1, None, None),
        (0, LARGEST, LARGEST),
        (-1, LARGEST, None),
        (LARGEST, SMALLEST, None),
        (SMALLEST, LARGEST, None),
    ],
)
def test_energy_is_the_difference_if_a_column_can_hold_it(
    start: int | None, stop: int | None, energy: int | None
) -> None:
    assert energy_of(start, stop) == energy
