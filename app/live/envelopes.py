"""The envelopes of the command bus: versioned, encoded as msgpack. No Redis here.

A new field needs a default; old workers ignore it. A change of meaning needs a new VERSION; old workers drop
and count such envelopes.
"""

import msgspec

from app.ocpp.v16 import RegistrationStatus
from app.types import CommandId, TenantId, WorkerId

VERSION = 2


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """The fields of all envelopes.

    identity, epoch: the session that it is for; issuer: the worker that gets the answers; life_s: how long it
    is worth something. At its arrival the bus has subtracted the time under way, so no clocks are compared.
    """

    tenant_id: TenantId
    identity: str
    epoch: int
    life_s: float
    issuer: WorkerId
    version: int = VERSION


class CallEnvelope(_Envelope, frozen=True, tag="call"):
    """Send this CALL to the charge point.

    payload: strict JSON text; timeout_s: counted from the sending; has_effects: its end may change other
    rows; full_life_s: the life that it had when it was issued; has_waited: others of its charge point may
    wait in the database for its end; trace: see `app.tracing`, absent if nothing is traced.
    """

    command_id: CommandId
    action: str
    payload: str
    timeout_s: float
    full_life_s: float
    has_effects: bool = True
    has_waited: bool = False
    trace: str | msgspec.UnsetType = msgspec.UNSET


class CancelEnvelope(_Envelope, frozen=True, tag="cancel"):
    """Remove a command from the queue of its session, if it was not sent yet."""

    command_id: CommandId


class EvictEnvelope(_Envelope, frozen=True, tag="evict"):
    """Close sessions of the charge point that are older than this charge_point_id and epoch."""

    charge_point_id: int


class RegistrationEnvelope(_Envelope, frozen=True, tag="registration"):
    """The operator has changed the registration of the charge point."""

    charge_point_id: int
    registration_status: RegistrationStatus


class AskEnvelope(_Envelope, frozen=True, tag="ask"):
    """Ping the charge point of this session, and tell the issuer by an AnsweredEnvelope that it lives."""


class AnsweredEnvelope(_Envelope, frozen=True, tag="answered"):
    """The charge point of this session has answered a ping. epoch: as in the AskEnvelope."""


class MovedEnvelope(_Envelope, frozen=True, tag="moved"):
    """The worker does not hold the session of a CallEnvelope, so nothing was sent. epoch: as in the call."""

    command_id: CommandId


class DoneEnvelope(_Envelope, frozen=True, tag="done"):
    """The record of a command has changed; mostly it has ended. ended: the encoded end, if it has one."""

    command_id: CommandId
    ended: bytes | None = None


Envelope = (
    CallEnvelope
    | CancelEnvelope
    | EvictEnvelope
    | RegistrationEnvelope
    | AskEnvelope
    | AnsweredEnvelope
    | MovedEnvelope
    | DoneEnvelope
)
