"""The shapes of REST answers about charge points."""

from typing import ClassVar, Self

import orjson
from pydantic import Field

from app.charge_points.records import (
    BOOT_TEXTS,
    ChargePointRecord,
    LiveState,
)
from app.charge_points.schemas.selection import LABELS_DESCRIPTION
from app.clock import utc_text_of
from app.database.prepared import Row
from app.ocpp.v16 import RegistrationStatus
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.rows import Fields, encoded, optional_time, optional_time_of


class ChargePoint(Resource):
    """A charge point: the settings of the operator, what it reported, and whether it is connected now."""

    identity: str = Field(description="The last segment of its URL (OCPP-J 3.1.1).")
    name: str | None
    registration_status: RegistrationStatus = Field(description="The answer to its BootNotification.")
    no_credential: bool = Field(description="True: it may connect without a credential, at your risk.")
    has_credential: bool
    security_profile: int | None = Field(
        description="Of its newest login. 0: no credential; 1: password; 2: password and TLS; 3: client "
        "certificate and TLS."
    )
    minimum_security_profile: int = Field(
        description="The lowest profile that it may connect on: that of its highest login, or as an "
        "administrator has set it."
    )
    heartbeat_interval_s: int | None = Field(description="Seconds. null: the default of the server.")
    labels: dict[str, str] = Field(description=LABELS_DESCRIPTION)
    allow_weak_credential: bool = Field(
        description="True: an AuthorizationKey of less than 16 bytes may be imported, at your risk."
    )
    vendor: str | None
    model: str | None
    serial_number: str | None
    box_serial_number: str | None
    firmware_version: str | None
    iccid: str | None
    imsi: str | None
    meter_type: str | None
    meter_serial_number: str | None
    connected: bool = Field(description="Whether it is connected to a running worker now.")
    connected_since: Instant | None = Field(description="Start of the present connection.")
    flapping: bool = Field(
        description=(
            "Whether its connections replaced each other six times or more within ten minutes, as those of "
            "two charge points with one identity do. New ones are delayed then, by up to 30 seconds."
        )
    )
    last_connected_at: Instant | None = Field(description="Start of the newest connection.")
    last_seen_at: Instant | None
    booted_at: Instant | None
    clock_skew_s: float | None = Field(description="The charge point's clock minus the server's, in seconds.")
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "identity": "RDAM-0123",
        "name": "Car park, level 2",
        "registration_status": "Accepted",
        "no_credential": False,
        "has_credential": True,
        "security_profile": 2,
        "minimum_security_profile": 2,
        "heartbeat_interval_s": 300,
        "labels": {"site": "north"},
        "allow_weak_credential": False,
        "vendor": "Acme",
        "model": "Duo 22",
        "serial_number": "A-2201",
        "box_serial_number": None,
        "firmware_version": "4.1.7",
        "iccid": None,
        "imsi": None,
        "meter_type": None,
        "meter_serial_number": None,
        "connected": True,
        "connected_since": EXAMPLE_TIME,
        "flapping": False,
        "last_connected_at": EXAMPLE_TIME,
        "last_seen_at": EXAMPLE_TIME,
        "booted_at": EXAMPLE_TIME,
        "clock_skew_s": -0.4,
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }

    @classmethod
    def of(cls, record: ChargePointRecord, live: LiveState) -> Self:
        """Join the record and the live state."""
        return cls(
            has_credential=record.credential_hash is not None,
            connected=live.connected_since is not None,
            connected_since=live.connected_since,
            flapping=live.flapping,
            last_connected_at=record.connected_at,
            **{name: getattr(record, name) for name in _CHARGE_POINT_COLUMNS},
        )


_NO_COLUMNS = frozenset({"has_credential", "connected", "connected_since", "flapping", "last_connected_at"})
_CHARGE_POINT_COLUMNS = tuple(name for name in ChargePoint.model_fields if name not in _NO_COLUMNS)


CHARGE_POINT_LIVE_FIELDS = frozenset(
    {
        *("connected", "connected_since", "flapping", "last_connected_at", "last_seen_at", "booted_at"),
        "clock_skew_s",
        *("security_profile", "minimum_security_profile"),
        *BOOT_TEXTS,
        "updated_at",
    }
)
"""Fields that change without the operator. If-Match does not compare them."""


class Credential(Resource):
    """Everything that a charge point needs to connect. It is shown once."""

    username: str = Field(description="User name for Basic authentication: the identity (OCPP-J 6.2.2).")
    password: str = Field(description="40 hexadecimal digits, as for AuthorizationKey. It is shown once.")
    path: str = Field(description="The path to connect to, after the ws:// or wss:// address of the server.")

    example: ClassVar[Json] = {
        "username": "RDAM-0123",
        "password": "<40 hexadecimal digits>",
        "path": "/ocpp/demo/RDAM-0123",
    }


class NewChargePoint(Resource):
    """A new charge point with its credential."""

    charge_point: ChargePoint
    credential: Credential | None = Field(
        description="null: the charge point may connect without a credential."
    )

    example: ClassVar[Json] = {"charge_point": ChargePoint.example, "credential": Credential.example}


class ChargePointLabel(Resource):
    """A label in use. A group is a label: its members are the charge points that have it."""

    key: str
    value: str
    charge_points: int = Field(description="How many have it.")

    example: ClassVar[Json] = {"key": "site", "value": "north", "charge_points": 12}


def charge_point_fields(row: Row, live: LiveState) -> Fields:
    """Return the members of a `ChargePoint`."""
    return {
        "identity": row["identity"],
        "name": row["name"],
        "registration_status": row["registration_status"],
        "no_credential": row["no_credential"],
        "has_credential": row["credential_hash"] is not None,
        "security_profile": row["security_profile"],
        "minimum_security_profile": row["minimum_security_profile"],
        "heartbeat_interval_s": row["heartbeat_interval_s"],
        "labels": orjson.loads(row["labels"]),
        "allow_weak_credential": row["allow_weak_credential"],
        # Written out, since a listing has hundreds of these and a comprehension takes twice the time.
        "vendor": row["vendor"],
        "model": row["model"],
        "serial_number": row["serial_number"],
        "box_serial_number": row["box_serial_number"],
        "firmware_version": row["firmware_version"],
        "iccid": row["iccid"],
        "imsi": row["imsi"],
        "meter_type": row["meter_type"],
        "meter_serial_number": row["meter_serial_number"],
        "connected": live.connected_since is not None,
        "connected_since": optional_time(live.connected_since),
        "flapping": live.flapping,
        "last_connected_at": optional_time_of(row["connected_at_us"]),
        "last_seen_at": optional_time_of(row["last_seen_at_us"]),
        "booted_at": optional_time_of(row["booted_at_us"]),
        "clock_skew_s": row["clock_skew_s"],
        "created_at": utc_text_of(row["created_at_us"]),
        "updated_at": utc_text_of(row["updated_at_us"]),
    }


def operator_fields(fields: Fields) -> bytes:
    """Encode the members that an operator sets: the part of the entity tag that If-Match compares."""
    return encoded({name: fields[name] for name in fields if name not in CHARGE_POINT_LIVE_FIELDS})
