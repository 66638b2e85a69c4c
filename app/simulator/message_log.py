"""An append-only log of what a fleet sent and what was answered, for crash tests.

Each line is a JSON object. `sent` is written before the frame leaves, `answered` after the answer was read. A
message that is answered here must be in the central system's database exactly once.
"""

import json
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from app.clock import utc_text
from app.simulator.outbox import Request

Event = Literal["sent", "answered", "failed", "lost", "late"]


class MessageLog:
    """Writes the transaction messages of all charge points to one file, if there is one."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("a", encoding="utf-8") if path is not None else None

    def record(
        self,
        at: datetime,
        event: Event,
        charge_point: str,
        request: Request,
        answer: dict[str, Any] | str | None = None,
    ) -> None:
        """Write one event of a transaction message.

        Each line has `record`, which counts the transaction messages of a charge point from 1.

        Args:
            at: The time of the event.
            event: What happened.
            charge_point: Its identity.
            request: The message. One that does not belong to a transaction is not written.
            answer: The payload of the CALLRESULT, or the error code.
        """
        if self._file is None or request.record is None:
            return
        row = {
            "at": utc_text(at),
            "event": event,
            "charge_point": charge_point,
            "record": request.record,
            "message_id": request.message_id,
            "action": request.action,
            "payload": request.payload_to_send(),
            "answer": answer,
        }
        self._file.write(json.dumps(row, separators=(",", ":")) + "\n")
        # A test may kill either side at any time, so an answer must be readable at once.
        self._file.flush()

    def __enter__(self) -> "MessageLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
