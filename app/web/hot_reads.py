"""What dashboards ask for again and again, from rows of the record to bytes: no model in between.

Each function here writes what the model of the same name in `resources` would write; a test holds the two
together. JSON columns are copied as the text that PostgreSQL gives.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from app.charge_points.schemas import CHARGE_POINT_LIVE_FIELDS
from app.clock import utc_text
from app.database.prepared import Row

Fields = dict[str, Any]


def charge_point(row: Row, connected_since: datetime | None) -> Fields:
    """The fields of a `ChargePoint`. connected_since: None when it is not connected."""
    return {
        "identity": row["identity"],
        "name": row["name"],
        "registration_status": row["registration_status"],
        "no_credential": row["no_credential"],
        "has_credential": row["credential_hash"] is not None,
        "heartbeat_interval_s": row["heartbeat_interval_s"],
        "vendor": row["vendor"],
        "model": row["model"],
        "serial_number": row["serial_number"],
        "box_serial_number": row["box_serial_number"],
        "firmware_version": row["firmware_version"],
        "iccid": row["iccid"],
        "imsi": row["imsi"],
        "meter_type": row["meter_type"],
        "meter_serial_number": row["meter_serial_number"],
        "connected": connected_since is not None,
        "connected_since": _time(connected_since),
        "last_connected_at": _time(row["connected_at"]),
        "last_seen_at": _time(row["last_seen_at"]),
        "booted_at": _time(row["booted_at"]),
        "clock_skew_s": row["clock_skew_s"],
        "created_at": utc_text(row["created_at"]),
        "updated_at": utc_text(row["updated_at"]),
    }


def settled(fields: Fields) -> bytes:
    """What an operator set of a charge point: the half of its entity tag that If-Match compares."""
    return orjson.dumps({name: fields[name] for name in fields if name not in CHARGE_POINT_LIVE_FIELDS})


def connector(row: Row) -> Fields:
    """The fields of a `Connector`."""
    return {
        "connector_id": row["connector_id"],
        "status": row["status"],
        "error_code": row["error_code"],
        "info": row["info"],
        "vendor_id": row["vendor_id"],
        "vendor_error_code": row["vendor_error_code"],
        "reported_at": utc_text(row["reported_at"]),
        "received_at": utc_text(row["received_at"]),
    }


def transaction(row: Row) -> Fields:
    """The fields of a `Transaction`."""
    start, stop, command_id = row["meter_start_wh"], row["meter_stop_wh"], row["remote_start_command_id"]
    return {
        "id": row["id"],
        "charge_point": row["identity"],
        "connector_id": row["connector_id"],
        "id_tag": row["id_tag"],
        "started_at": utc_text(row["started_at"]),
        "started_received_at": utc_text(row["started_received_at"]),
        "meter_start_wh": start,
        "reservation_id": row["reservation_id"],
        "id_tag_info": _json(row["id_tag_info"]),
        "stopped_at": _time(row["stopped_at"]),
        "stopped_received_at": _time(row["stopped_received_at"]),
        "meter_stop_wh": stop,
        "energy_wh": None if stop is None else stop - start,
        "stop_reason": row["stop_reason"],
        "stop_id_tag": row["stop_id_tag"],
        "stop_id_tag_info": _json(row["stop_id_tag_info"]),
        "flags": row["flags"],
        "remote_start_command_id": None if command_id is None else str(command_id),
    }


def meter_value(row: Row) -> Fields:
    """The fields of a `MeterValue`."""
    return {
        "connector_id": row["connector_id"],
        "transaction_id": row["transaction_id"],
        "sampled_at": utc_text(row["sampled_at"]),
        "received_at": utc_text(row["received_at"]),
        "context": row["context"],
        "sampled_values": _json(row["sampled_values"]),
    }


def encoded(fields: Fields) -> bytes:
    """One resource as JSON."""
    return orjson.dumps(fields)


def encoded_page(items: Sequence[Fields], next_cursor: str | None) -> bytes:
    """A `Page` as JSON."""
    return orjson.dumps({"items": items, "next_cursor": next_cursor})


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)


def _json(text: str | None) -> orjson.Fragment | None:
    return None if text is None else orjson.Fragment(text)
