"""A sequence of requests about charging profiles with their answers, and the profile ledger of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.commands.records import CommandState
from app.smart_charging.ledger_reading import read_events
from app.smart_charging.profile_ledger import PossibleState, ProfileLedger, fold_ledger
from app.smart_charging.records import ConnectorTransaction, ProfileCommandRecord
from app.types import Json

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def profile(number: int, purpose: str = "TxDefaultProfile", level: int = 0, **changes: Any) -> Json:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
        **changes,
    }


class Story:
    """Requests to one charge point, its answers, and the transactions meanwhile."""

    def __init__(self) -> None:
        self.commands: list[ProfileCommandRecord] = []
        self.transactions: list[ConnectorTransaction] = []
        self.smart_charging = True

    def send(
        self, action: str, payload: Json, status: str | None = "Accepted", **changes: Any
    ) -> ProfileCommandRecord:
        """Add a request and its answer. status None: the charge point did not answer."""
        state: CommandState = "timed_out"
        if status is not None:
            state = "accepted" if status == "Accepted" else "rejected"
        number = len(self.commands) + 1
        fields: dict[str, Any] = {
            "id": UUID(int=number),
            "action": action,
            "payload": payload,
            "state": state,
            "created_at": self.at(number),
            "sent_at": self.at(number),
            "finished_at": self.at(number),
            "result": None if status is None else {"status": status},
            "error": None,
            "late_result": None,
            "effect": None,
        }
        command = ProfileCommandRecord(**(fields | changes))
        self.commands.append(command)
        return command

    def set(self, connector: int, wanted: Json, status: str | None = "Accepted", **changes: Any) -> UUID:
        payload = {"connectorId": connector, "csChargingProfiles": wanted}
        return self.send("SetChargingProfile", payload, status, **changes).id

    def clear(self, status: str | None = "Accepted", **filters: Any) -> UUID:
        return self.send("ClearChargingProfile", filters, status).id

    def start(self, number: int, connector: int = 1, command: UUID | None = None) -> None:
        at = self.at(len(self.commands) + 0.5)
        self.transactions.append(ConnectorTransaction(number, connector, at, at, None, command))

    def stop(self, number: int) -> None:
        at = self.at(len(self.commands) + 0.7)
        self.transactions = [
            ConnectorTransaction(
                row.id,
                row.connector_id,
                row.started_at,
                row.started_received_at,
                at,
                row.remote_start_command_id,
            )
            if row.id == number
            else row
            for row in self.transactions
        ]

    @staticmethod
    def at(minutes: float) -> datetime:
        return NOW + timedelta(minutes=minutes)

    @property
    def ledger(self) -> ProfileLedger:
        return fold_ledger(read_events(self.commands, self.transactions, smart_charging=self.smart_charging))


def numbers(state: PossibleState) -> list[int]:
    return [item.charging_profile_id for item in state]


def only(ledger: ProfileLedger) -> list[int]:
    assert ledger.certain
    return numbers(ledger.states[0])
