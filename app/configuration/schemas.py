"""The shapes of REST requests and answers about configuration keys."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from app.charge_points.schemas import ChargePointSelector, ShownSelector
from app.configuration.records import ConfigurationSource, KeyProgress
from app.types import CONFIGURATION_KEY_PATTERN
from app.web.inputs import Input
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import LINE_PATTERN


class ConfigurationKey(Resource):
    """A configuration key: what the charge point last said of it, and what it should be."""

    key: str
    value: str | None = Field(description="null: it was never reported; `***`: it is secret.")
    readonly: bool | None
    reported_at: Instant | None = Field(description="null: it was never reported.")
    source: ConfigurationSource | None = Field(description="The command whose answer says so.")
    issued_by: str | None = Field(description="Who issued that command.")
    desired: str | None = Field(description="null: nothing is desired; `***`: it is secret.")
    template: str | None = Field(description="Where `desired` comes from; null: set for this charge point.")
    state: KeyProgress | None = Field(
        description=(
            "How far `desired` has come. pending: not sent yet; sent: no answer yet; accepted: not read back "
            "yet; in_sync: the charge point has it; unverified: accepted, but it cannot be read; drifted: it "
            "was accepted, but another value is shown; reboot_required: from the next boot on; rejected and "
            "not_supported: as answered; failed: no answer. null: nothing is desired."
        )
    )
    since: Instant | None = Field(description="When `state` began.")

    example: ClassVar[Json] = {
        "key": "HeartbeatInterval",
        "value": "300",
        "readonly": False,
        "reported_at": EXAMPLE_TIME,
        "source": "GetConfiguration",
        "issued_by": "state-after-login",
        "desired": "600",
        "template": "north",
        "state": "pending",
        "since": EXAMPLE_TIME,
    }


class Configuration(Resource):
    """The known and the desired configuration of a charge point. GetConfiguration refreshes the known one."""

    items: list[ConfigurationKey]

    example: ClassVar[Json] = {"items": [ConfigurationKey.example]}


KeyName = Annotated[str, StringConstraints(pattern=rf"^{CONFIGURATION_KEY_PATTERN}$")]
KeyValue = Annotated[str, StringConstraints(max_length=500, pattern=LINE_PATTERN)]
DesiredKeys = Annotated[
    dict[KeyName, KeyValue],
    Field(
        max_length=100,
        description="Values by key, of the standard or a vendor. Upper and lower case of keys are the same.",
        examples=[{"HeartbeatInterval": "600"}],
    ),
]


class DesiredConfiguration(Resource):
    """The keys that one charge point should have by itself. They come before those of templates."""

    keys: dict[str, str] = Field(description="Values by key. `***`: it is secret.")

    example: ClassVar[Json] = {"keys": {"HeartbeatInterval": "600"}}


class DesiredConfigurationReplacement(Input):
    """All keys that one charge point should have by itself. The others are left as they are."""

    keys: DesiredKeys

    example: ClassVar[Json] = DesiredConfiguration.example


TEMPLATE_NAME_PATTERN = r"^[a-z0-9-]{1,40}$"


class ConfigurationTemplateShown(Resource):
    """The keys that many charge points should have."""

    name: str
    priority: int = Field(description="If two templates say something of one key, the higher number counts.")
    selector: ShownSelector
    keys: dict[str, str] = Field(description="Values by key. `***`: it is secret.")
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "name": "north",
        "priority": 10,
        "selector": ShownSelector.example,
        "keys": {"HeartbeatInterval": "600"},
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class ConfigurationTemplateReplacement(Input):
    """The keys that many charge points should have. An empty selector means all of them."""

    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    selector: ChargePointSelector = Field(default_factory=lambda: ChargePointSelector())
    keys: DesiredKeys

    example: ClassVar[Json] = {
        "priority": 10,
        "selector": {"labels": ["site:north"], "vendor": "Acme"},
        "keys": {"HeartbeatInterval": "600"},
    }
