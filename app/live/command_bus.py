"""Envelopes between workers."""

from collections.abc import Callable

from redis.asyncio import Redis

from app.ids import WorkerId
from app.live.envelopes import Envelope

Receiver = Callable[[Envelope], None]


class CommandBus:
    """Carries envelopes to the inbox of a worker: a stream in Redis, or a direct call when it is our own."""

    def __init__(self, redis: Redis, worker_id: WorkerId, secret: str) -> None:
        raise NotImplementedError

    async def start(self, receiver: Receiver) -> None:
        """Read this worker's inbox from now on; `receiver` gets each genuine envelope."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop reading."""
        raise NotImplementedError

    async def deliver(self, worker: WorkerId, envelope: Envelope) -> None:
        """Hand an envelope to a worker.

        Raises:
            Unavailable: code `bus_unavailable`; Redis is down and the worker is another one.
        """
        raise NotImplementedError
