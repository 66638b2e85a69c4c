"""Shapes of REST requests and answers about configuration keys."""

from pydantic import Field

from app.web.resources import Instant, Resource


class ConfigurationKey(Resource):
    """What a charge point last said of one configuration key."""

    key: str
    value: str | None = Field(description="null: never reported, or secret.")
    readonly: bool | None
    reported_at: Instant


class Configuration(Resource):
    """The known configuration of a charge point. Send GetConfiguration to refresh it."""

    items: list[ConfigurationKey]
