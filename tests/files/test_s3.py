"""Files in a bucket of a real server of S3's protocol."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.errors import Unavailable
from app.files.records import ContentKey
from app.files.s3 import S3Storage
from app.settings import Settings
from app.storage import Storage
from app.types import TenantId
from tests.files.conftest import Owner, kept
from tests.files.test_transfers import pieces
from tests.support.api import open_api
from tests.support.s3 import S3Server, s3_server

KEY = ContentKey(7, "ab" * 32)
LARGE = os.urandom(12 * 1024 * 1024)
"""Three parts of a multipart upload."""


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[S3Server]:
    """A server with an empty bucket."""
    async with s3_server(tmp_path / "s3") as server:
        yield server


@pytest.fixture
async def owner(
    storage: Storage, redis_url: str, file_settings: Settings, s3: S3Server
) -> AsyncIterator[Owner]:
    """An API that keeps its files in the bucket."""
    limits = {"file_limit_bytes": 10**9, "files_of_tenant_limit_bytes": 10**10}
    async with open_api(storage, redis_url, s3.settings(file_settings, **limits)) as api:
        tenant = await api.tenant()
        await api.charge_point(tenant, "CP1")
        yield Owner(api, tenant, await api.key(tenant))


async def test_a_content_is_kept_read_by_parts_and_deleted(
    s3: S3Server, file_settings: Settings, tmp_path: Path
) -> None:
    storage, path = S3Storage(s3.settings(file_settings)), tmp_path / "content"
    path.write_bytes(LARGE)
    assert await storage.open(KEY) is None
    for _ in range(2):
        await storage.keep(KEY, path, len(LARGE))
    (kept_as,) = s3.objects()
    assert kept_as.relative_to(s3.folder).parts == ("files", "7", "ab", KEY.sha256)
    assert kept_as.read_bytes() == LARGE
    reader = await storage.open(KEY)
    assert reader is not None
    assert await reader.read(0, 100) == LARGE[:100]
    assert await reader.read(6_000_000, 131_072) == LARGE[6_000_000:6_131_072]
    assert await reader.read(len(LARGE) - 5, 5) == LARGE[-5:]
    reader.close()
    for _ in range(2):
        await storage.delete(KEY)
    assert s3.objects() == []


async def test_the_contents_of_a_tenant_are_deleted_together(
    s3: S3Server, file_settings: Settings, tmp_path: Path
) -> None:
    storage, path = S3Storage(s3.settings(file_settings)), tmp_path / "content"
    path.write_bytes(b"content")
    other = ContentKey(77, KEY.sha256)
    for key in (KEY, KEY._replace(sha256="cd" * 32), other):
        await storage.keep(key, path, 7)
    await storage.delete_tenant(7)
    assert [item.relative_to(s3.folder).parts[1] for item in s3.objects()] == ["77"]
    await storage.delete_tenant(7)


async def test_a_server_that_is_away_is_a_clear_error(
    s3: S3Server, file_settings: Settings, tmp_path: Path
) -> None:
    wrong = S3Storage(s3.settings(file_settings, file_s3_secret_access_key="wrong"))
    path = tmp_path / "content"
    path.write_bytes(b"content")
    with pytest.raises(Unavailable, match="does not answer"):
        await wrong.keep(KEY, path, 7)
    with pytest.raises(Unavailable, match="does not answer"):
        await wrong.delete(KEY)
    assert s3.objects() == []


async def test_operators_and_charge_points_transfer_files(owner: Owner, s3: S3Server, tmp_path: Path) -> None:
    tenant_id = TenantId(owner.tenant.id)
    made = await owner.api.call(
        "POST", "/v1/files", owner.key, content=pieces(LARGE), params={"name": "fw.bin"}
    )
    assert made.status_code == 201, made.text
    file_id = made.json()["id"]
    part = await owner.api.call(
        "GET", f"/v1/files/{file_id}/content", owner.key, headers={"Range": "bytes=300000-700000"}
    )
    assert (part.status_code, part.content) == (206, LARGE[300_000:700_001])
    whole = await owner.api.call("GET", f"/v1/files/{file_id}/content", owner.key)
    assert whole.content == LARGE
    link = await owner.files.upload_link(tenant_id, "CP1", "log", owner.clock.now() + timedelta(hours=1))
    assert (await owner.api.client.put(link.url + "a.log", content=b"log")).status_code == 201
    assert len(s3.objects()) == 2
    assert kept(tmp_path / "files") == []
    deleted = await owner.api.call("DELETE", f"/v1/files/{file_id}", owner.key)
    assert deleted.status_code == 204
