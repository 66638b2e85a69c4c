"""Labels, and the selection of charge points."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from app.charge_points.records import ChargePointFilter
from app.charge_points.rules import LABELS_LIMIT
from app.ocpp.v16 import RegistrationStatus
from app.web.inputs import Identity, Input
from app.web.resources import Json, Resource
from app.web.wording import LABEL_KEY_PATTERN, LABEL_PATTERN, LINE_PATTERN

LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=LINE_PATTERN)]
LabelText = Annotated[
    str,
    StringConstraints(pattern=LABEL_PATTERN, max_length=319),
    Field(description="`key:value`, or `key` alone: any value of it.", examples=["site:north"]),
]
"""A label that a charge point must have, as a filter names it."""
LABELS_DESCRIPTION = (
    "Your labels, value by key. A group is a label, such as `group` with the value `depot 7`."
)
Labels = Annotated[
    dict[LabelKey, LabelValue],
    Field(max_length=LABELS_LIMIT, description=LABELS_DESCRIPTION, examples=[{"site": "north"}]),
]
LabelChanges = Annotated[
    dict[LabelKey, LabelValue | None],
    Field(max_length=2 * LABELS_LIMIT, description="Labels to set; null removes one. Others stay."),
]
DeviceText = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=LINE_PATTERN)]


class ChargePointSelector(Input):
    """The charge points that something is for: those for which all given members hold. None given: all."""

    labels: Annotated[
        tuple[LabelText, ...], Field(max_length=16, description="The charge point has all of them.")
    ] = ()
    vendor: Annotated[DeviceText | None, Field(description="As it last booted; in exact case.")] = None
    model: Annotated[DeviceText | None, Field(description="As it last booted; in exact case.")] = None
    firmware_version: Annotated[DeviceText | None, Field(description="As it last booted.")] = None
    prefix: Annotated[Identity | None, Field(description="Beginning of the identity; case-sensitive.")] = None
    search: Annotated[
        DeviceText | None,
        Field(description="Beginning of the identity or the name; upper and lower case are the same."),
    ] = None
    registration_status: RegistrationStatus | None = None
    identities: Annotated[
        tuple[Identity, ...] | None, Field(max_length=2000, description="Exactly these; null: any.")
    ] = None

    example: ClassVar[Json] = {"labels": ["site:north"], "vendor": "Acme"}

    @model_validator(mode="after")
    def _refuse_null(self) -> Self:
        # A program whose variable is empty does not mean the whole fleet.
        if null := [name for name in sorted(self.model_fields_set) if getattr(self, name) is None]:
            raise ValueError(f"{null[0]} is null: leave it out if it does not matter")
        return self

    def stored(self) -> Json:
        """Return the members that are given, as `ChargePointFilter.of` reads them."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def filters(self) -> ChargePointFilter:
        """Return the filter that selects them."""
        return ChargePointFilter.of(self.stored())


class ShownSelector(Resource):
    """The charge points that something is for. Absent members are null."""

    labels: list[str] = Field(default_factory=list)
    vendor: str | None = None
    model: str | None = None
    firmware_version: str | None = None
    prefix: str | None = None
    search: str | None = None
    registration_status: RegistrationStatus | None = None
    identities: list[str] | None = None

    example: ClassVar[Json] = {
        "labels": ["site:north"],
        "vendor": "Acme",
        "model": None,
        "firmware_version": None,
        "prefix": None,
        "search": None,
        "registration_status": None,
        "identities": None,
    }
