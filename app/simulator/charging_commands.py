"""Answers the commands about charging profiles (OCPP 1.6 3.13, 5.5, 5.7, 5.16)."""

from datetime import datetime
from typing import Any

from app.clock import utc_text
from app.simulator.charge_point import VirtualChargePoint
from app.simulator.connector import VirtualConnector

Json = dict[str, Any]


def set_charging_profile(charge_point: VirtualChargePoint, payload: Json) -> Json:
    """Answer SetChargingProfile."""
    connector_id, profile = payload["connectorId"], payload["csChargingProfiles"]
    if not _profile_fits(charge_point, connector_id, profile):
        return {"status": "Rejected"}
    _settle(charge_point)
    charge_point.profiles.install(connector_id, profile)
    _settle(charge_point)
    return {"status": "Accepted"}


def _profile_fits(charge_point: VirtualChargePoint, connector_id: int, profile: Json) -> bool:
    configuration = charge_point.configuration
    connector = charge_point.connector(connector_id)
    if connector_id != 0 and connector is None:
        return False
    if profile["stackLevel"] > configuration.integer("ChargeProfileMaxStackLevel"):
        return False
    periods = profile["chargingSchedule"]["chargingSchedulePeriod"]
    if len(periods) > configuration.integer("ChargingScheduleMaxPeriods"):
        return False
    if len(charge_point.profiles) >= configuration.integer("MaxChargingProfilesInstalled"):
        return False
    match profile["chargingProfilePurpose"]:
        case "ChargePointMaxProfile":
            return connector_id == 0
        case "TxProfile":
            running = connector.transaction if connector is not None else None
            return running is not None and profile.get("transactionId") in (None, running.transaction_id)
        case _:
            return True


def clear_charging_profile(charge_point: VirtualChargePoint, payload: Json) -> Json:
    """Answer ClearChargingProfile."""
    _settle(charge_point)
    removed = charge_point.profiles.clear(payload, least_level=_least_cleared(charge_point))
    _settle(charge_point)
    return {"status": "Accepted" if removed else "Unknown"}


def get_composite_schedule(charge_point: VirtualChargePoint, payload: Json) -> Json:
    """Answer GetCompositeSchedule."""
    connector_id, duration_s = payload["connectorId"], payload["duration"]
    connector = charge_point.connector(connector_id)
    if connector_id != 0 and connector is None:
        return {"status": "Rejected"}
    # In whole seconds: otherwise a change within a second would be computed before it happens.
    now = charge_point.agenda.time().replace(microsecond=0)
    wanted = charge_point.connectors if connector is None else [connector]
    started = {row.connector_id: _started(charge_point, row) for row in wanted}
    rows = charge_point.profiles.composite(started, now, duration_s, charge_point.persona.power_w)
    unit = payload.get("chargingRateUnit", "W")
    divisor = 1.0 if unit == "W" else 230.0 * charge_point.persona.phases
    periods = [{"startPeriod": start_s, "limit": round(limit_w / divisor, 1)} for start_s, limit_w in rows]
    if unit == "A" and charge_point.persona.bad_habits.no_limits_in_amperes:
        periods = [{"startPeriod": 0, "limit": -1.0}]
    start = utc_text(now)
    schedule = {
        "duration": duration_s,
        "startSchedule": start,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": periods,
    }
    return {
        "status": "Accepted",
        "connectorId": connector_id,
        "scheduleStart": start,
        "chargingSchedule": schedule,
    }


def _started(charge_point: VirtualChargePoint, connector: VirtualConnector) -> datetime | None:
    running = connector.transaction
    return None if running is None else charge_point.agenda.time(running.started_s).replace(microsecond=0)


def _least_cleared(charge_point: VirtualChargePoint) -> int:
    return 1 if charge_point.persona.bad_habits.keeps_stack_level_zero else 0


def _settle(charge_point: VirtualChargePoint) -> None:
    for connector in charge_point.connectors:
        connector.settle()
