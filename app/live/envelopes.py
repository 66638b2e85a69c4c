"""What travels on the command bus: versioned envelopes, msgpack-encoded; no Redis here.

A field may be added with a default (old workers ignore it); a change of meaning needs a new VERSION, which
old workers drop and count.
"""

import msgspec

from app.types import CommandId, TenantId, WorkerId

VERSION = 1


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Common to all.

    identity and epoch: the session that is meant; deadline: POSIX seconds (UTC) after which the envelope is
    void;
    issuer: the worker that gets the answers.
    """

    tenant_id: TenantId
    identity: str
    epoch: int
    deadline: float
    issuer: WorkerId
    version: int = VERSION


class CallEnvelope(_Envelope, frozen=True, tag="call"):
    """Send this CALL to the charge point. payload: strict JSON text; timeout_s counts from the sending on.

    has_effects: its end may change other rows.
    """

    command_id: CommandId
    action: str
    payload: str
    timeout_s: float
    has_effects: bool = True


class CancelEnvelope(_Envelope, frozen=True, tag="cancel"):
    """Take a command out of the queue of its session, if it was not sent yet."""

    command_id: CommandId


class EvictEnvelope(_Envelope, frozen=True, tag="evict"):
    """A session with this charge_point_id and epoch has taken over: close what is older."""

    charge_point_id: int


class MovedEnvelope(_Envelope, frozen=True, tag="moved"):
    """The receiver of a CallEnvelope does not hold that session: nothing was sent. epoch: as in the call."""

    command_id: CommandId


class DoneEnvelope(_Envelope, frozen=True, tag="done"):
    """The record of a command may have changed, mostly because it is terminal now.

    ended: the record, encoded by the worker that ended it.
    """

    command_id: CommandId
    ended: bytes | None = None


Envelope = CallEnvelope | CancelEnvelope | EvictEnvelope | MovedEnvelope | DoneEnvelope
