"""The real state of a charge point is always among the possible states of its ledger.

Random stories: requests that are carried out or not, answered, answered late or never; a charge point that
says `Unknown` to a clear which it did carry out. What the ledger leaves out is really left out.
"""

import random
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from app.smart_charging.profile_ledger import Installed, PossibleState, ProfileEvent, apply_event, is_cleared
from app.types import Json
from tests.support.profile_story import NOW, Story, profile

Held = frozenset[tuple[int | None, int, int]]
_CLEARS: tuple[Json, ...] = ({}, {"id": 1}, {"id": 2}, {"connectorId": 1}, {"stackLevel": 0})


class ChargePoint:
    """A charge point that does as it likes, and the record of its commands."""

    def __init__(self, seed: int, answers: float) -> None:
        """answers: the share of the requests that are answered in time."""
        self.random = random.Random(seed)
        self.answers = answers
        self.story = Story()
        self.has: PossibleState = ()
        self.late: dict[UUID, str] = {}
        self._sent = 0

    def step(self) -> None:
        """Something happens: a request, or a late answer."""
        if self.late and self.random.random() < 0.2:
            self.answer_late()
        elif self.random.random() < 0.65:
            wanted = profile(self.random.randint(1, 2), level=self.random.randint(0, 1))
            connector = self.random.randint(0, 1)
            payload = {"connectorId": connector, "csChargingProfiles": wanted}
            self.ask("SetChargingProfile", payload, installs=Installed(UUID(int=0), connector, wanted))
        else:
            filters = self.random.choice(_CLEARS)
            self.ask("ClearChargingProfile", filters, clears=filters)

    def ask(self, action: str, payload: Json, **event: Any) -> None:
        carried_out = self.random.random() < 0.75
        status = self.status(carried_out, event.get("clears"))
        if carried_out:
            self.has = apply_event(ProfileEvent(UUID(int=0), NOW, "accepted", **event), self.has)
        answered = status is not None and self.random.random() < self.answers
        self._sent += 1
        names = {"id": UUID(int=self._sent), "sent_at": Story.at(self._sent)}
        command = self.story.send(action, payload, status if answered else None, **names)
        if status is not None and not answered:
            self.late[command.id] = status

    def status(self, carried_out: bool, clears: Json | None) -> str | None:
        """The answer, if one ever comes."""
        if clears is None:
            return "Accepted" if carried_out else "Rejected"
        if not carried_out:
            return None
        found = any(is_cleared(item, clears) for item in self.has)
        return "Accepted" if found and self.random.random() < 0.8 else "Unknown"

    def answer_late(self) -> None:
        number, status = self.late.popitem()
        late = {
            "state": "accepted" if status == "Accepted" else "rejected",
            "result": {"status": status},
            "error": None,
        }
        rows = self.story.commands
        self.story.commands = [replace(row, late_result=late) if row.id == number else row for row in rows]

    def leave_out(self, superseded: frozenset[UUID]) -> None:
        self.story.commands = [row for row in self.story.commands if row.id not in superseded]
        self.late = {number: status for number, status in self.late.items() if number not in superseded}


def held(state: PossibleState) -> Held:
    return frozenset(
        (item.connector_id, item.charging_profile_id, item.profile["stackLevel"]) for item in state
    )


@pytest.mark.parametrize(("stories", "steps", "answers"), [(300, 14, 0.6), (30, 45, 0.3)])
def test_what_a_charge_point_has_is_among_the_possible_states(
    stories: int, steps: int, answers: float
) -> None:
    several = 0
    for seed in range(stories):
        charge_point = ChargePoint(seed, answers)
        for _ in range(steps):
            charge_point.step()
            ledger = charge_point.story.ledger
            possible = {held(state) for state in ledger.states}
            assert ledger.overflow or held(charge_point.has) in possible, f"story {seed}"
            several += len(possible) > 1
            if charge_point.random.random() < 0.7:
                charge_point.leave_out(ledger.superseded)
    assert several > stories * steps / 5
