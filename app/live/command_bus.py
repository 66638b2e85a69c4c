"""Carries envelopes between workers: one Redis stream for each worker, read by that worker only.

Each entry is delivered at least once while Redis keeps the stream, and deleted after it was read. Receivers
drop repeated envelopes. If Redis loses an envelope, the command in the sender's database record expires.
How long an entry waited is measured by the clock of Redis, at both ends.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

import msgspec

from app.errors import Unavailable
from app.live.connect import FAILURES, LiveRedis, queue_time
from app.live.encryption import EnvelopeCipher
from app.live.envelopes import VERSION, Envelope
from app.live.keys import WorkerKeys
from app.logs import get_logger
from app.metrics import BUS_MESSAGES, REDIS_FAILURES
from app.tasks import PeriodicTask
from app.types import WorkerId

Receivers = Mapping[type, Callable[[Any], None]]
"""The function that gets the envelopes of each type. It must not block."""

_TYPES: Final = frozenset(get_args(Envelope))

_FIELD = b"e"
_BLOCK_MS = 1000
_COUNT = 100
_LENGTH_LIMIT = 10_000
"""Entries of one inbox, approximately: a worker that stalls must not fill Redis."""

_LIFE_S = 600
"""Seconds after the last write until an inbox expires. So a dead worker leaves nothing in Redis."""

_ADD = f"""
redis.call('xadd', KEYS[1], 'maxlen', '~', {_LENGTH_LIMIT}, '*', '{_FIELD.decode()}', ARGV[1])
redis.call('expire', KEYS[1], {_LIFE_S})
"""
"""One script, because a pipeline of two commands costs the client twice as much."""

_WAITED_S = 1.0
"""Shorter times under way are not subtracted from the life of an envelope."""

_RETRY_S = 0.25
"""Seconds to pause after a failed read. Sockets and local commands do not depend on it."""

_LOG = get_logger(__name__)


class CommandBus:
    """Carries envelopes to the inbox of a worker: a stream in Redis, or a direct call for this worker."""

    def __init__(self, redis: LiveRedis, worker_id: WorkerId, secret: str) -> None:
        """Make a bus. secret: shared by all workers, encrypts and authenticates the envelopes."""
        self.worker_id = worker_id
        self._redis = redis
        self._cipher = EnvelopeCipher(secret)
        self._inbox = WorkerKeys(worker_id).inbox
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Envelope)
        self._receivers: Receivers | None = None
        self._taken: list[bytes] = []
        self._task: PeriodicTask | None = None

    async def start(self, receivers: Receivers) -> None:
        """Read the inbox from now on, and give each authentic envelope to the receiver of its type.

        Raises:
            RuntimeError: a type of envelope has no receiver.
        """
        if missing := _TYPES - receivers.keys():
            raise RuntimeError(f"envelopes without a receiver: {sorted(kind.__name__ for kind in missing)}")
        self._receivers = receivers
        self._task = PeriodicTask(self._read, "command_bus_inbox")

    async def close(self) -> None:
        """Stop reading, and remove the inbox: this worker does not answer any longer."""
        if self._task is not None:
            await self._task.stop()
            self._task = None
        try:
            await self._redis.delete(self._inbox)
        except FAILURES:
            REDIS_FAILURES.labels("bus_close").inc()

    async def deliver(self, worker: WorkerId, envelope: Envelope) -> None:
        """Send an envelope to a worker. For this worker it is received at once and without Redis.

        Raises:
            Unavailable: code `bus_unavailable`. Redis did not confirm, but the envelope may still arrive.
        """
        kind = type(envelope).__struct_config__.tag
        if worker == self.worker_id:
            BUS_MESSAGES.labels("local", kind).inc()
            self._receive(envelope)
            return
        inbox = WorkerKeys(worker).inbox
        body = self._cipher.encrypt(self._encoder.encode(envelope), inbox)
        try:
            await self._redis.eval(_ADD, 1, inbox, body)
        except FAILURES as error:
            REDIS_FAILURES.labels("deliver").inc()
            raise Unavailable("The command bus cannot be reached.", "bus_unavailable") from error
        BUS_MESSAGES.labels("out", kind).inc()

    async def _read(self) -> float:
        try:
            await self._read_once()
        except FAILURES:
            REDIS_FAILURES.labels("inbox").inc()
            return _RETRY_S
        return 0.0

    async def _read_once(self) -> None:
        # Always from the beginning of the stream, because entries are deleted after they were read. So
        # nothing is lost if ids go backwards after a failover or a flush. Both commands take one round trip.
        async with self._redis.pipeline(transaction=False) as pipeline:
            if self._taken:
                pipeline.xdel(self._inbox, *self._taken)
                # If this fails, the entries come again and are dropped as repeated. Their ids must not be
                # deleted later: another entry may have the same id by then.
                self._taken = []
            pipeline.xread({self._inbox: "0-0"}, count=_COUNT, block=_BLOCK_MS)
            queue_time(self._redis, pipeline, self._inbox)
            *_, reply, (seconds, microseconds) = await pipeline.execute()
        now_ms = seconds * 1000 + microseconds // 1000
        for _, entries in reply.items() if isinstance(reply, dict) else reply or ():
            for entry_id, fields in entries:
                self._taken.append(entry_id)
                written_ms = int(entry_id.split(b"-")[0])
                self._receive_entry(fields, max(0, now_ms - written_ms) / 1000)

    def _receive_entry(self, fields: dict[bytes, bytes], waited_s: float) -> None:
        body = self._cipher.decrypt(fields.get(_FIELD, b""), self._inbox)
        if body is None:
            BUS_MESSAGES.labels("ignored", "forged").inc()
            _LOG.warning("bus_envelope_forged")
            return
        try:
            envelope = self._decoder.decode(body)
        except msgspec.MsgspecError:
            BUS_MESSAGES.labels("ignored", "unknown").inc()
            return
        if envelope.version != VERSION:
            BUS_MESSAGES.labels("ignored", "version").inc()
            return
        BUS_MESSAGES.labels("in", type(envelope).__struct_config__.tag).inc()
        if waited_s >= _WAITED_S:
            envelope = msgspec.structs.replace(envelope, life_s=envelope.life_s - waited_s)
        self._receive(envelope)

    def _receive(self, envelope: Envelope) -> None:
        if self._receivers is None:
            raise Unavailable("This worker does not accept commands yet.", "bus_unavailable")
        try:
            self._receivers[type(envelope)](envelope)
        except Exception:
            # A defect of ours must neither stop the inbox nor reach the code that delivers locally.
            _LOG.exception("bus_receiver_failed", kind=type(envelope).__name__)
