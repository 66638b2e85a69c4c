"""A lazy document is made at its first use, once, and is then the document itself."""

import asyncio
import threading

import pytest
from starlette.types import Message

from app.web.documents import Document, LazyDocument, json_document


def test_it_is_made_at_its_first_use_and_once() -> None:
    made: list[Document] = []

    def make() -> Document:
        made.append(json_document({"a": 1}))
        return made[-1]

    lazy = LazyDocument(make)
    assert made == []
    assert lazy.body == b'{"a":1}'
    assert (lazy.etag, lazy.etags) == (made[0].etag, made[0].etags)
    assert len(made) == 1


def test_it_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError, match="colour"):
        _ = LazyDocument(lambda: json_document({})).colour


async def test_requests_wait_for_one_making_and_others_do_not() -> None:
    made: list[Document] = []
    may_end = threading.Event()

    def make() -> Document:
        assert may_end.wait(10)
        made.append(json_document({"a": 1}))
        return made[-1]

    lazy = LazyDocument(make)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "headers": []}
    leaving, first, second = (asyncio.ensure_future(lazy.send(scope, send)) for _ in range(3))
    await asyncio.sleep(0)
    leaving.cancel()
    # The loop goes on: this is what lets the making end.
    may_end.set()
    await asyncio.gather(first, second)
    assert [message["body"] for message in sent if "body" in message] == [b'{"a":1}'] * 2
    assert len(made) == 1


async def test_a_making_that_failed_is_tried_again() -> None:
    results: list[Document | None] = [None, json_document({"a": 1})]

    def make() -> Document:
        if (result := results.pop(0)) is None:
            raise RuntimeError
        return result

    lazy = LazyDocument(make)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "headers": []}
    with pytest.raises(RuntimeError):
        await lazy.send(scope, send)
    await lazy.send(scope, send)
    assert sent[1]["body"] == b'{"a":1}'
