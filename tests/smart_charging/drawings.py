"""Drawn examples of docs/smart-charging.md: `python -m tests.smart_charging.drawings` writes them."""

import json
from pathlib import Path
from typing import Any

from app.smart_charging.composite import picture, read_question
from tests.support.protocol import OCPP16

DIRECTORY = Path(__file__).parents[2] / "docs" / "drawings"
_MORNING = "2026-03-02T10:00:00Z"

Json = dict[str, Any]
Rows = list[tuple[int, float]]


def _profile(
    number: int, purpose: str, rows: Rows, *, connector: int = 0, level: int = 0, **more: Any
) -> Json:
    """A profile as it was accepted. rows: start in seconds, limit; more: members of profile and schedule."""
    kind = more.pop("kind", "Absolute")
    of_profile = ("recurrencyKind", "validFrom", "validTo", "transactionId")
    unit, phases = more.pop("unit", "A"), more.pop("phases", None)
    schedule: Json = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": limit, **({"numberPhases": phases} if phases else {})}
            for start, limit in rows
        ],
        **{name: value for name, value in more.items() if name not in of_profile},
    }
    if kind != "Relative":
        schedule.setdefault("startSchedule", "2026-01-01T00:00:00Z")
    profile: Json = {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
        **{name: value for name, value in more.items() if name in of_profile},
    }
    return {"connectorId": connector, "csChargingProfiles": profile}


def _question(installed: list[Json], **more: Any) -> Json:
    """An hour of connector 1 from 10:00, with a transaction since then, on 32 A hardware."""
    return {
        "installed": installed,
        "transactions": [{"connectorId": 1, "transactionId": 501, "startTimestamp": _MORNING}],
        "connectorId": 1,
        "scheduleStart": _MORNING,
        "duration": 3600,
        "hardwareMax": {"A": 32},
        **more,
    }


_LAPSING = [
    _profile(1, "TxDefaultProfile", [(0, 8)]),
    _profile(2, "TxProfile", [(0, 32), (900, 16)], connector=1, kind="Relative", duration=2700),
]

EXAMPLES: dict[str, tuple[str, Json]] = {
    "stacking": (
        "A higher stack level leads while it is in force",
        _question(
            [
                _profile(1, "TxDefaultProfile", [(0, 16)]),
                _profile(
                    2,
                    "TxDefaultProfile",
                    [(0, 10), (600, 13)],
                    level=1,
                    startSchedule="2026-03-02T10:15:00Z",
                    duration=1500,
                ),
                _profile(3, "TxDefaultProfile", [(0, 6)], level=2, validFrom="2026-03-02T10:50:00Z"),
            ]
        ),
    ),
    "purposes": (
        "The transaction's own profile, the default behind it, the cap over both",
        _question(
            [
                *_LAPSING,
                _profile(
                    3,
                    "ChargePointMaxProfile",
                    [(0, 9_000), (900, 20_000)],
                    unit="W",
                    startSchedule="2026-03-02T10:20:00Z",
                ),
            ]
        ),
    ),
    "strict": ("The same by the letter of 3.13.1", _question(_LAPSING, options={"strictTxOverride": True})),
    "recurring": (
        "Every night 32 A, on Saturday all day 24 A, else 8 A",
        _question(
            [
                _profile(1, "TxDefaultProfile", [(0, 8)]),
                _profile(
                    2,
                    "TxDefaultProfile",
                    [(0, 32)],
                    level=1,
                    kind="Recurring",
                    recurrencyKind="Daily",
                    startSchedule="2026-01-01T22:00:00Z",
                    duration=28_800,
                ),
                _profile(
                    3,
                    "TxDefaultProfile",
                    [(0, 24)],
                    level=2,
                    kind="Recurring",
                    recurrencyKind="Weekly",
                    startSchedule="2026-01-03T00:00:00Z",
                    duration=86_400,
                ),
            ],
            scheduleStart="2026-03-05T12:00:00Z",
            duration=4 * 86_400,
        ),
    ),
    "units": (
        "6 900 W on one phase, 22 000 W on three, a cap of 20 A, at the end 2 000 W",
        _question(
            [
                _profile(1, "ChargePointMaxProfile", [(0, 20)], startSchedule="2026-03-02T10:30:00Z"),
                _profile(2, "TxDefaultProfile", [(0, 22_000)], unit="W"),
                _profile(
                    3,
                    "TxProfile",
                    [(0, 6_900)],
                    connector=1,
                    unit="W",
                    phases=1,
                    kind="Relative",
                    duration=2400,
                ),
                _profile(
                    4,
                    "TxDefaultProfile",
                    [(0, 2_000)],
                    level=1,
                    unit="W",
                    startSchedule="2026-03-02T10:50:00Z",
                ),
            ]
        ),
    ),
    "shadowing": (
        "A default of the connector shadows the common one of its level",
        _question(
            [
                _profile(1, "TxDefaultProfile", [(0, 16)]),
                _profile(2, "TxDefaultProfile", [(0, 20)], level=1),
                _profile(
                    3,
                    "TxDefaultProfile",
                    [(0, 10)],
                    level=1,
                    connector=1,
                    startSchedule=_MORNING,
                    duration=1800,
                ),
            ]
        ),
    ),
    "charge-point": (
        "Connector 0: the sum of two connectors below the cap",
        _question(
            [
                *_LAPSING,
                _profile(
                    3, "ChargePointMaxProfile", [(0, 40), (1200, 20), (2400, 40)], startSchedule=_MORNING
                ),
            ],
            connectorId=0,
            numberOfConnectors=2,
            assumeTransaction=True,
        ),
    ),
}
"""By name of the file: title and question."""


def drawn(name: str) -> str:
    """The SVG of an example."""
    title, question = EXAMPLES[name]
    return picture(read_question(OCPP16, json.dumps(question)), title)


def path(name: str) -> Path:
    """Where the drawing of an example lies."""
    return DIRECTORY / f"composite-{name}.svg"


if __name__ == "__main__":
    for name in EXAMPLES:
        path(name).write_text(drawn(name))
