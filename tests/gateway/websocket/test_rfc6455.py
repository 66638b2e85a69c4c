"""The same cases of framing over real sockets, against every implementation. RFC 6455 5 to 8"""

from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio

from tests.gateway.websocket.cases import Case, Frame, frame_of, read_cases, read_limits
from tests.gateway.websocket.client import converse
from tests.gateway.websocket.differences import DIFFERENCES
from tests.gateway.websocket.servers import IMPLEMENTATIONS, Implementation, serving

CASES = {case.name: case for case in read_cases()}
BYTE_BY_BYTE_UP_TO_BYTES = 400
SILENT_ABOUT = {frame_of("close", code=1002), frame_of("close", code=1007)}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=IMPLEMENTATIONS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, int]]:
    """Name of an implementation, and the port where it serves."""
    async with serving(IMPLEMENTATIONS[request.param], read_limits()) as port:
        yield request.param, port


# The implementation named `websockets` is an old one, and says so for each connection.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", CASES)
async def test_what_comes_back_is_what_the_standard_wants(server: tuple[str, int], name: str) -> None:
    implementation, port = server
    case = CASES[name]
    difference = DIFFERENCES[implementation].get(name)
    if difference is not None:
        if difference.endless:
            pytest.skip(difference.reason)
        case = difference.applied_to(case)
    small = len(case.send) <= BYTE_BY_BYTE_UP_TO_BYTES
    for piece_bytes in (len(case.send), 1 if small else 10_000):
        found = await converse(port, case, piece_bytes)
        _compare(IMPLEMENTATIONS[implementation], case, found)


def test_every_difference_is_one_of_a_case() -> None:
    assert DIFFERENCES.keys() == IMPLEMENTATIONS.keys()
    for differences in DIFFERENCES.values():
        assert differences.keys() <= CASES.keys()


def _compare(implementation: Implementation, case: Case, found: list[Frame]) -> None:
    expect = case.expect if case.ends else (*case.expect, frame_of("close", code=1000))
    if implementation.silent and expect[-1] in SILENT_ABOUT and not _controls(found):
        expect = expect[:-1]
    if not implementation.lags:
        assert tuple(found) == expect
        return
    # What the protocol answers may overtake messages; a close of the case's own loses those it overtakes.
    assert _controls(found) == _controls(expect)
    messages, wanted = _messages(found), _messages(expect)
    assert messages == (wanted[: len(messages)] if case.ends else wanted)


def _controls(frames: Iterable[Frame]) -> list[Frame]:
    return [frame for frame in frames if not frame.is_message]


def _messages(frames: Iterable[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.is_message]
