"""Shapes of REST requests and answers about authorization webhooks."""

from typing import Annotated, ClassVar

from pydantic import Field

from app.authorization_webhooks.records import AnswerFault, AskedAbout, AskingAction, DecidedBy, Fallback
from app.clock import utc_text
from app.database.prepared import Row
from app.outgoing.records import OutgoingFailure
from app.outgoing.rules import URL_LIMIT
from app.web.inputs import INTEGER_MAXIMUM, Identity, IdTagText, Input, Line
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.rows import Fields

AttemptReason = OutgoingFailure | AnswerFault
_URL = "https://billing.example.com/authorize"
_FALLBACK = (
    "What holds without a valid answer. local: what is stored here; accept: Accepted; refuse: Invalid."
)
_ASKED_ABOUT = (
    "always: it decides on all tags; unknown_tags: on those that are not stored here. It is never asked "
    "about an empty tag."
)
_DEADLINE = "Milliseconds from the question to its whole answer."
_CACHE = (
    "Seconds for which an answer holds for the same tag at the same charge point, but not beyond the expiry "
    "of an accepted tag. 0: each question is asked."
)


class AuthorizationWebhook(Resource):
    """The server of a tenant that decides which tags may charge."""

    url: str
    deadline_ms: int = Field(description=_DEADLINE)
    fallback: Fallback = Field(description=_FALLBACK)
    asked_about: AskedAbout = Field(description=_ASKED_ABOUT)
    cache_s: int = Field(description=_CACHE)
    previous_secret_until: Instant | None = Field(
        description="Up to then requests are also signed with the secret before the newest one."
    )
    created_at: Instant
    updated_at: Instant

    example: ClassVar[Json] = {
        "url": _URL,
        "deadline_ms": 2000,
        "fallback": "local",
        "asked_about": "always",
        "cache_s": 60,
        "previous_secret_until": None,
        "created_at": EXAMPLE_TIME,
        "updated_at": EXAMPLE_TIME,
    }


class NewAuthorizationWebhook(AuthorizationWebhook):
    """An authorization webhook, with its secret."""

    secret: str = Field(description="Signs all requests (Standard Webhooks). It is shown only once.")

    example: ClassVar[Json] = {
        **AuthorizationWebhook.example,
        "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    }


class AuthorizationWebhookPut(Input):
    """The authorization webhook from now on."""

    url: Annotated[
        Line,
        Field(
            min_length=1,
            max_length=URL_LIMIT,
            description="Begins with https://, without user, password and fragment. It must lead to public "
            "addresses.",
        ),
    ]
    deadline_ms: Annotated[int, Field(ge=100, le=10_000, description=_DEADLINE)] = 2000
    fallback: Annotated[Fallback, Field(description=_FALLBACK)] = "local"
    asked_about: Annotated[AskedAbout, Field(description=_ASKED_ABOUT)] = "always"
    cache_s: Annotated[int, Field(ge=0, le=3600, description=_CACHE)] = 60

    example: ClassVar[Json] = {"url": _URL, "deadline_ms": 2000, "fallback": "local"}


class AuthorizationWebhookTest(Input):
    """A question to ask now."""

    id_tag: IdTagText
    charge_point: Annotated[
        Identity, Field(description="Identity that the question names; it need not exist.")
    ] = "TEST"
    connector_id: Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM)] | None = None

    example: ClassVar[Json] = {"id_tag": "B4A63CDF"}


_REASON = "Why the answer was not valid; null: it was."
_DECIDED_BY = "webhook, or the fallback."
_STATUS = "What the charge point is told; null: what is stored here decides."


class AuthorizationWebhookTestResult(Resource):
    """The result of a test: what came back, and how long it took."""

    reason: AttemptReason | None = Field(description=_REASON)
    detail: str | None = Field(description="The reason in words.")
    decided_by: DecidedBy = Field(description=_DECIDED_BY)
    status: str | None = Field(description=_STATUS)
    expiry_date: str | None = Field(description="As the webhook answered.")
    parent_id_tag: str | None = Field(description="As the webhook answered.")
    duration_ms: int

    example: ClassVar[Json] = {
        "reason": None,
        "detail": None,
        "decided_by": "webhook",
        "status": "Accepted",
        "expiry_date": None,
        "parent_id_tag": "FLEET",
        "duration_ms": 48,
    }


class AuthorizationAttempt(Resource):
    """A question that was asked."""

    at: Instant
    action: AskingAction
    charge_point: str
    connector_id: int | None
    id_tag: str
    reason: AttemptReason | None = Field(description=_REASON)
    detail: str | None = Field(description="The reason in words.")
    decided_by: DecidedBy = Field(description=_DECIDED_BY)
    status: str | None = Field(description=_STATUS)
    duration_ms: int
    is_test: bool

    example: ClassVar[Json] = {
        "at": EXAMPLE_TIME,
        "action": "Authorize",
        "charge_point": "RDAM-0123",
        "connector_id": None,
        "id_tag": "B4A63CDF",
        "reason": "deadline",
        "detail": "There was no whole answer within 2 s.",
        "decided_by": "accept",
        "status": "Accepted",
        "duration_ms": 2000,
        "is_test": False,
    }


def attempt_fields(row: Row) -> Fields:
    """Return the members of an `AuthorizationAttempt`."""
    names = ("action", "charge_point", "connector_id", "id_tag", "reason", "detail", "decided_by", "status")
    shown: Fields = {name: row[name] for name in names}
    return {
        "at": utc_text(row["at"]),
        **shown,
        "duration_ms": row["duration_ms"],
        "is_test": row["is_test"],
    }


def reason_of(text: str | None) -> AttemptReason | None:
    """Return a reason by its name."""
    if text is None:
        return None
    return AnswerFault(text) if text in set(AnswerFault) else OutgoingFailure(text)
