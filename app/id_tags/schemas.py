"""Shapes of REST requests and answers about id tags."""

from typing import Annotated, ClassVar

from pydantic import Field

from app.id_tags.records import IdTagStatus, UnknownTagPolicy
from app.web.inputs import INTEGER_MAXIMUM, Change, Identity, Input, Time
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import ID_TAG_PATTERN, NOTE_PATTERN, PARENT_ID_TAG_PATTERN


class IdTag(Resource):
    """An id tag, and whether it may start transactions."""

    id_tag: str
    status: IdTagStatus
    expires_at: Instant | None
    parent_id_tag: str | None = Field(
        description="Group of the tag. It is never compared with a presented tag. If a tag of this name is "
        "stored, its status and expiry hold for the whole group."
    )
    max_active_transactions: int | None = Field(description="null: as the policy of the tenant says.")
    max_active_transactions_of_group: int | None = Field(
        description="Transactions that may run at once on all tags whose parent_id_tag is this tag; null: as "
        "the policy of the tenant says."
    )
    note: str | None
    charge_points: list[str] | None = Field(
        description="Identities of the charge points where the tag may charge; null: everywhere."
    )
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "id_tag": "B4A63CDF",
        "status": "Accepted",
        "expires_at": None,
        "parent_id_tag": None,
        "max_active_transactions": 1,
        "max_active_transactions_of_group": None,
        "note": "Pool car 7",
        "charge_points": None,
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


ParentIdTag = Annotated[str, Field(pattern=PARENT_ID_TAG_PATTERN)] | None


Note = Annotated[str, Field(max_length=500, pattern=NOTE_PATTERN)] | None


ActiveTransactions = Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM)] | None


ChargePoints = (
    Annotated[
        tuple[Identity, ...],
        Field(
            max_length=1000,
            description="Identities of the charge points where the tag may charge; null: everywhere.",
        ),
    ]
    | None
)


class IdTagCreate(Input):
    """A new id tag."""

    id_tag: Annotated[
        str,
        Field(
            pattern=ID_TAG_PATTERN,
            description="1 to 36 printable characters; upper and lower case are the same. A command of "
            "OCPP 1.6 carries up to 20, and is refused with a longer tag.",
        ),
    ]
    status: IdTagStatus = "Accepted"
    expires_at: Time | None = None
    parent_id_tag: ParentIdTag = None
    max_active_transactions: ActiveTransactions = None
    max_active_transactions_of_group: ActiveTransactions = None
    note: Note = None
    charge_points: ChargePoints = None

    example: ClassVar[Json] = {
        "id_tag": "B4A63CDF",
        "status": "Accepted",
        "max_active_transactions": 1,
        "note": "Pool car 7",
    }


class IdTagReplacement(Input):
    """All that an operator sets of an id tag. What is not given gets its default."""

    status: IdTagStatus = "Accepted"
    expires_at: Time | None = None
    parent_id_tag: ParentIdTag = None
    max_active_transactions: ActiveTransactions = None
    max_active_transactions_of_group: ActiveTransactions = None
    note: Note = None
    charge_points: ChargePoints = None

    example: ClassVar[Json] = {"status": "Accepted", "note": "Pool car 7"}


class IdTagChange(Change):
    """The fields of an id tag to change."""

    status: IdTagStatus = "Accepted"
    expires_at: Time | None = None
    parent_id_tag: ParentIdTag = None
    max_active_transactions: ActiveTransactions = None
    max_active_transactions_of_group: ActiveTransactions = None
    note: Note = None
    charge_points: ChargePoints = None

    example: ClassVar[Json] = {"status": "Blocked", "note": "Reported lost"}


class IdTagImport(Resource):
    """The result of an import."""

    created: int = Field(description="Tags that are new.")
    changed: int = Field(description="Tags that were stored before.")

    example: ClassVar[Json] = {"created": 2, "changed": 1}


_UNKNOWN_ID_TAGS = (
    "What a tag gets that is not stored. refuse: Invalid; accept: Accepted, unless it is empty; "
    "free_charging: Accepted, also if it is empty. A stored tag is always judged by itself."
)


class AuthorizationPolicy(Resource):
    """The policy of the tenant for all its tags."""

    unknown_id_tags: UnknownTagPolicy = Field(description=_UNKNOWN_ID_TAGS)
    max_active_transactions: int | None = Field(
        description="Transactions that may run on one stored tag without a limit of its own; null: no limit."
    )
    max_active_transactions_of_group: int | None = Field(
        description="Transactions that may run on all tags of one parent_id_tag without a limit of its own; "
        "null: no limit."
    )

    example: ClassVar[Json] = {
        "unknown_id_tags": "refuse",
        "max_active_transactions": None,
        "max_active_transactions_of_group": None,
    }


class AuthorizationPolicyChange(Change):
    """The fields of the policy to change."""

    unknown_id_tags: Annotated[UnknownTagPolicy, Field(description=_UNKNOWN_ID_TAGS)] = "refuse"
    max_active_transactions: ActiveTransactions = None
    max_active_transactions_of_group: ActiveTransactions = None

    example: ClassVar[Json] = {"unknown_id_tags": "accept"}


class ChargePointPolicy(Resource):
    """The policy that holds at a charge point."""

    own: UnknownTagPolicy | None = Field(description="Its own setting; null: as the tenant decides.")
    unknown_id_tags: UnknownTagPolicy = Field(description=_UNKNOWN_ID_TAGS)

    example: ClassVar[Json] = {"own": "free_charging", "unknown_id_tags": "free_charging"}


class ChargePointPolicyChange(Change):
    """The policy of a charge point from now on."""

    own: Annotated[UnknownTagPolicy | None, Field(description="null: as the tenant decides.")] = None

    example: ClassVar[Json] = {"own": "free_charging"}
