"""Chooses what traces a worker, by the settings."""

from importlib.util import find_spec

from app.settings import Settings, SettingsError, variable_of
from app.tracing.spans import NoTracing, Tracing


def check_tracing(settings: Settings) -> None:
    """Refuse settings that need a package which is not installed.

    Raises:
        SettingsError: the text names the variable and the package.
    """
    # The packages share the name `opentelemetry`, which other programs may have brought.
    if settings.tracing_url is not None and not all(map(_is_installed, ("sdk", "exporter"))):
        raise SettingsError(
            f"{variable_of('tracing_url')} needs OpenTelemetry: pip install 'stationmaster[tracing]'"
        )


def tracing_of(settings: Settings) -> Tracing:
    """Return what traces a worker. Without a URL in the settings it is nothing, and nothing is imported."""
    if settings.tracing_url is None:
        return NoTracing()
    from app.tracing.telemetry import Telemetry

    return Telemetry(settings)


def _is_installed(part: str) -> bool:
    return find_spec("opentelemetry") is not None and find_spec(f"opentelemetry.{part}") is not None
