"""The settings of a server process. They are read once from the environment, frozen, and passed as arguments.

Each field names its unit and the reason for its default. The command line calls `load_settings`; tests build
`Settings(...)` themselves.
"""

import contextlib
import ipaddress
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.near_names import near_names

_PREFIX = "STATIONMASTER_"
_PLAIN = ("database_url", "redis_url")
_PEPPER_LENGTH = 16
"""The fewest characters of a pepper of the operator: a shorter one can be guessed."""
_OTHER_VARIABLES = frozenset({f"{_PREFIX}API_KEY", f"{_PREFIX}LOAD", f"{_PREFIX}BENCH_PROFILE"})
"""Variables that are not settings of the server: of the simulator, of `bench`, and of the benchmarks."""


class SettingsError(Exception):
    """A setting is missing or wrong. The text is one line and names the environment variable."""


class Settings(BaseSettings):
    """All settings. Variables: `STATIONMASTER_<FIELD>`, except `DATABASE_URL` and `REDIS_URL`."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="ignore", populate_by_name=True, allow_inf_nan=False
    )

    # postgresql://...; None starts a private PostgreSQL in the data directory.
    database_url: str | None = Field(
        default=None, validation_alias=AliasChoices("database_url", "DATABASE_URL")
    )
    # redis://, rediss:// or unix://; None starts a private Redis in the data directory.
    redis_url: str | None = Field(default=None, validation_alias=AliasChoices("redis_url", "REDIS_URL"))
    # The directory of the embedded engines and the generated pepper; relative to the working directory.
    data_directory: Path = Path("data")
    # Loopback, because opening a machine to the network is a decision of the operator.
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8080, ge=0, le=65535)
    # Worker processes. One serves thousands of sockets; more of them use more cores.
    workers: int = Field(default=1, ge=1, le=256)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    # A secret in the hash of each credential, so that a stolen table cannot be searched. See
    # `load_settings`.
    credential_pepper: str = Field(default="", repr=False)

    # Bytes of one frame. A StopTransaction may have a long transactionData (OCPP 1.6 errata 3.89).
    frame_limit_bytes: int = Field(default=8_388_608, ge=1024, le=16_777_216)
    # Bytes of one frame while the charge point is not Accepted: it sends nothing yet that needs more.
    frame_limit_unregistered_bytes: int = Field(default=16_384, ge=1024, le=16_777_216)
    # Seconds to wait for the answer of a charge point. Slow ones need up to half a minute.
    call_timeout_s: float = Field(default=30.0, gt=0, le=600)
    # Commands that may wait for one charge point. More of them mean that a client is out of control.
    command_queue_limit: int = Field(default=50, ge=1, le=10_000)
    # Seconds that a command may wait to be sent. An older one is seldom still wanted.
    command_expiry_s: float = Field(default=300.0, gt=0, le=86_400)
    # Seconds; the longest timeout that a command may ask for.
    command_timeout_limit_s: float = Field(default=600, gt=0, le=3600)
    # CALLs of one charge point that may wait. At this number its socket is not read.
    inbound_queue_limit: int = Field(default=32, ge=1, le=10_000)
    # CALLs of one charge point: per second on average, and at once after a pause. A boot with 25 connectors
    # sends a burst of 27; an offline queue is replayed one by one.
    rate_per_s: float = Field(default=20.0, gt=0)
    rate_burst: int = Field(default=200, ge=1)
    # Connectors that one charge point may create by reporting them. The largest have a few dozen.
    connectors_per_charge_point: int = Field(default=64, ge=1, le=10_000)
    # Failed logins per minute and address before HTTP 429: enough for a wrongly configured site, too few for
    # guessing.
    login_failures_per_minute: int = Field(default=10, ge=1)
    # Connections of one address that are not logged in and send nothing, or part of a request. More of them
    # are closed, the oldest first. A proxy in `trusted_proxies` has no such limit.
    anonymous_connections_per_address: int = Field(default=64, ge=1, le=1_000_000)
    # New connections that a worker begins to read per second. The others wait, so that the charge points that
    # are connected are served during a storm of reconnects. Addresses with many connections wait for each
    # other only.
    accepts_per_s: float = Field(default=500.0, ge=1, le=1_000_000)
    # Frames and payloads that one address may have validated per minute by the public catalog.
    validations_per_minute: int = Field(default=300, ge=1, le=1_000_000)
    # Seconds between WebSocket pings: below the idle limit of 60 s that mobile networks commonly have.
    ping_interval_s: float = Field(default=30.0, gt=0, le=86_400)
    ping_timeout_s: float = Field(default=20.0, gt=0, le=86_400)
    # Seconds; the heartbeat interval given to charge points. Pings check the connection; heartbeats set the
    # clock of the charge point.
    heartbeat_interval_s: int = Field(default=300, ge=0, le=86_400)

    # Seconds that a worker counts as alive without a renewal, and between renewals: two of them may fail.
    worker_lease_s: float = Field(default=15.0, gt=0, le=3600)
    worker_renewal_s: float = Field(default=5.0, gt=0, le=3600)
    # Seconds without a heartbeat from the event loop of a worker before it is killed and replaced. Heartbeats
    # come every second; a machine that is short of memory or processors stalls for some seconds.
    worker_silence_s: float = Field(default=30.0, ge=5, le=86_400)

    # Seconds to wait for a durable commit before CALLERROR InternalError. Charge points wait longer.
    durable_wait_s: float = Field(default=20.0, ge=0.1, le=600)
    # Records of one group commit. It limits the time that one transaction takes.
    ledger_batch_limit: int = Field(default=512, ge=1, le=10_000)
    # True: charge points may compress their messages (RFC 7692), each one separately and within the limit of
    # an uncompressed one. It is meant for expensive radio: it costs CPU here, and small frames hardly shrink.
    websocket_compression: bool = False
    # Frames kept in memory for the frame log. Beyond it the log drops frames; charge points are not affected.
    frame_log_buffer: int = Field(default=100_000, ge=1)
    # Bytes of all those frames, so that large frames cannot fill the memory.
    frame_log_buffer_bytes: int = Field(default=32_000_000, ge=1)
    frame_log_retention_days: int = Field(default=14, ge=1, le=36_500)
    # True: an unknown identity gets 404 (OCPP-J 3.2). False: it gets 401 like a wrong password, so that
    # identities cannot be probed.
    reveal_unknown_identity: bool = False
    # CIDRs of proxies whose X-Forwarded-For is trusted. None by default, because a client could forge it.
    trusted_proxies: Annotated[list[str], NoDecode] = []
    # Seconds after a RemoteStartTransaction in which a StartTransaction counts as its effect. People walk
    # slowly.
    remote_start_window_s: float = Field(default=300, gt=0, le=86_400)
    # CIDRs that requests to URLs of tenants may go to, although they are not public. None by default, because
    # a tenant could reach the network of the operator.
    outgoing_allowed_networks: Annotated[list[str], NoDecode] = []
    # True: URLs of tenants may begin with http://. Then others on the way can read and change what is sent.
    outgoing_http_allowed: bool = False
    # Requests to URLs of tenants that are under way at the same time, in one worker and of one tenant there.
    # Beyond it they fail at once, because to wait would use up their deadline.
    outgoing_requests_limit: int = Field(default=256, ge=1, le=100_000)
    outgoing_requests_of_tenant_limit: int = Field(default=32, ge=1, le=100_000)

    # True: a charge point that logs in without a boot is asked for its state (TriggerMessage), or for a few
    # configuration keys if it has no triggers. Without it the state is known at the next change.
    state_requests: bool = True
    # Seconds between the login and the first question, and for the answer to it: a charge point that boots
    # does so within that time, and reports its state by itself.
    state_request_delay_s: float = Field(default=5.0, ge=0.01, le=3600)
    # Such commands of one worker per minute, and at once after a pause: each is some writes to the database.
    state_requests_per_minute: int = Field(default=1200, ge=1, le=1_000_000)
    # Logins that may wait to be asked. Beyond it charge points are not asked.
    state_request_queue_limit: int = Field(default=20_000, ge=1, le=1_000_000)

    @field_validator("trusted_proxies", "outgoing_allowed_networks", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.strip("[] ").replace('"', "").split(",") if part.strip()]
        return value

    @field_validator("trusted_proxies", "outgoing_allowed_networks")
    @classmethod
    def _check_networks(cls, value: list[str]) -> list[str]:
        for text in value:
            meant = ipaddress.ip_network(text, strict=False)
            if "/" in text and ipaddress.ip_interface(text).ip != meant.network_address:
                raise ValueError(f"{text} is not a network, because it has host bits: did you mean {meant}?")
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str | None) -> str | None:
        return _with_scheme(value, ("postgresql", "postgres", "postgresql+asyncpg"))

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str | None) -> str | None:
        return _with_scheme(value, ("redis", "rediss", "unix"))

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.worker_renewal_s >= self.worker_lease_s:
            raise ValueError(f"{_PREFIX}WORKER_RENEWAL_S must be below {_PREFIX}WORKER_LEASE_S")
        return self

    def environment(self) -> dict[str, str]:
        """Return these settings as environment variables for worker processes."""
        values: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None:
                values[variable_of(name)] = ",".join(value) if isinstance(value, list) else str(value)
        return values


def variable_of(field: str) -> str:
    """Return the environment variable that sets a field."""
    return field.upper() if field in _PLAIN else _PREFIX + field.upper()


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables that are not settings but look so, each with the nearest setting, if any."""
    variables = {variable_of(field) for field in Settings.model_fields}
    by_rest = {variable.removeprefix(_PREFIX): variable for variable in variables}
    found: dict[str, str | None] = {}
    for name in environment:
        if name.upper().startswith(_PREFIX) and name.upper() not in variables | _OTHER_VARIABLES:
            near = near_names(name[len(_PREFIX) :], by_rest, 1)
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
        raise SettingsError(f"{_PREFIX}DATA_DIRECTORY: {path} is not a directory") from None
    except OSError as error:
        raise SettingsError(f"{_PREFIX}DATA_DIRECTORY: {path} cannot be created: {error.strerror}") from None
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
        raise SettingsError(f"{_PREFIX}CREDENTIAL_PEPPER must have at least {_PEPPER_LENGTH} characters")
    if settings.credential_pepper:
        return settings
    if settings.database_url is not None:
        raise SettingsError(f"{_PREFIX}CREDENTIAL_PEPPER is required when DATABASE_URL is set")
    return settings.model_copy(update={"credential_pepper": _generated_pepper(settings.data_directory)})


def _with_scheme(value: str | None, schemes: tuple[str, ...]) -> str | None:
    if value is None or value == "":
        return None
    if value.partition("://")[0] not in schemes or "://" not in value:
        raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return value


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
        raise SettingsError(f"{_PREFIX}DATA_DIRECTORY: {path}: {error.strerror}") from None
    if not pepper:
        raise SettingsError(f"{_PREFIX}DATA_DIRECTORY: {path} is empty; credentials made with it are lost")
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
