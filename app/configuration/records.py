"""Values about configuration keys. A field has the name of its column."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ConfigurationRecord:
    """A configuration key, as its charge point last reported it."""

    charge_point_id: int
    key: str
    value: str | None
    readonly: bool | None
    reported_at: datetime
