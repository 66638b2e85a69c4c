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


def encoded(fields: Fields) -> bytes:
    """One resource as JSON."""
    return orjson.dumps(fields)


def encoded_page(items: Sequence[Fields], next_cursor: str | None) -> bytes:
    """A `Page` as JSON."""
    return orjson.dumps({"items": items, "next_cursor": next_cursor})


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)
