"""What REST resources of all capabilities share: names in snake_case, times in RFC 3339 UTC."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from app.clock import utc_text

Instant = Annotated[
    datetime,
    PlainSerializer(utc_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]


Json = dict[str, Any]


class Resource(BaseModel):
    """Base of all resources."""

    model_config = ConfigDict(frozen=True, from_attributes=True, populate_by_name=True)
