"""The input of callers about charge points."""

from typing import Annotated, ClassVar

from pydantic import Field

from app.charge_points.credentials import KeyForm
from app.charge_points.schemas.selection import LabelChanges, Labels
from app.ocpp.v16 import RegistrationStatus
from app.web.inputs import Change, Identity, Input, Name
from app.web.resources import Json
from app.web.wording import LINE_PATTERN

HEARTBEAT_MAXIMUM_S = 86_400
"""A charge point must send something at least once a day (OCPP-J 5.3)."""


HeartbeatInterval = Annotated[int, Field(ge=1, le=HEARTBEAT_MAXIMUM_S, description="Seconds.")] | None


WeakCredential = Annotated[
    bool, Field(description="True: an AuthorizationKey of less than 16 bytes may be imported, at your risk.")
]


class ChargePointCreate(Input):
    """A new charge point. Its credential is generated."""

    identity: Annotated[Identity, Field(description="Case-sensitive. It never changes.")]
    name: Name | None = None
    registration_status: Annotated[
        RegistrationStatus | None, Field(description="null: the default of the tenant.")
    ] = None
    heartbeat_interval_s: HeartbeatInterval = None
    no_credential: Annotated[
        bool,
        Field(description="True: everyone who knows the identity may connect. For private networks only."),
    ] = False
    labels: Labels = Field(default_factory=dict)
    allow_weak_credential: WeakCredential = False

    example: ClassVar[Json] = {
        "identity": "RDAM-0123",
        "name": "Car park, level 2",
        "heartbeat_interval_s": 300,
    }


KeyText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=LINE_PATTERN,
        description="The AuthorizationKey that the charge point has. Its hash is stored; it is never shown.",
    ),
]
KeyFormText = Annotated[
    KeyForm,
    Field(
        description="hex: hexadecimal digits of its bytes; text: its bytes; auto: hex if it is 32 to 40 such "
        "digits in pairs, else text; more than 20 digits of another number are refused. The charge point may "
        "log in with either form."
    ),
]


class CredentialImport(Input):
    """A key that a charge point has already."""

    authorization_key: KeyText = Field(repr=False)
    form: KeyFormText = "auto"

    example: ClassVar[Json] = {"authorization_key": "<40 hexadecimal digits>", "form": "auto"}


class ChargePointReplacement(Input):
    """All that an operator sets of a charge point. What is not given gets its default.

    The credential stays, unless a key is given.
    """

    name: Name | None = None
    registration_status: Annotated[
        RegistrationStatus | None, Field(description="null: the default of the tenant.")
    ] = None
    heartbeat_interval_s: HeartbeatInterval = None
    no_credential: bool = False
    labels: Labels = Field(default_factory=dict)
    allow_weak_credential: WeakCredential = False
    authorization_key: KeyText | None = Field(default=None, repr=False)
    authorization_key_form: KeyFormText = "auto"

    example: ClassVar[Json] = {"name": "Car park, level 2", "labels": {"site": "north"}}


class ChargePointRow(Input):
    """A row of an import. Fields that are not given stay as they are, or get their default."""

    identity: Identity
    name: Name | None = None
    registration_status: RegistrationStatus | None = None
    heartbeat_interval_s: HeartbeatInterval = None
    no_credential: bool = False
    labels: LabelChanges = Field(default_factory=dict)
    allow_weak_credential: WeakCredential = False
    authorization_key: KeyText | None = Field(default=None, repr=False)
    authorization_key_form: KeyFormText = "auto"

    example: ClassVar[Json] = {"identity": "RDAM-0123", "name": "Level 2", "labels": {"site": "north"}}


class ChargePointChange(Change):
    """The fields of a charge point to change."""

    name: Name | None = None
    registration_status: RegistrationStatus = "Accepted"
    heartbeat_interval_s: HeartbeatInterval = None
    no_credential: bool = False
    labels: LabelChanges = Field(default_factory=dict)
    allow_weak_credential: WeakCredential = False

    example: ClassVar[Json] = {"name": "Car park, level 3", "labels": {"site": "north", "spare": None}}
