"""Shapes of REST requests and answers about commands."""

from typing import ClassVar, Final
from uuid import UUID

from pydantic import Field

from app.commands.expected_effects import EXPECTED
from app.commands.records import CommandState, WhenOffline
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

STATE_TEXTS: Final[dict[CommandState, str]] = {
    "waiting": "waits in the database until its charge point connects, or until `not_before`",
    "queued": "waits for the answer to the CALL before it",
    "sent": "was sent; its answer has not come",
    "accepted": "the charge point says yes",
    "rejected": "the charge point says no; `status` is its own word for it",
    "call_error": "the charge point answered with a CALLERROR, or with what cannot be read",
    "timed_out": "no answer came within `timeout_s`",
    "offline": "the charge point was not connected, so nothing was sent",
    "expired": "it was not sent by `deadline_at`, or could not be",
    "cancelled": "it was cancelled before it was sent",
    "connection_lost": "the connection ended, or its server; the charge point may have got it or not",
}
"""The meaning of each state."""

STATES_TEXT: Final = "".join(f"`{state}`: {text}. " for state, text in STATE_TEXTS.items()).strip()


def effect_text(action: str, window_s: float | None) -> str:
    """Return what the documentation says of the effect of an action. window_s: see `ExpectedEffect`."""
    if action not in EXPECTED:
        return "Its answer is all that is known: no effect is observed."
    note = "" if window_s is None else f" `no_effect` is noted {window_s:g} s after its end."
    return f"Observed effect: {EXPECTED[action].text}{note}"


EFFECTS_TEXT: Final = (
    "What the command has observably led to: `observed` names it, other members say where it is shown. "
    '`{"observed": "no_effect"}`: nothing followed within the window of its action; what is observed later '
    "takes its place. null: nothing was observed so far, or the action has no effect that is observed."
)


class CommandError(Resource):
    """Why a command has no result."""

    code: str = Field(
        description="Code of the charge point's CALLERROR. `unreadable_answer`: its answer was damaged, or "
        "is not what the standard allows; so it may have done what was asked, or not."
    )
    description: str
    text: str | None = Field(
        default=None,
        description="Text of an unreadable answer, without secrets, cut to 1 024 bytes.",
    )


class Command(Resource):
    """A CALL to a charge point, from its issue to its end and the effect that was observed after it."""

    id: UUID
    charge_point: str = Field(validation_alias="identity", description="Identity of the charge point.")
    action: str
    payload: Json = Field(description="The request as sent, without secrets.")
    state: CommandState = Field(description=STATES_TEXT)
    status: str | None = Field(
        description="The `status` of the charge point's answer as it was sent, such as UnlockFailed, "
        "NotSupported or VersionMismatch; null: its answer has none, or there is none."
    )
    created_at: Instant
    deadline_at: Instant = Field(description="If it was not sent by then, it expires.")
    timeout_s: float
    issued_by: str
    sent_at: Instant | None
    finished_at: Instant | None
    result: Json | None = Field(description="The charge point's answer.")
    error: CommandError | None
    late_result: Json | None = Field(description="An answer that came after the command had timed out.")
    effect: Json | None = Field(description=EFFECTS_TEXT)
    when_offline: WhenOffline | None = Field(
        description="Of a command that may wait: `queue` until its charge point connects, or `fail`."
    )
    not_before: Instant | None = Field(description="It is not sent before.")
    bulk_id: UUID | None = Field(description="The bulk that it belongs to.")

    example: ClassVar[Json] = {
        "id": "5f0c8f2e-6f7d-4a57-9c43-0d9c4f2b7c11",
        "charge_point": "RDAM-0123",
        "action": "Reset",
        "payload": {"type": "Soft"},
        "state": "queued",
        "status": None,
        "created_at": EXAMPLE_TIME,
        "deadline_at": "2026-05-04T08:16:00.000Z",
        "timeout_s": 30.0,
        "issued_by": "key:3f9c2a7d41be",
        "sent_at": None,
        "finished_at": None,
        "result": None,
        "error": None,
        "late_result": None,
        "effect": None,
        "when_offline": None,
        "not_before": None,
        "bulk_id": None,
    }
