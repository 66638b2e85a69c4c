"""The base class of the types of events, and the list of them."""

from datetime import datetime
from typing import Any, ClassVar, Final

from pydantic_core import PydanticSerializationError

from app.database.text import clean_json
from app.events.records import NewEvent
from app.types import ChargePointKey
from app.web.resources import Resource


class Payload(Resource):
    """The payload of one type of event.

    type: its name, in the past tense; version: of its fields. A subclass that sets them is a type of event.
    """

    type: ClassVar[str]
    version: ClassVar[int] = 1

    def __init_subclass__(cls, **options: Any) -> None:
        """Register the type."""
        super().__init_subclass__(**options)
        if "type" in cls.__dict__:
            _TYPES[cls.type] = cls

    def text(self) -> str:
        """Return the JSON text of the payload, in a form that can be stored."""
        try:
            return self.model_dump_json()
        except PydanticSerializationError:
            # Half of a surrogate pair, in the text of a charge point.
            return type(self).model_validate(clean_json(self.model_dump())).model_dump_json()

    def of(self, charge_point: ChargePointKey, occurred_at: datetime) -> NewEvent:
        """Return the event of a charge point with this payload."""
        return NewEvent(self.type, self.version, *charge_point, occurred_at=occurred_at, data=self.text())


_TYPES: Final[dict[str, type[Payload]]] = {}


def event_types() -> dict[str, type[Payload]]:
    """Return all types of events that are written, by name."""
    return dict(sorted(_TYPES.items()))
