"""The shapes of REST requests and answers about local authorization lists."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from app.charge_points.schemas import ChargePointSelector, ShownSelector
from app.local_lists.records import ListState
from app.web.inputs import Change, IdTagText, Input
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import LINE_PATTERN

LIST_NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,47}$"

ListName = Annotated[
    str, Field(pattern=LIST_NAME_PATTERN, description="1 to 48 lower-case letters, digits and hyphens.")
]
_Note = Annotated[str | None, Field(max_length=500, pattern=LINE_PATTERN, description="For people.")]
_AllTags = Annotated[bool, Field(description="All id tags of the tenant.")]
_Groups = Annotated[
    list[IdTagText], Field(max_length=200, description="All id tags whose parent_id_tag is one of these.")
]
_Tags = Annotated[list[IdTagText], Field(max_length=1000, description="These id tags.")]
_Selector = Annotated[
    ChargePointSelector | None,
    Field(
        description="The charge points, later ones too; an empty object: all; null: none. A charge point has "
        "one list: one that has its identity, else one that selects it, else one for all."
    ),
]

_EXAMPLE: Json = {
    "name": "fleet",
    "note": "Pool cars",
    "enabled": True,
    "all_id_tags": False,
    "groups": ["FLEET-7"],
    "id_tags": ["B4A63CDF"],
}


class LocalList(Resource):
    """A local authorization list: which id tags, and for which charge points."""

    name: str
    note: str | None
    enabled: bool = Field(description="false: the list is kept in step with no charge point.")
    all_id_tags: bool
    groups: list[str]
    id_tags: list[str]
    selector: ShownSelector | None = Field(description="The charge points; null: none.")
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        **_EXAMPLE,
        "selector": ShownSelector.example,
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class LocalListCreate(Input):
    """A new local authorization list. Its entries are the sum of what it names."""

    name: ListName
    note: _Note = None
    enabled: bool = True
    all_id_tags: _AllTags = False
    groups: _Groups = Field(default_factory=list)
    id_tags: _Tags = Field(default_factory=list)
    selector: _Selector = None

    example: ClassVar[Json] = {**_EXAMPLE, "selector": {"labels": ["site:north"]}}


class LocalListChange(Change):
    """The fields of a local authorization list to change. A list of names replaces the one before."""

    note: _Note = None
    enabled: bool = True
    all_id_tags: _AllTags = False
    groups: _Groups = Field(default_factory=list)
    id_tags: _Tags = Field(default_factory=list)
    selector: _Selector = None

    example: ClassVar[Json] = {"groups": ["FLEET-7", "FLEET-8"]}


class ListDifference(Resource):
    """An entry that differs."""

    id_tag: str
    kind: Literal["missing", "extra", "changed"] = Field(
        description="`missing` and `extra` on the charge point; `changed`: its status, expiry or parent."
    )

    example: ClassVar[Json] = {"id_tag": "B4A63CDF", "kind": "missing"}


class LastSentList(Resource):
    """The last SendLocalList, of the server or of an operator."""

    update_type: Literal["Full", "Differential"]
    version: int
    entries: int
    status: str | None = Field(description="The charge point's answer; null: it was lost.")
    command_id: UUID
    at: Instant

    example: ClassVar[Json] = {
        "update_type": "Full",
        "version": 5,
        "entries": 20,
        "status": "Accepted",
        "command_id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "at": EXAMPLE_TIME,
    }


class ChargePointLocalList(Resource):
    """The local authorization list of a charge point, compared with the one that it should have."""

    list_name: str | None = Field(description="The list that is meant for it; null: none.")
    state: ListState = Field(
        description="`drifted`: another system has changed it, and it is sent again. `failed`: the charge "
        "point refused it, or it is too long; `status` and `reason` say why. `off`: switched off here. "
        "`unmanaged`: no list is meant for it."
    )
    sync: bool = Field(description="false: the server sends no list to this charge point.")
    desired_version: int | None = Field(
        description="Version once it is in step; null: not known before its version is."
    )
    desired_entries: int | None
    known_version: int | None = Field(description="Of the last update that it accepted, or reported.")
    known_entries: int | None = Field(description="null: what it has is unknown.")
    reported_version: int | None = Field(description="Its last answer to GetLocalListVersion.")
    reported_at: Instant | None
    status: str | None = Field(description="Its word about the last update, or `no_answer`, `refused`.")
    status_at: Instant | None
    reason: str | None
    last_sent: LastSentList | None
    differences: list[ListDifference] = Field(description="The first 200.")
    left_out: list[str] = Field(description="Id tags of more than 20 characters, which no list can have.")

    example: ClassVar[Json] = {
        "list_name": "fleet",
        "state": "in_sync",
        "sync": True,
        "desired_version": 5,
        "desired_entries": 20,
        "known_version": 5,
        "known_entries": 20,
        "reported_version": 4,
        "reported_at": EXAMPLE_TIME,
        "status": "Accepted",
        "status_at": EXAMPLE_TIME,
        "reason": None,
        "last_sent": LastSentList.example,
        "differences": [],
        "left_out": [],
    }


class ListSyncChange(Change):
    """Whether the list of a charge point is kept in step."""

    sync: bool = True

    example: ClassVar[Json] = {"sync": False}
