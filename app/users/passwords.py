"""Hashes and checks passwords with argon2id, next to the event loop and a bounded number at a time."""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.computation import PASSWORDS, compute
from app.errors import TooManyRequests
from app.metrics import LIMITS_HIT

Result = TypeVar("Result")

# RFC 9106 4, the second recommended choice: 64 MiB, 3 passes. About 50 ms on one core.
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)
_BUSY_S: Final = 5


class Passwords:
    """The passwords of all tenants. waiting_limit: checks that may wait for their turn in one worker."""

    def __init__(self, waiting_limit: int) -> None:
        self._waiting_limit = waiting_limit
        self._waiting = 0
        self._of_no_user: str | None = None

    async def hash(self, password: str) -> str:
        """Return the hash to store.

        Raises:
            TooManyRequests: too many others wait.
        """
        return await self._run(partial(_HASHER.hash, password))

    async def is_right(self, password_hash: str | None, password: str) -> bool:
        """Tell whether a password is right. A user without one takes the same time, and is never right.

        Raises:
            TooManyRequests: too many others wait.
        """
        if self._of_no_user is None:
            self._of_no_user = await self.hash("of no user")
        expected = self._of_no_user if password_hash is None else password_hash
        matches = await self._run(partial(_matches, expected, password))
        return matches and password_hash is not None

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= self._waiting_limit:
            LIMITS_HIT.labels("password_checks").inc()
            raise TooManyRequests("Too many people log in at this moment.", _BUSY_S)
        self._waiting += 1
        try:
            return await compute(PASSWORDS, work)
        finally:
            self._waiting -= 1


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
