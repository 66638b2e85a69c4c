"""The transaction messages of a charge point with the answers that it got, and the CALLs that came to it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Message:
    """One transaction message.

    unique_ids: of each try, in order; answers: each CALLRESULT to one of them; errors: codes of CALLERRORs.
    """

    action: str
    payload: dict[str, Any]
    unique_ids: list[str] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def was_cut_off(self) -> bool:
        """Say whether a try of it has neither answer nor error."""
        return len(self.unique_ids) > len(self.answers) + len(self.errors)


class Ledger:
    """The messages of one charge point. Nothing is taken out of it."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.refused_logins: list[int] = []
        """The status of each login that was refused for good."""
        self.calls: Counter[str] = Counter()
        """How often each CALL of the server came, by its message id, which is that of the command."""
        self._messages: list[Message] = []
        self._by_id: dict[str, Message] = {}

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)

    def begin(self, action: str, payload: dict[str, Any]) -> Message:
        """Write down a message before it is sent."""
        message = Message(action, payload)
        self._messages.append(message)
        return message

    def sending(self, message: Message, unique_id: str) -> None:
        """Write down a try before it is sent."""
        message.unique_ids.append(unique_id)
        self._by_id[unique_id] = message

    def received(self, frame: list[Any]) -> Message | None:
        """Write down an answer, and return its message, which may have one already. None: not an answer."""
        message = self._by_id.get(frame[1]) if frame[0] in (3, 4) else None
        if message is not None and frame[0] == 3:
            message.answers.append(frame[2])
        elif message is not None:
            message.errors.append(frame[2])
        return message
