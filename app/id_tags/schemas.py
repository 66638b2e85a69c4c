"""Shapes of REST requests and answers about id tags."""

from typing import Annotated, ClassVar

from pydantic import Field

from app.id_tags.records import IdTagStatus
from app.web.inputs import (
    ID_TAG_PATTERN,
    INTEGER_MAXIMUM,
    NOTE_PATTERN,
    PARENT_ID_TAG_PATTERN,
    Change,
    Input,
    Time,
)
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource


class IdTag(Resource):
    """An id tag, and whether it may start transactions."""

    id_tag: str
    status: IdTagStatus
    expires_at: Instant | None
    parent_id_tag: str | None = Field(
        description="Group of the tag. It is never compared with a presented tag."
    )
    max_active_transactions: int | None = Field(description="null: no limit.")
    note: str | None
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "id_tag": "B4A63CDF",
        "status": "Accepted",
        "expires_at": None,
        "parent_id_tag": None,
        "max_active_transactions": 1,
        "note": "Pool car 7",
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


ParentIdTag = Annotated[str, Field(pattern=PARENT_ID_TAG_PATTERN)] | None


Note = Annotated[str, Field(max_length=500, pattern=NOTE_PATTERN)] | None


ActiveTransactions = Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM)] | None


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
    note: Note = None

    example: ClassVar[Json] = {
        "id_tag": "B4A63CDF",
        "status": "Accepted",
        "max_active_transactions": 1,
        "note": "Pool car 7",
    }


class IdTagChange(Change):
    """The fields of an id tag to change."""

    status: IdTagStatus = "Accepted"
    expires_at: Time | None = None
    parent_id_tag: ParentIdTag = None
    max_active_transactions: ActiveTransactions = None
    note: Note = None

    example: ClassVar[Json] = {"status": "Blocked", "note": "Reported lost"}
