"""The shapes of REST requests and answers about configuration keys."""

from typing import ClassVar

from pydantic import Field

from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource


class ConfigurationKey(Resource):
    """A configuration key, as the charge point last reported it."""

    key: str
    value: str | None = Field(description="null: it was never reported; `***`: it is secret.")
    readonly: bool | None
    reported_at: Instant

    example: ClassVar[Json] = {
        "key": "HeartbeatInterval",
        "value": "300",
        "readonly": False,
        "reported_at": EXAMPLE_TIME,
    }


class Configuration(Resource):
    """The known configuration of a charge point. The command GetConfiguration refreshes it."""

    items: list[ConfigurationKey]

    example: ClassVar[Json] = {"items": [ConfigurationKey.example]}
