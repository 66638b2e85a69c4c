"""The settings of a server process, by subject."""

from app.settings.server import Settings, load_settings, unknown_variables, usable_directory
from app.settings.values import SettingsError, variable_of

__all__ = [
    "Settings",
    "SettingsError",
    "load_settings",
    "unknown_variables",
    "usable_directory",
    "variable_of",
]
