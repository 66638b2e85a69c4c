"""The headers that tell a client how much of its limits is left.

They are those of the draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10):
`RateLimit-Policy` says the quota `q` and its window `w` in seconds, `RateLimit` what remains (`r`) and the
seconds until all of it is there again (`t`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from app.token_buckets import TokenBuckets

_WINDOW_S = 60
_TEXT = {"type": "string"}
DOCUMENTED_RATE_LIMIT: Final[dict[str, Any]] = {
    "RateLimit-Policy": {"schema": _TEXT, "example": '"validations";q=300;w=60'},
    "RateLimit": {"schema": _TEXT, "example": '"validations";r=299;t=1'},
}
"""The headers in the OpenAPI document."""


@dataclass(frozen=True, slots=True)
class LimitState:
    """The state of one limit. per_minute: its size; remaining: tokens, with fractions."""

    name: str
    per_minute: int
    remaining: float

    @property
    def wait_s(self) -> float:
        """The seconds until there is a token; 0.0 if there is one now."""
        return max(0.0, (1.0 - self.remaining) * _WINDOW_S / self.per_minute)


def limit_headers(states: Sequence[LimitState]) -> dict[str, str]:
    """Describe the state of some limits."""
    policies, left = [], []
    for state in states:
        full_in_s = ceil((state.per_minute - state.remaining) * _WINDOW_S / state.per_minute)
        policies.append(f'"{state.name}";q={state.per_minute};w={_WINDOW_S}')
        left.append(f'"{state.name}";r={max(0, int(state.remaining))};t={full_in_s}')
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


def rate_limit_headers(name: str, buckets: TokenBuckets, key: tuple[str, ...], now: float) -> dict[str, str]:
    """Describe the state of one bucket. name: of the limit; now: monotonic seconds."""
    return limit_headers([LimitState(name, buckets.per_minute, buckets.remaining(key, now))])
