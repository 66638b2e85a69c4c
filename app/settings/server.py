"""All settings of a server process. They are read once from the environment, frozen, and passed as arguments.

Each field names its unit and the reason for its default. The command line calls `load_settings`; tests build
`Settings(...)` themselves.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AliasChoices, Field, ValidationError, model_validator

from app.database.address import check_files, read_address
from app.live.address import check_redis_files, read_redis_address
from app.near_names import near_names
from app.settings.connections import ConnectionSettings
from app.settings.console import ConsoleSettings
from app.settings.devices import DeviceSettings
from app.settings.values import PREFIX, HttpUrl, Networks, SettingsError, check_bare, variable_of
from app.settings.webhooks import WebhookSettings

_PEPPER_LENGTH = 16
"""The fewest characters of a pepper of the operator: a shorter one can be guessed."""
_OTHER_VARIABLES = frozenset({f"{PREFIX}API_KEY", f"{PREFIX}LOAD", f"{PREFIX}BENCH_PROFILE"})
"""Variables that are not settings of the server: of the simulator, of `bench`, and of the benchmarks."""


def _check_database_url(value: str | None) -> str | None:
    if not value:
        return None
    check_bare(value)
    check_files(read_address(value))
    return value


def _check_redis_url(value: str | None) -> str | None:
    if not value:
        return None
    check_bare(value)
    check_redis_files(read_redis_address(value))
    return value


class Settings(ConnectionSettings, DeviceSettings, ConsoleSettings, WebhookSettings):
    """All settings."""

    # postgresql://...; None: a private PostgreSQL in the data directory.
    database_url: Annotated[str | None, AfterValidator(_check_database_url)] = Field(
        default=None, repr=False, validation_alias=AliasChoices("database_url", "DATABASE_URL")
    )
    # Connections of one worker for requests that write or read in several steps. Half of them are kept.
    database_work_connections: int = Field(default=16, ge=2, le=1000)
    # Connections of one worker for each of: reads, commands, messages, logins. Each statement takes one for
    # some milliseconds.
    database_statement_connections: int = Field(default=8, ge=1, le=1000)
    # redis://, rediss://, unix:// and those of Sentinel and Cluster; None: a private Redis in the data
    # directory.
    redis_url: Annotated[str | None, AfterValidator(_check_redis_url)] = Field(
        default=None, repr=False, validation_alias=AliasChoices("redis_url", "REDIS_URL")
    )
    # The directory of the embedded engines and the generated pepper; relative to the working directory.
    data_directory: Path = Path("data")
    # Worker processes. One serves thousands of sockets; more of them use more cores.
    workers: int = Field(default=1, ge=1, le=256)
    # The commit that the program was built from, for `stationmaster_build_info`. An image sets it.
    commit: str = Field(default="unknown", max_length=64)
    # A collector of traces that speaks OTLP over HTTP, such as http://127.0.0.1:4318. None: no traces.
    tracing_url: HttpUrl = None
    # Share of the traces that begin here and are sent. A request that brings a trace follows its decision.
    tracing_ratio: float = Field(default=1.0, ge=0, le=1)
    # The least important lines that are logged. `debug` has the payloads of messages.
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # Lines for programs, or for a person at a terminal.
    log_format: Literal["json", "console"] = "json"
    # A secret of 16 characters or more in the hash of each credential, so that a stolen table cannot be
    # searched. It is required with a database of your own; else it is made, and kept in the data directory.
    credential_pepper: str = Field(default="", repr=False)
    # Frames and payloads that one address may have validated per minute by the public catalog.
    validations_per_minute: int = Field(default=300, ge=1, le=1_000_000)
    # Seconds that a worker counts as alive without a renewal, and between renewals: two of them may fail.
    worker_lease_s: float = Field(default=15.0, gt=0, le=3600)
    worker_renewal_s: float = Field(default=5.0, gt=0, le=3600)
    # Seconds without a heartbeat from the event loop of a worker before it is killed and replaced. Heartbeats
    # come every second; a machine that is short of memory or processors stalls for some seconds.
    worker_silence_s: float = Field(default=30.0, ge=5, le=86_400)
    # Seconds over which a worker that stops closes the sockets of its charge points, so that they do not come
    # back in the same second. At least 100 are closed per second. Whatever stops the server has to wait 15
    # seconds longer before it kills it.
    drain_s: float = Field(default=30.0, ge=0, le=600)
    # Seconds to wait for a durable commit before CALLERROR InternalError. Charge points wait longer.
    durable_wait_s: float = Field(default=20.0, ge=0.1, le=600)
    # Records of one group commit. It limits the time that one transaction takes.
    ledger_batch_limit: int = Field(default=512, ge=1, le=10_000)
    # Frames kept in memory for the frame log. Beyond it the log drops frames; charge points are not affected.
    frame_log_buffer: int = Field(default=100_000, ge=1)
    # Bytes of all those frames, so that large frames cannot fill the memory.
    frame_log_buffer_bytes: int = Field(default=32_000_000, ge=1)
    # Bytes of frames that a worker logs for one tenant in a day, by UTC. Beyond it the log drops the frames
    # of that tenant until midnight, and tells it. Records and their evidence are not affected.
    frame_log_bytes_of_tenant_per_day: int = Field(
        default=10_737_418_240, ge=1_048_576, le=100_000_000_000_000
    )
    # Days that frames are kept: long enough to look into a complaint.
    frame_log_retention_days: int = Field(default=14, ge=1, le=36_500)
    # Days after its end that a month of meter values is kept in the database. `stationmaster export` drops it
    # then, if its files are read back. None: for ever, because they are billing records. At least a month,
    # because sessions that run need their own.
    meter_values_retention_days: int | None = Field(default=None, ge=31, le=36_500)
    # Days that security events are kept: an attack is often found months later. The first and the last one of
    # an open alarm stay.
    security_event_retention_days: int = Field(default=400, ge=1, le=36_500)
    # Days that events are kept: a consumer that was away for longer reads the state again.
    event_retention_days: int = Field(default=30, ge=1, le=3650)
    # Streams of events of one tenant on one worker at the same time. Each holds a socket and a little memory.
    event_streams_limit: int = Field(default=100, ge=1, le=100_000)
    # Seconds between comments on a stream without events, so that proxies do not close it. The key of the
    # stream is checked again then.
    event_heartbeat_s: float = Field(default=15.0, ge=0.05, le=300)
    # Events of a tenant that a worker holds for its streams. A stream that is further behind is closed.
    event_buffer: int = Field(default=2_000, ge=1_000, le=1_000_000)
    # CIDRs that requests to URLs of tenants may go to, although they are not public. None by default, because
    # a tenant could reach the network of the operator.
    outgoing_allowed_networks: Networks = Field(default_factory=list)
    # True: URLs of tenants may begin with http://. Then others on the way can read and change what is sent.
    outgoing_http_allowed: bool = False
    # Requests to URLs of tenants that are under way at the same time, in one worker and of one tenant there.
    # Beyond it they fail at once, because to wait would use up their deadline.
    outgoing_requests_limit: int = Field(default=256, ge=1, le=100_000)
    outgoing_requests_of_tenant_limit: int = Field(default=32, ge=1, le=100_000)

    @model_validator(mode="after")
    def _check_lease(self) -> Self:
        if self.worker_renewal_s >= self.worker_lease_s:
            raise ValueError(f"{PREFIX}WORKER_RENEWAL_S must be below {PREFIX}WORKER_LEASE_S")
        return self

    @model_validator(mode="after")
    def _check_certificate_files(self) -> Self:
        if self.tls_certificates and self.server_certificate_files:
            raise ValueError(
                f"{PREFIX}SERVER_CERTIFICATE_FILES is for a TLS proxy, and {PREFIX}TLS_CERTIFICATES is set"
            )
        return self

    def environment(self) -> dict[str, str]:
        """Return these settings as environment variables for worker processes."""
        values: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None:
                # An empty variable would be as if it were not set.
                values[variable_of(name)] = (
                    ",".join(map(str, value)) or "[]" if isinstance(value, list) else str(value)
                )
        return values


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables that are not settings but look so, each with the nearest setting, if any."""
    variables = {variable_of(field) for field in Settings.model_fields}
    by_rest = {variable.removeprefix(PREFIX): variable for variable in variables}
    found: dict[str, str | None] = {}
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper() not in variables | _OTHER_VARIABLES:
            near = near_names(name[len(PREFIX) :], by_rest, 1)
            found[name] = by_rest[near[0]] if near else None
    return found


def usable_directory(path: Path) -> Path:
    """Create the data directory if it does not exist, and return it.

    Raises:
        SettingsError: it is not a directory, or cannot be created; the text names its variable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise SettingsError(f"{PREFIX}DATA_DIRECTORY: {path} is not a directory") from None
    except OSError as error:
        raise SettingsError(f"{PREFIX}DATA_DIRECTORY: {path} cannot be created: {error.strerror}") from None
    return path


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment. `overrides` (command line options) have precedence.

    An external database requires a pepper, because it must be the same on each server. With the embedded
    database the pepper is generated once, into `data_directory/pepper` with mode 0600.

    Raises:
        SettingsError: a variable is missing or wrong; the text names it.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None
    if 0 < len(settings.credential_pepper) < _PEPPER_LENGTH:
        raise SettingsError(f"{PREFIX}CREDENTIAL_PEPPER must have at least {_PEPPER_LENGTH} characters")
    if settings.credential_pepper:
        return settings
    if settings.database_url is not None:
        raise SettingsError(f"{PREFIX}CREDENTIAL_PEPPER is required when DATABASE_URL is set")
    return settings.model_copy(update={"credential_pepper": _generated_pepper(settings.data_directory)})


def _one_line(error: ValidationError) -> str:
    parts = []
    for problem in error.errors(include_url=False, include_input=False):
        message = problem["msg"].removeprefix("Value error, ")
        # A rule about several fields has no location; its message names the variables.
        parts.append(
            f"{variable_of(str(problem['loc'][0]).lower())}: {message}" if problem["loc"] else message
        )
    return "; ".join(parts)


def _generated_pepper(directory: Path) -> str:
    path = usable_directory(directory) / "pepper"
    try:
        if not path.exists():
            _write_pepper(path)
        pepper = path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"{PREFIX}DATA_DIRECTORY: {path}: {error.strerror}") from None
    if not pepper:
        raise SettingsError(f"{PREFIX}DATA_DIRECTORY: {path} is empty; credentials made with it are lost")
    return pepper


def _write_pepper(path: Path) -> None:
    """Write a temporary file, then link it to `path`: a crash leaves no half file, the first writer wins."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".pepper-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
