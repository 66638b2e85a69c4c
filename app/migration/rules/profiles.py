"""Charging profiles of 1.6 as those of 2.0.1."""

from app.migration.rules.draft import Draft, Payload, copied, given


def charging_profile(draft: Draft, profile: Payload, pointer: str, target: str) -> Payload:
    """Translate a charging profile.

    Args:
        draft: the translation.
        profile: of 1.6.
        pointer: to the profile, in the payload of 1.6.
        target: pointer to the profile in the next message.
    """
    transaction = profile.get("transactionId")
    schedule = _schedule(draft, profile, f"{pointer}/chargingSchedule", f"{target}/chargingSchedule/0")
    return given(
        {
            "id": profile["chargingProfileId"],
            "stackLevel": profile["stackLevel"],
            "chargingProfilePurpose": draft.value(
                "ChargingProfilePurposeType", profile["chargingProfilePurpose"]
            ),
            "chargingProfileKind": profile["chargingProfileKind"],
            **copied(profile, "recurrencyKind", "validFrom", "validTo"),
            "transactionId": None
            if transaction is None
            else draft.transaction_id(transaction, f"{target}/transactionId"),
            "chargingSchedule": [schedule],
        }
    )


def _schedule(draft: Draft, profile: Payload, pointer: str, target: str) -> Payload:
    schedule = profile["chargingSchedule"]
    start = schedule.get("startSchedule")
    if profile["chargingProfileKind"] == "Relative":
        if start is not None:
            draft.lose(f"{pointer}/startSchedule", "A relative profile has none in 2.0.1 (K01.FR.41).")
        start = None
    elif start is None:
        start = draft.moment(f"{target}/startSchedule")
    return given(
        {
            "id": draft.invent(
                f"{target}/id",
                profile["chargingProfileId"],
                "The id of the profile: 1.6 has no id of a schedule.",
            ),
            "startSchedule": start,
            **copied(schedule, "duration", "chargingRateUnit", "chargingSchedulePeriod", "minChargingRate"),
        }
    )


def composite_schedule(draft: Draft, payload: Payload) -> Payload | None:
    """Translate the schedule of an answer to GetCompositeSchedule; None: it has none."""
    schedule = payload.get("chargingSchedule")
    if schedule is None:
        for name in ("connectorId", "scheduleStart"):
            if name in payload:
                draft.lose(f"/{name}", "Without a schedule it has no place.")
        return None
    if "minChargingRate" in schedule:
        draft.lose("/chargingSchedule/minChargingRate", "A composite schedule of 2.0.1 has none.")
    connector = payload.get("connectorId")
    if connector is None:
        connector = draft.invent("/schedule/evseId", 0, "The whole charging station: the answer names none.")
    duration = schedule.get("duration")
    if duration is None:
        last = max((period["startPeriod"] for period in schedule["chargingSchedulePeriod"]), default=0)
        duration = draft.invent(
            "/schedule/duration", last, "The start of the last period; the request has the duration."
        )
        draft.need(("request", "The duration that was asked for."))
    start = payload.get("scheduleStart", schedule.get("startSchedule"))
    return {
        "evseId": draft.evse_id(connector),
        "duration": duration,
        "scheduleStart": draft.moment("/schedule/scheduleStart") if start is None else start,
        "chargingRateUnit": schedule["chargingRateUnit"],
        "chargingSchedulePeriod": schedule["chargingSchedulePeriod"],
    }
