"""Values about configuration keys. A field has the name of its column."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from app.charge_points.records import ChargePointFilter
from app.types import Json

RECONCILER_ISSUER: Final = "configuration"
"""Issuer of the commands that make a charge point's configuration the desired one."""

ConfigurationSource = Literal["GetConfiguration", "ChangeConfiguration"]
KeyProgress = Literal[
    "pending",
    "sent",
    "accepted",
    "in_sync",
    "unverified",
    "drifted",
    "reboot_required",
    "rejected",
    "not_supported",
    "failed",
]
"""How far a desired key has come.

pending: it differs, and was not asked for; sent: asked for, without an answer yet; accepted: not read back
yet; in_sync: the charge point has the value; unverified: accepted, but it cannot be read; drifted: it was
accepted, but another value is shown; reboot_required: accepted, from the next boot on; rejected,
not_supported: as answered; failed: no answer, or an error.
"""


@dataclass(frozen=True, slots=True)
class ConfigurationRecord:
    """A configuration key, as its charge point last reported or accepted it.

    source: the action whose answer says so; issued_by: who asked. Both are None if it is not known.
    """

    charge_point_id: int
    key: str
    value: str | None
    readonly: bool | None
    reported_at: datetime
    source: ConfigurationSource | None = None
    issued_by: str | None = None


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """Values that many charge points should have.

    priority: of two templates with one key that with the higher number counts, then the first by name;
    selector: its members as `ChargePointSelector` has them; keys: values by key, secret ones sealed.
    """

    name: str
    priority: int
    selector: Json
    keys: dict[str, str]
    created_at: datetime
    updated_at: datetime


class ConfigurationTemplate(NamedTuple):
    """A template with the filter that its selector means."""

    name: str
    priority: int
    keys: Mapping[str, str]
    filters: ChargePointFilter


class DesiredKey(NamedTuple):
    """A value that a charge point should have. template: where it comes from; None: it is its own."""

    key: str
    value: str
    template: str | None = None


@dataclass(frozen=True, slots=True)
class KeyState:
    """How far one desired key of a charge point has come.

    folded_key: the key in lower case; value: the desired one, sealed if it is secret; attempts: changes that
    were sent; next_at: the earliest next change; since: when `state` began; read_at: when it was asked for by
    GetConfiguration since the last change.
    """

    folded_key: str
    value: str
    state: KeyProgress
    attempts: int
    next_at: datetime
    since: datetime
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key of one charge point: what is known, what is desired, and how far that has come."""

    key: str
    value: str | None = None
    readonly: bool | None = None
    reported_at: datetime | None = None
    source: ConfigurationSource | None = None
    issued_by: str | None = None
    desired: str | None = None
    template: str | None = None
    state: KeyProgress | None = None
    since: datetime | None = None


class ConfigurationReview(NamedTuple):
    """A charge point whose configuration is to be compared with the desired one.

    leased_until: until when the taker is the only one; failures: reviews in a row that got no answer.
    """

    tenant_id: int
    charge_point_id: int
    identity: str
    leased_until: datetime
    failures: int
