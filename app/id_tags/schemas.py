"""Shapes of REST requests and answers about id tags."""

from typing import Annotated

from pydantic import Field

from app.id_tags.records import IdTagStatus
from app.web.inputs import ID_TAG_PATTERN, INTEGER_MAXIMUM, NOTE_PATTERN, Change, Input, Time
from app.web.resources import Instant, Resource


class IdTag(Resource):
    """A tag that may, or may not, start transactions."""

    id_tag: str
    status: IdTagStatus
    expires_at: Instant | None
    parent_id_tag: str | None = Field(description="Group; never compared with a presented tag.")
    max_active_transactions: int | None = Field(description="null: no limit.")
    note: str | None
    created_at: Instant
    updated_at: Instant


OptionalIdTag = Annotated[str, Field(pattern=ID_TAG_PATTERN)] | None


Note = Annotated[str, Field(max_length=500, pattern=NOTE_PATTERN)] | None


ActiveTransactions = Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM)] | None


class IdTagCreate(Input):
    """A new id tag."""

    id_tag: Annotated[
        str, Field(pattern=ID_TAG_PATTERN, description="1 to 20 printable characters; case does not matter.")
    ]
    status: IdTagStatus = "Accepted"
    expires_at: Time | None = None
    parent_id_tag: OptionalIdTag = None
    max_active_transactions: ActiveTransactions = None
    note: Note = None


class IdTagChange(Change):
    """What may change of an id tag."""

    status: IdTagStatus = "Accepted"
    expires_at: Time | None = None
    parent_id_tag: OptionalIdTag = None
    max_active_transactions: ActiveTransactions = None
    note: Note = None
