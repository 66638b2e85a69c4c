"""The shape of answers about refused logins."""

from typing import ClassVar

from pydantic import Field

from app.clock import utc_text
from app.database.prepared import Row
from app.login_attempts.records import RefusalReason
from app.login_attempts.rules import ADVICE
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.rows import Fields


class LoginAttempt(Resource):
    """Refused logins that are alike: same identity, reason and address."""

    identity: str | None = Field(description="As the request named it. null: it named none.")
    reason: RefusalReason
    advice: str = Field(description="What to do about it.")
    detail: str | None = Field(description="What is known besides the reason.")
    remote: str = Field(description="Address of the client.")
    count: int = Field(description="How often it was refused, up to 2147483647.")
    first_at: Instant
    last_at: Instant

    example: ClassVar[Json] = {
        "identity": "rdam-0123",
        "reason": "identity_case",
        "advice": ADVICE[RefusalReason.IDENTITY_CASE],
        "detail": "The charge point is RDAM-0123.",
        "remote": "198.51.100.7",
        "count": 3,
        "first_at": EXAMPLE_TIME,
        "last_at": EXAMPLE_TIME,
    }


def login_attempt_fields(row: Row) -> Fields:
    """Return the members of a `LoginAttempt`."""
    return {
        "identity": row["identity"] or None,
        "reason": row["reason"],
        "advice": ADVICE[RefusalReason(row["reason"])],
        "detail": row["detail"],
        "remote": row["remote"],
        "count": row["count"],
        "first_at": utc_text(row["first_at"]),
        "last_at": utc_text(row["last_at"]),
    }
