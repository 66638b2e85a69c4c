"""Shapes of REST answers about the audit."""

from typing import Annotated, ClassVar

from pydantic import Field

from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import LINE_PATTERN

Reason = Annotated[
    str,
    Field(min_length=1, max_length=500, pattern=LINE_PATTERN, description="Why, for the audit."),
]


class AuditEntry(Resource):
    """Something that a key or a person did."""

    at: Instant
    actor: str = Field(
        description="Who did it: `key:` and the prefix of the API key, or `user:` and the name of the user."
    )
    act: str = Field(description="What was done: mostly the name of the operation of this API.")
    subject: str = Field(description="Path of what was changed.")
    reason: str = Field(description="Why, in the words of who did it; empty if the act asks for no reason.")
    details: Json = Field(description="What was set.")

    example: ClassVar[Json] = {
        "at": EXAMPLE_TIME,
        "actor": "key:4f2a9c",
        "act": "end_transaction",
        "subject": "/v1/transactions/1042",
        "reason": "The cable was cut, and the meter was read on site.",
        "details": {"meter_stop_wh": 18250},
    }
