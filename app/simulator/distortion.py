"""Changes the text of frames as the bad habits of a charge point demand. It keeps no state.

A frame is changed after the core has made it, because the core makes only correct ones.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.clock import parse_time
from app.simulator.bad_habits import NO_BAD_HABITS, BadHabits

Json = dict[str, Any]
_CALL: Final = 2
_ENERGY: Final = "Energy.Active.Import.Register"
_NOTHING: Final = "\x01nothing\x01"
"""Marks a value that is left out of the text, so that no value is there."""
_TIME_KEYS: Final = ("timestamp",)


def distorted(text: str, habits: BadHabits) -> str:
    """Return the text of a frame as the charge point sends it."""
    if habits == NO_BAD_HABITS:
        return text
    frame = json.loads(text)
    if frame[0] != _CALL:
        return _answer(text, habits)
    action, payload = frame[2], frame[3]
    if (change := _CHANGES.get(action)) is not None:
        change(payload, habits)
    if habits.times_without_zone:
        _localize(payload, ZoneInfo(habits.times_without_zone))
    return _damaged(json.dumps(frame, separators=(",", ":"), ensure_ascii=False), action, habits)


def _answer(text: str, habits: BadHabits) -> str:
    marker = '{"configurationKey":['
    if habits.cut_off_configuration and marker in text:
        return text[: text.index(marker) + len(marker)] + "]"
    return text


def _damaged(text: str, action: str, habits: BadHabits) -> str:
    """Return the text with what is not JSON."""
    if action == "MeterValues" and habits.stray_comma:
        text = text.replace('"sampledValue":[{', '"sampledValue":[,{')
    if action == "BootNotification" and habits.nul_in_boot:
        text = re.sub(r'("chargePointSerialNumber":"[^"]*)"', '\\1\0"', text)
    return text.replace(json.dumps(_NOTHING), "")


def _boot(payload: Json, habits: BadHabits) -> None:
    payload.update(habits.boot_fields)


def _status(payload: Json, habits: BadHabits) -> None:
    if habits.controller_error_code and payload["connectorId"] == 0:
        payload.update(errorCode=habits.controller_error_code, status="Faulted")
    payload.update(habits.status_fields)
    if habits.status_without_time:
        payload.pop("timestamp", None)


def _authorize(payload: Json, habits: BadHabits) -> None:
    if habits.authorize_names_connector:
        payload["connectorId"] = 1


def _stop(payload: Json, habits: BadHabits) -> None:
    if habits.stop_transaction_id:
        payload["transactionId"] = 0 if habits.stop_transaction_id == "0" else None
    _samples_changed(payload.get("transactionData", []), habits)


def _meter_values(payload: Json, habits: BadHabits) -> None:
    if "transactionId" in payload:
        if habits.meter_values_transaction_id:
            payload["transactionId"] = habits.meter_values_transaction_id
        if habits.empty_transaction_id:
            payload["transactionId"] = _NOTHING
    elements = payload["meterValue"]
    _samples_changed(elements, habits)
    for element in elements:
        element["sampledValue"] += _further_samples(habits)
    if habits.empty_sampled_values:
        elements.insert(0, {"timestamp": elements[0]["timestamp"], "sampledValue": []})
    if habits.meter_value_as_object:
        payload["meterValue"] = elements[-1]


def _samples_changed(elements: list[Json], habits: BadHabits) -> None:
    for sample in _samples(elements):
        if habits.energy_called_wh and sample.get("measurand") == _ENERGY:
            sample["value"] = str(int(sample["value"]) // 1000)
        if habits.numbers_as_values:
            sample["value"] = float(sample["value"])


def _samples(elements: list[Json]) -> Iterator[Json]:
    for element in elements:
        yield from element["sampledValue"]


def _further_samples(habits: BadHabits) -> list[Json]:
    rows: list[Json] = []
    if habits.unknown_context:
        rows.append({"value": "16.000", "context": habits.unknown_context, "unit": "A"})
    if habits.frequency_unit:
        rows.append({"value": "49.97", "measurand": "Frequency", "unit": habits.frequency_unit})
    return rows


def _localize(value: Any, zone: ZoneInfo) -> None:
    """Replace each time of a payload by the local time without its zone."""
    if isinstance(value, list):
        for item in value:
            _localize(item, zone)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in _TIME_KEYS and isinstance(item, str):
                value[name] = _local(item, zone)
            else:
                _localize(item, zone)


def _local(text: str, zone: ZoneInfo) -> str:
    found: datetime | None = parse_time(text)
    if found is None:
        return text
    return found.astimezone(zone).replace(tzinfo=None).isoformat(timespec="milliseconds")


_CHANGES: Final = {
    "Authorize": _authorize,
    "BootNotification": _boot,
    "MeterValues": _meter_values,
    "StatusNotification": _status,
    "StopTransaction": _stop,
}
