"""`/transfers/{token}`: what a charge point downloads and uploads by its URL."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog

from app.database.unit_of_work import TenantWork
from app.errors import NoSuchChargePoint, NotFound
from app.files.errors import NoPublicUrl
from app.files.links import LinkMint
from app.files.records import CompletedUpload, LinkRecord, StoredFile, UploadFailure, UploadLink
from app.files.service import FileService
from app.types import TenantId
from tests.files.conftest import Owner, kept

HOUR = timedelta(hours=1)
LOG = b"2026-05-04 all is well\n" * 1000


class Listener:
    """Remembers what it was told of uploads."""

    def __init__(self) -> None:
        self.completed: list[CompletedUpload] = []
        self.failed: list[UploadFailure] = []

    async def upload_completed(self, work: TenantWork, upload: CompletedUpload) -> None:
        self.completed.append(upload)

    async def upload_failed(
        self, work: TenantWork, link: LinkRecord, failure: UploadFailure, at: Any
    ) -> None:
        self.failed.append(failure)


@pytest.fixture
def listener(owner: Owner) -> Listener:
    """A capability that asks for uploads."""
    told = Listener()
    owner.files.listeners.append(told)
    return told


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    """Yield a content in parts."""
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


async def firmware(owner: Owner, content: bytes = LOG) -> StoredFile:
    """Keep a file."""
    return await owner.files.add(TenantId(owner.tenant.id), "acme duo.bin", pieces(content), "a/b")


async def upload_link(owner: Owner) -> UploadLink:
    """Make a URL for an upload of CP1."""
    return await owner.files.upload_link(TenantId(owner.tenant.id), "CP1", "log", owner.clock.now() + HOUR)


async def put(owner: Owner, url: str, content: Any = LOG, **options: Any) -> httpx.Response:
    """Upload as a charge point does, without a key."""
    return await owner.api.client.request(options.pop("method", "PUT"), url, content=content, **options)


async def test_a_charge_point_downloads_by_its_url(owner: Owner) -> None:
    file = await firmware(owner)
    tenant_id = TenantId(owner.tenant.id)
    url = await owner.files.download_link(tenant_id, file.id, "CP1", owner.clock.now() + HOUR)
    assert url.startswith("http://server/transfers/")
    assert url.endswith("/acme_duo.bin")
    assert len(url) < 512
    whole = await owner.api.client.get(url)
    assert (whole.status_code, whole.content) == (200, LOG)
    headers = {"Range": "bytes=500-", "If-Range": whole.headers["etag"]}
    rest = await owner.api.client.get(url, headers=headers)
    assert (rest.status_code, rest.content) == (206, LOG[500:])
    head = await owner.api.client.head(url)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(LOG)))


async def test_a_download_ends_with_its_time_its_file_or_its_charge_point(owner: Owner) -> None:
    file, tenant_id = await firmware(owner), TenantId(owner.tenant.id)

    async def link() -> str:
        return await owner.files.download_link(tenant_id, file.id, "CP1", owner.clock.now() + HOUR)

    async def answer(url: str) -> tuple[int, str]:
        response = await owner.api.client.get(url)
        return response.status_code, response.json()["code"]

    expired, revoked = await link(), await link()
    owner.clock.advance(3600)
    assert await answer(expired) == (410, "link_expired")
    url = await link()
    assert await owner.files.revoke(tenant_id, file_id=file.id, identity="CP1") == 3
    assert await answer(url) == (410, "link_revoked")
    assert (await answer(revoked))[0] == 410
    url = await link()
    await owner.files.delete(tenant_id, file.id)
    assert await answer(url) == (404, "not_found")


@pytest.mark.parametrize("token", ["unknown", "..", "a" * 500, "%00", "a%2Fb"])
async def test_an_unknown_token_is_refused(owner: Owner, token: str) -> None:
    for method in ("GET", "HEAD", "PUT", "POST"):
        answer = await owner.api.client.request(method, f"http://server/transfers/{token}/x", content=b"")
        assert answer.status_code == 404


async def test_a_url_for_one_direction_does_not_serve_the_other(owner: Owner) -> None:
    file, upload = await firmware(owner), await upload_link(owner)
    tenant_id = TenantId(owner.tenant.id)
    download = await owner.files.download_link(tenant_id, file.id, "CP1", owner.clock.now() + HOUR)
    assert (await put(owner, download)).status_code == 404
    assert (await owner.api.client.get(upload.url)).status_code == 404


@pytest.mark.parametrize(
    ("suffix", "method", "name"),
    [
        ("diagnostics.zip", "PUT", "diagnostics.zip"),
        ("", "PUT", "file"),
        ("/diagnostics.zip", "POST", "diagnostics.zip"),
        ("folder/diagnostics.zip", "PUT", "diagnostics.zip"),
        ("..%2F..%2Fpasswd", "PUT", "passwd"),
        ("%5C..%5Cwin.ini", "PUT", "win.ini"),
        ("a%00b", "PUT", "a_b"),
        ("x" * 2000, "PUT", "x" * 120),
    ],
)
async def test_a_charge_point_uploads_under_any_name(
    owner: Owner, listener: Listener, suffix: str, method: str, name: str
) -> None:
    link = await upload_link(owner)
    answer = await put(owner, link.url + suffix, method=method)
    assert answer.status_code == 201, answer.text
    assert answer.json() == {
        "name": name,
        "size_bytes": len(LOG),
        "sha256": hashlib.sha256(LOG).hexdigest(),
    }
    (upload,) = listener.completed
    assert (upload.link.id, upload.link.purpose, upload.link.identity) == (link.upload_id, "log", "CP1")
    shown = (await owner.api.call("GET", f"/v1/files/{upload.file.id}", owner.key)).json()
    assert (shown["origin"], shown["charge_point"], shown["name"]) == ("charge_point", "CP1", name)
    content = await owner.api.call("GET", f"/v1/files/{upload.file.id}/content", owner.key)
    assert content.content == LOG


async def test_a_url_without_its_slash_serves_too(owner: Owner, listener: Listener) -> None:
    link = await upload_link(owner)
    assert (await put(owner, link.url.rstrip("/"))).status_code == 201


async def test_a_charge_point_uploads_a_form(owner: Owner, listener: Listener) -> None:
    link = await upload_link(owner)
    answer = await owner.api.client.post(link.url, files={"log": ("../log.txt", LOG, "text/plain")})
    assert (answer.status_code, answer.json()["name"]) == (201, "log.txt")
    assert listener.completed[0].file.media_type == "text/plain"


async def test_the_first_complete_upload_closes_the_url(
    owner: Owner, listener: Listener, tmp_path: Path
) -> None:
    link = await upload_link(owner)
    assert (await put(owner, link.url)).status_code == 201
    again = await put(owner, link.url, b"another")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert len(kept(tmp_path / "files")) == 1
    assert len(listener.completed) == 1


async def test_of_two_uploads_at_once_one_wins(owner: Owner, listener: Listener, tmp_path: Path) -> None:
    link = await upload_link(owner)
    answers: list[httpx.Response] = []

    async def slow() -> AsyncIterator[bytes]:
        yield b"the slow one "
        answers.append(await put(owner, link.url + "fast", b"the fast one"))
        yield b"ends"

    answers.append(await put(owner, link.url + "slow", slow()))
    assert [answer.status_code for answer in answers] == [201, 409]
    assert [upload.file.name for upload in listener.completed] == ["fast"]
    assert kept(tmp_path / "files" / "incoming") == []
    listed = (await owner.api.call("GET", "/v1/files", owner.key)).json()["items"]
    assert [item["name"] for item in listed] == ["fast"]


async def test_an_upload_that_is_refused_leaves_the_url_open(
    owner: Owner, listener: Listener, tmp_path: Path
) -> None:
    link = await upload_link(owner)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1000

    declared = await put(owner, link.url, b"x" * 500_001)
    counted = await put(owner, link.url, endless())
    empty = await put(owner, link.url, b"")
    headers = {"Content-Type": "multipart/form-data; boundary=y"}
    broken = await put(owner, link.url, b"no form", headers=headers)
    part = await put(owner, link.url, headers={"Content-Range": "bytes 100-199/200"})
    unbound = await put(owner, link.url, headers={"Content-Type": "multipart/form-data"})
    refused = (declared, counted, empty, broken, part, unbound)
    assert [answer.status_code for answer in refused] == [413, 413, 422, 422, 422, 422]
    assert kept(tmp_path / "files") == []
    assert listener.failed == ["too_large", "too_large", *["malformed"] * 4]
    assert (await put(owner, link.url)).status_code == 201


async def test_a_url_ends_with_its_time_or_when_it_is_revoked(owner: Owner) -> None:
    tenant_id = TenantId(owner.tenant.id)
    expired, revoked = await upload_link(owner), await upload_link(owner)
    assert await owner.files.revoke(tenant_id, upload_id=revoked.upload_id) == 1
    assert await owner.files.revoke(tenant_id, upload_id=revoked.upload_id) == 0
    assert (await put(owner, revoked.url)).json()["code"] == "link_revoked"
    owner.clock.advance(3600)
    assert (await put(owner, expired.url)).json()["code"] == "link_expired"


async def test_a_url_that_is_revoked_meanwhile_keeps_nothing(owner: Owner, listener: Listener) -> None:
    link, tenant_id = await upload_link(owner), TenantId(owner.tenant.id)

    async def body() -> AsyncIterator[bytes]:
        yield b"begun "
        await owner.files.revoke(tenant_id, identity="CP1")
        yield b"ended"

    answer = await put(owner, link.url, body())
    assert (answer.status_code, answer.json()["code"]) == (410, "link_revoked")
    assert listener.completed == []


async def test_an_upload_that_began_in_time_may_end_later(owner: Owner, listener: Listener) -> None:
    link = await upload_link(owner)

    async def body() -> AsyncIterator[bytes]:
        yield b"begun "
        owner.clock.advance(4000)
        yield b"ended"

    assert (await put(owner, link.url, body())).status_code == 201


async def test_a_full_tenant_refuses_uploads(owner: Owner, listener: Listener) -> None:
    for number in range(3):
        await firmware(owner, bytes([number]) * 1_000_000)
    link = await upload_link(owner)
    answer = await put(owner, link.url)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert (listener.completed, listener.failed) == ([], ["storage_full"])


async def test_a_link_needs_a_charge_point_and_a_file_of_the_tenant(owner: Owner) -> None:
    tenant_id, at = TenantId(owner.tenant.id), owner.clock.now() + HOUR
    file = await firmware(owner)
    other = TenantId((await owner.api.tenant()).id)
    with pytest.raises(NoSuchChargePoint):
        await owner.files.upload_link(tenant_id, "CP2", "log", at)
    with pytest.raises(NoSuchChargePoint):
        await owner.files.download_link(tenant_id, file.id, "CP2", at)
    with pytest.raises(NotFound):
        await owner.files.download_link(tenant_id, uuid4(), "CP1", at)
    with pytest.raises(NotFound):
        await owner.files.download_link(other, file.id, "CP1", at)
    with pytest.raises(ValueError, match="revoke needs"):
        await owner.files.revoke(tenant_id)
    assert await owner.files.revoke(tenant_id, identity="CP2") == 0


def test_without_a_public_url_there_is_no_link() -> None:
    with pytest.raises(NoPublicUrl, match="STATIONMASTER_PUBLIC_URL"):
        LinkMint(None, "pepper").mint()


def test_a_stored_token_opens_nothing() -> None:
    mint = LinkMint("http://server", "pepper")
    minted = mint.mint("a b.bin")
    token = minted.url.split("/")[4]
    assert minted.url == f"http://server/transfers/{token}/a%20b.bin"
    assert mint.hash(token) == minted.token_hash
    assert token.encode() not in minted.token_hash
    assert LinkMint("http://server", "another pepper").hash(token) != minted.token_hash


async def test_a_defect_shows_no_token_in_the_log(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "ab" * 32

    async def fail(self: FileService, token: str) -> None:
        raise RuntimeError(f"with {token}")

    monkeypatch.setattr(FileService, "begin_download", fail)
    with structlog.testing.capture_logs() as entries:
        answer = await owner.api.client.get(f"/transfers/{token}/a.bin")
    assert answer.status_code == 500
    (entry,) = [entry for entry in entries if entry["event"] == "request_failed"]
    assert entry["path"] == "/transfers/***/a.bin"
    assert token not in str(entries) + answer.text
