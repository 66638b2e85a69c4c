"""How a document is sent: tags, conditions, codings, HEAD, and what is refused."""

import gzip
from typing import Any

import httpx
import pytest
from fastapi import Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from app.catalog.catalog import Catalog
from app.web.documents import Document, json_document
from tests.support.catalog import ROOT, build_application

PATHS = [
    "/v1/protocols",
    "/v1/protocols?party=emsp",
    "/v1/protocol-map",
    "/v1/protocol-matrix",
    "/v1/protocols/oicp-23",
    ROOT,
    f"{ROOT}/messages",
    f"{ROOT}/messages/MeterValues",
    f"{ROOT}/messages/MeterValues/schema",
    f"{ROOT}/configuration-keys",
    f"{ROOT}/error-codes",
    f"{ROOT}/security-events",
    "/v1/search?q=idTag",
    "/protocols",
    "/protocols?q=idTag",
    "/protocols/map",
    "/protocols/matrix",
    "/protocols/oicp-23",
    "/protocols/ocpp-16j",
    "/protocols/ocpp-16j/messages/MeterValues",
    "/assets/console.css",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_known_tag_gets_304_without_body(client: httpx.AsyncClient, path: str) -> None:
    first = await client.get(path)
    assert first.status_code == 200
    assert first.headers["etag"].startswith('"')
    again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize("path", PATHS)
async def test_caching_headers_are_on_200_and_304(client: httpx.AsyncClient, path: str) -> None:
    for headers in ({}, {"If-None-Match": "*"}):
        answer = await client.get(path, headers=headers)
        assert answer.headers["cache-control"].startswith("public, max-age=")
        # A page has a twin in Markdown.
        twins = ["Accept"] if path.startswith("/protocols") else []
        assert sorted(answer.headers.get_list("vary", split_commas=True)) == [*twins, "Accept-Encoding"]


@pytest.mark.parametrize("path", PATHS)
async def test_gzip_is_the_same_content_under_another_tag(client: httpx.AsyncClient, path: str) -> None:
    plain = await client.get(path)
    zipped = await client.get(path, headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content  # httpx unpacks
    assert int(zipped.headers["content-length"]) < int(plain.headers["content-length"])
    assert zipped.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize("path", PATHS)
async def test_head_has_the_headers_of_get_and_no_body(client: httpx.AsyncClient, path: str) -> None:
    same = {"Request-Id": "same"}
    get, head = await client.get(path, headers=same), await client.head(path, headers=same)
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(get.headers)


@pytest.mark.parametrize("path", PATHS)
async def test_other_methods_get_405(client: httpx.AsyncClient, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_head_of_a_filtered_list(client: httpx.AsyncClient) -> None:
    answer = await client.head(f"{ROOT}/messages?direction=both")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


async def test_a_filtered_list_is_conditional_too(client: httpx.AsyncClient) -> None:
    path = f"{ROOT}/messages?direction=csms-to-cp&q=certificate"
    first = await client.get(path)
    again = await client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert again.status_code == 304


async def test_head_can_be_conditional(client: httpx.AsyncClient) -> None:
    assert (await client.head(ROOT, headers={"If-None-Match": "*"})).status_code == 304


async def test_a_query_that_others_have_added_does_not_change_a_page(client: httpx.AsyncClient) -> None:
    path = "/protocols/ocpp-16j"
    plain, asked = await client.get(path), await client.get(path, params={"utm": "1"})
    assert (asked.status_code, asked.headers["etag"]) == (200, plain.headers["etag"])


async def test_repeated_headers_count_as_one_list(client: httpx.AsyncClient) -> None:
    tag = (await client.get(ROOT)).headers["etag"]
    headers = [("If-None-Match", '"x"'), ("If-None-Match", tag), ("Accept-Encoding", "br")]
    assert (await client.get(ROOT, headers=headers)).status_code == 304


ODD_PATHS = {
    "a letter percent-encoded": "/v1/%70rotocols",
    "a hyphen percent-encoded": "/v1/protocols/ocpp%2D16j",
}


@pytest.mark.parametrize("path", ODD_PATHS.values(), ids=ODD_PATHS)
async def test_another_spelling_of_the_path_is_the_same_document(
    client: httpx.AsyncClient, path: str
) -> None:
    spelled = await client.get(path)
    plain = await client.get(path.replace("%70", "p").replace("%2D", "-"))
    assert (spelled.status_code, spelled.headers["etag"]) == (200, plain.headers["etag"])


async def test_middleware_is_not_run_for_documents_that_come_first(catalog: Catalog) -> None:
    application = build_application(catalog)
    seen: list[str] = []

    @application.middleware("http")
    async def note(request: Request, call_next: RequestResponseEndpoint) -> Response:
        seen.append(request.url.path)
        return await call_next(request)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application), base_url="http://catalog"
    ) as client:
        await client.get(ROOT)
        await client.get(f"{ROOT}/messages?q=boot")
        await client.post(ROOT)
    assert seen == [f"{ROOT}/messages", ROOT]


async def answer(document: Document, method: str = "GET", *headers: tuple[bytes, bytes]) -> list[Any]:
    """The ASGI messages of one answer."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await document.send({"type": "http", "method": method, "headers": list(headers)}, send)
    return sent


async def test_what_middleware_adds_to_one_answer_is_not_in_the_next() -> None:
    document = json_document({"a": 1})
    start, _ = await answer(document)
    start["headers"].append((b"x-request-id", b"1"))
    again, _ = await answer(document)
    assert b"x-request-id" not in dict(again["headers"])


async def test_small_content_goes_out_plain_even_to_those_who_take_gzip() -> None:
    start, body = await answer(json_document({"a": 1}), "GET", (b"accept-encoding", b"gzip"))
    assert b"content-encoding" not in dict(start["headers"])
    assert body["body"] == b'{"a":1}'


async def test_the_zipped_bytes_are_gzip_of_the_content() -> None:
    document = Document(b"text " * 100, b"text/plain")
    _, body = await answer(document, "GET", (b"accept-encoding", b"gzip"))
    assert gzip.decompress(body["body"]) == b"text " * 100


def test_the_tag_is_of_content_and_type() -> None:
    assert json_document({"a": 1}).etag == json_document({"a": 1}).etag
    assert json_document({"a": 1}).etag != json_document({"a": 2}).etag
    assert json_document({"a": 1}).etag != json_document({"a": 1}, b"application/schema+json").etag
