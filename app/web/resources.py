"""The base of all resources: names in snake_case, times in RFC 3339 UTC, and an example."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from app.clock import utc_text

Instant = Annotated[
    datetime,
    PlainSerializer(utc_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]


Json = dict[str, Any]

EXAMPLE_TIME: Final = "2026-05-04T08:15:30.000Z"
"""The time in examples."""


class Resource(BaseModel):
    """Base of all resources.

    A resource that a route answers with has an `example`. OpenAPI shows it in each answer with the resource,
    and a page of one in listings. A test checks that it is valid.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True, populate_by_name=True)

    example: ClassVar[Json]
