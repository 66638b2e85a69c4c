"""Where another implementation departs from the cases, and why: none of it is a defect of the cases."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from tests.gateway.websocket.cases import Case, Frame, frame_of


@dataclass(frozen=True)
class Difference:
    """The rest of a case is always sent.

    expect: what comes instead; None: the same.
    endless: nothing comes at all, so there is nothing to wait for.
    """

    reason: str
    expect: tuple[Frame, ...] | None = None
    endless: bool = False

    def applied_to(self, case: Case) -> Case:
        """Return the case as the implementation sees it."""
        expect = case.expect if self.expect is None else self.expect
        return replace(case, send=case.send + case.rest, rest=b"", expect=expect)


def _text(payload: bytes) -> Frame:
    return Frame(0x1, payload)


_WHOLE_FRAMES: Final = Difference(
    "looks at a frame when all of it is here: RFC 6455 lets a server fail later"
)
_WHOLE_MESSAGES: Final = Difference("reads the text of a message when all of it is here")
_LIMIT_FIRST: Final = Difference(
    "compares a length with its limit, and never looks at the highest bit", (frame_of("close", code=1009),)
)
_ANY_LENGTH: Final = "takes a length in every form, though RFC 6455 5.2 wants the shortest"
_NO_FRAGMENT_LIMIT: Final = "has no limit for fragments: RFC 6455 10.4 asks for some limit, not for this one"
_CLOSE_IN_MESSAGE: Final = Difference(
    "refuses a close between fragments, though RFC 6455 5.4 allows control frames there",
    (frame_of("close", code=1002),),
)
_WHOLE_PAYLOADS: Final = Difference(
    "counts the bytes of a message as they come, not those that are announced"
)


def _all(difference: Difference, names: Iterable[str]) -> dict[str, Difference]:
    return dict.fromkeys(names, difference)


_FRAGMENTS: Final = {
    "one fragment too many": Difference(_NO_FRAGMENT_LIMIT, (_text(b"x" * 1024),)),
    "empty fragments without end": Difference(_NO_FRAGMENT_LIMIT, (_text(b""),)),
}
_LATE: Final = _all(
    _WHOLE_FRAMES,
    [
        "a wrong first byte is refused before the second one comes",
        "a ping that is too long needs no payload",
        "fails within a frame, at the end of the bad character",
        "fails within a frame, at the first byte that cannot be",
        "fails within the first fragment",
    ],
)
_WEBSOCKETS: Final = {
    **_FRAGMENTS,
    **_LATE,
    **_all(_LIMIT_FIRST, ["highest bit of the length", "all bits of the length"]),
    "no byte with a length of 2 bytes": Difference(_ANY_LENGTH, (_text(b""),)),
    "5 bytes with a length of 8 bytes": Difference(_ANY_LENGTH, (_text(b"Hello"),)),
    "125 bytes with a length of 2 bytes": Difference(_ANY_LENGTH, (_text(b"*" * 125),)),
    "65535 bytes with a length of 8 bytes": Difference(_ANY_LENGTH, (_text(b"*" * 65535),)),
    "continuation with a length that is too long": Difference(_ANY_LENGTH, (_text(b"ab"),)),
    "ping with a length of 2 bytes": Difference(_ANY_LENGTH, (frame_of("pong", b"Hello"),)),
}

DIFFERENCES: Final[dict[str, dict[str, Difference]]] = {
    "sockets": {},
    "transport": {},
    "websockets": _WEBSOCKETS,
    "websockets-sansio": {
        **_WEBSOCKETS,
        **_all(
            _WHOLE_MESSAGES,
            [
                "fails at the fragment with the bad bytes",
                "fails before the fragment that would end the bad character",
            ],
        ),
        **_all(_CLOSE_IN_MESSAGE, ["close within a message", "rest of a message after close"]),
    },
    "wsproto": {
        **_FRAGMENTS,
        "a wrong first byte is refused before the second one comes": _WHOLE_FRAMES,
        "a message that is too big needs no payload": _WHOLE_PAYLOADS,
        "a last fragment that is too big needs no payload": _WHOLE_PAYLOADS,
        "a message of 2^63 - 1 bytes needs no payload": replace(_WHOLE_PAYLOADS, endless=True),
        "close with code 1014, registered after the standard": Difference(
            "knows the codes up to 1013", (frame_of("close", code=1002),)
        ),
    },
}
"""By implementation, then by case."""
