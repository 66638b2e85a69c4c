"""The charging profiles of a virtual charge point, and the limits that follow from them (OCPP 1.6 3.13).

A charge point needs only the limit that holds now. So this reads the rules directly, second by second, and
shares no code with the central system, which is tested with it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.clock import parse_time
from app.simulator.meter import VOLTAGE_V

Json = dict[str, Any]
_RECURRENCE_S = {"Daily": 86_400, "Weekly": 604_800}


@dataclass(frozen=True, slots=True)
class ReceivedProfile:
    """One profile and the connector it was sent for (0: the whole charge point)."""

    connector_id: int
    profile: Json

    @property
    def purpose(self) -> str:
        """Return ChargePointMaxProfile, TxDefaultProfile or TxProfile."""
        return str(self.profile["chargingProfilePurpose"])

    @property
    def stack_level(self) -> int:
        """Return the stack level; the highest one leads."""
        return int(self.profile["stackLevel"])

    def period(self, now: datetime, started: datetime | None) -> Json | None:
        """Return the schedule period in force, with its unit as `unit`; None if no period is in force."""
        if not self._valid(now):
            return None
        schedule = self.profile["chargingSchedule"]
        offset_s = self._offset_s(now, started)
        if offset_s is None or offset_s >= schedule.get("duration", float("inf")):
            return None
        begun = [row for row in schedule["chargingSchedulePeriod"] if row["startPeriod"] <= offset_s]
        return {**begun[-1], "unit": schedule["chargingRateUnit"]} if begun else None

    def _valid(self, now: datetime) -> bool:
        since, until = _time(self.profile.get("validFrom")), _time(self.profile.get("validTo"))
        return (since is None or since <= now) and (until is None or now < until)

    def _offset_s(self, now: datetime, started: datetime | None) -> float | None:
        kind = self.profile["chargingProfileKind"]
        if kind == "Relative":
            return (now - started).total_seconds() if started else 0.0
        start = _time(self.profile["chargingSchedule"].get("startSchedule")) or started
        if start is None or now < start:
            return None
        elapsed_s = (now - start).total_seconds()
        recurrence = self.profile.get("recurrencyKind") if kind == "Recurring" else None
        return elapsed_s % _RECURRENCE_S[recurrence] if recurrence in _RECURRENCE_S else elapsed_s


class VirtualProfiles:
    """The profiles that are installed on one charge point."""

    def __init__(self, phases: int) -> None:
        self._phases = phases
        self._installed: list[ReceivedProfile] = []

    def __len__(self) -> int:
        return len(self._installed)

    def install(self, connector_id: int, profile: Json) -> None:
        """Add a profile. It replaces one of the same id, or of the same purpose and level here (5.16)."""
        fresh = ReceivedProfile(connector_id, profile)
        self._installed = [
            old
            for old in self._installed
            if old.profile["chargingProfileId"] != profile["chargingProfileId"]
            and (old.connector_id, old.purpose, old.stack_level)
            != (fresh.connector_id, fresh.purpose, fresh.stack_level)
        ]
        self._installed.append(fresh)

    def clear(self, filters: Json, *, least_level: int = 0) -> int:
        """Remove what ClearChargingProfile names (5.5) and return how many. An id overrides other filters.

        least_level: profiles of a lower stackLevel stay, which is a bad habit.
        """
        before = len(self._installed)
        self._installed = [
            old for old in self._installed if old.stack_level < least_level or not _matches(old, filters)
        ]
        return before - len(self._installed)

    def end_transaction(self, connector_id: int) -> None:
        """Remove the TxProfiles of a transaction that ended (3.13.1)."""
        self._installed = [
            old for old in self._installed if old.purpose != "TxProfile" or old.connector_id != connector_id
        ]

    def limit_w(self, connector_id: int, now: datetime, started: datetime | None) -> float:
        """Return what the connector may take now, in watts; infinite without a profile.

        started: when the transaction on the connector began; None if there is none.
        """
        return min(self._own_w(connector_id, now, started), self._whole_w(now))

    def composite(
        self, connectors: dict[int, datetime | None], now: datetime, duration_s: int, most_w: float
    ) -> list[tuple[int, float]]:
        """Return pairs of start in seconds from now and limit in watts, for GetCompositeSchedule (5.7).

        connectors: those to add up, with the start of the transaction of each. most_w: what each can give.
        """
        rows: list[tuple[int, float]] = []
        changes = {
            moment for start in connectors.values() for moment in self._changes(now, start, duration_s)
        }
        for start_s in sorted(changes):
            at = now + timedelta(seconds=start_s)
            drawn_w = sum(min(most_w, self._own_w(number, at, start)) for number, start in connectors.items())
            limit_w = min(drawn_w, self._whole_w(at))
            if not rows or rows[-1][1] != limit_w:
                rows.append((start_s, limit_w))
        return rows

    def _own_w(self, connector_id: int, now: datetime, started: datetime | None) -> float:
        here = self._of("TxProfile", connector_id) if started else []
        own = _leading(here, now, started) or _leading(self._defaults(connector_id), now, started)
        return self._watts(own)

    def _whole_w(self, now: datetime) -> float:
        return self._watts(_leading(self._of("ChargePointMaxProfile", 0), now, None))

    def _of(self, purpose: str, connector_id: int) -> list[ReceivedProfile]:
        return [old for old in self._installed if (old.purpose, old.connector_id) == (purpose, connector_id)]

    def _defaults(self, connector_id: int) -> list[ReceivedProfile]:
        """Return the defaults of the connector, and those of the charge point on other levels (3.13.1)."""
        own = self._of("TxDefaultProfile", connector_id)
        levels = {old.stack_level for old in own}
        return [*own, *(old for old in self._of("TxDefaultProfile", 0) if old.stack_level not in levels)]

    def _watts(self, period: Json | None) -> float:
        if period is None:
            return float("inf")
        limit = float(period["limit"])
        if period["unit"] == "W":
            return limit
        return limit * VOLTAGE_V * min(self._phases, int(period.get("numberPhases", 3)))

    def _changes(self, now: datetime, started: datetime | None, duration_s: int) -> set[int]:
        moments = {0}
        for old in self._installed:
            schedule = old.profile["chargingSchedule"]
            start = _time(schedule.get("startSchedule")) or started or now
            if old.profile["chargingProfileKind"] == "Relative":
                start = started or now
            offsets = [row["startPeriod"] for row in schedule["chargingSchedulePeriod"]]
            offsets += [schedule["duration"]] if "duration" in schedule else []
            base_s = (start - now).total_seconds()
            repetitions = [0.0]
            if every_s := _RECURRENCE_S.get(old.profile.get("recurrencyKind", "")):
                current = -base_s // every_s
                repetitions = [every_s * (current + n) for n in range(duration_s // every_s + 2)]
            moments |= {int(base_s + begin + offset) for begin in repetitions for offset in offsets}
            bounds = (_time(old.profile.get("validFrom")), _time(old.profile.get("validTo")))
            moments |= {int((bound - now).total_seconds()) for bound in bounds if bound}
        return {moment for moment in moments if 0 <= moment < duration_s} | {0}


def _leading(candidates: list[ReceivedProfile], now: datetime, started: datetime | None) -> Json | None:
    """Return the period of the highest level that has one in force now."""
    for old in sorted(candidates, key=lambda candidate: candidate.stack_level, reverse=True):
        if (period := old.period(now, started)) is not None:
            return period
    return None


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def _matches(old: ReceivedProfile, filters: Json) -> bool:
    if "id" in filters:
        return bool(old.profile["chargingProfileId"] == filters["id"])
    return (
        filters.get("connectorId") in (None, old.connector_id)
        and filters.get("chargingProfilePurpose") in (None, old.purpose)
        and filters.get("stackLevel") in (None, old.stack_level)
    )
