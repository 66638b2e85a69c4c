"""Runs the examples of the dictionary through the core."""

import json

from app.deviations.records import DeviationEntry, SeenDeviation
from app.deviations.rules import seen_in
from app.ocpp import Dispatch, Found, Ignored, Notice, Refused, Resolve
from tests.support.conversations import FRAME_BYTES, new_conversation
from tests.support.raw_client import BINARY, TEXT, frame_bytes

LIMIT_OF_OVER_LIMIT = 263
"""The limit of the frame that is over it. It is less than the length of the example."""


def seen_in_example(entry: DeviationEntry) -> list[SeenDeviation]:
    """Send the example of an entry, and return the deviations that were seen."""
    limit = LIMIT_OF_OVER_LIMIT if entry.code == "over_limit" else FRAME_BYTES
    conversation = new_conversation(frame_bytes=limit, unregistered_bytes=limit)
    if entry.answers is not None:
        _, message_id, action, payload = json.loads(entry.answers)
        conversation.call(message_id, action, json.dumps(payload), 30.0)
    found: list[Found] = []
    for text in entry.example:
        data = text.encode("latin-1" if entry.sent_as == "latin-1" else "utf-8")
        opcode = BINARY if entry.sent_as == "binary" else TEXT
        found += conversation.feed(frame_bytes(data, 0x80 | opcode)) or []
    seen = [SeenDeviation(one.text or "") for one in found if isinstance(one, Notice)]
    for one in found:
        if isinstance(one, Dispatch | Resolve | Refused | Ignored):
            seen += seen_in(one)
    return seen
