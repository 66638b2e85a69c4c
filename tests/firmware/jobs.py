"""Firmware jobs for tests of the rules."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.firmware.records import FirmwareJob, FirmwareJobState, FirmwareReport

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
TIMEOUT_S = 3600


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def job(number: int = 1, state: FirmwareJobState = FirmwareJobState.REQUESTED, **more: Any) -> FirmwareJob:
    """Make a job that was handed out `number` seconds after NOW."""
    values: dict[str, Any] = {
        "id": UUID(int=number),
        "charge_point_id": 7,
        "identity": "RDAM-1",
        "state": state,
        "created_at": at(number),
        "created_by": "key:test",
        "retrieve_date": at(number),
        "timeout_s": TIMEOUT_S,
        "deadline_at": at(number + TIMEOUT_S),
        "issued_at": None if state is FirmwareJobState.PENDING else at(number),
        "firmware_version_before": "1.0",
    }
    return FirmwareJob(**{**values, **more})


def report(status: str, seconds: float = 100, **more: Any) -> FirmwareReport:
    """Make a status that arrived `seconds` after NOW. request_id: it is signed."""
    return FirmwareReport(status, at(seconds), 1, **more)
