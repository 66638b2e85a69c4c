"""Configuration keys as the rest of the application sees them: frozen, named as the columns are."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ConfigurationRecord:
    """What a charge point last said of one of its configuration keys."""

    charge_point_id: int
    key: str
    value: str | None
    readonly: bool | None
    reported_at: datetime
