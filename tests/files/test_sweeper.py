"""Files, links and contents that are deleted, and those that are not."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.errors import Unavailable
from app.files.parts import Files
from app.files.records import ContentKey
from app.files.service import CONTENT_GRACE
from app.files.storage import LocalStorage
from app.files.sweeper import LINK_KEPT
from app.settings import Settings
from app.types import TenantId
from tests.files.conftest import Owner, files_of, kept
from tests.files.test_routes import CONTENT, upload
from tests.files.test_transfers import HOUR, LOG, put, upload_link


@pytest.fixture
def other(owner: Owner, file_settings: Settings) -> Files:
    """The files of another worker, which sweeps."""
    return files_of(owner, file_settings)


async def test_a_deleted_file_is_gone_after_running_downloads(
    owner: Owner, other: Files, tmp_path: Path
) -> None:
    shown = await upload(owner)
    await owner.api.call("DELETE", f"/v1/files/{shown['id']}", owner.key)
    owner.clock.advance(CONTENT_GRACE.total_seconds() - 1)
    await other.sweeper.sweep()
    assert len(kept(tmp_path / "files")) == 1
    owner.clock.advance(1)
    await other.sweeper.sweep()
    assert kept(tmp_path / "files") == []


async def test_a_content_that_another_file_has_stays(owner: Owner, other: Files, tmp_path: Path) -> None:
    first, second = await upload(owner), await upload(owner)
    for file_id, left in ((first["id"], 1), (second["id"], 0)):
        # The content has a file, and is looked at again only when it may have none.
        owner.clock.advance(10 * CONTENT_GRACE.total_seconds())
        await other.sweeper.sweep()
        assert len(kept(tmp_path / "files")) == 1
        await owner.api.call("DELETE", f"/v1/files/{file_id}", owner.key)
        owner.clock.advance(10 * CONTENT_GRACE.total_seconds())
        await other.sweeper.sweep()
        assert len(kept(tmp_path / "files")) == left
    again = await upload(owner)
    answer = await owner.api.call("GET", f"/v1/files/{again['id']}/content", owner.key)
    assert answer.content == CONTENT


async def test_a_content_without_a_file_is_found(owner: Owner, other: Files, tmp_path: Path) -> None:
    # The tenant has no room left, after the content was kept.
    for number in range(3):
        await upload(owner, bytes([number]) * 1_000_000)
    refused = await owner.api.call("POST", "/v1/files?name=a", owner.key, content=b"surplus")
    assert refused.status_code == 507
    assert len(kept(tmp_path / "files")) == 4
    owner.clock.advance(CONTENT_GRACE.total_seconds())
    await other.sweeper.sweep()
    assert len(kept(tmp_path / "files")) == 3


async def test_uploads_expire_and_files_of_the_tenant_do_not(
    owner: Owner, other: Files, file_settings: Settings
) -> None:
    await upload(owner)
    link = await upload_link(owner)
    await put(owner, link.url)
    owner.clock.advance(timedelta(days=file_settings.upload_retention_days).total_seconds())
    await other.sweeper.sweep()
    listed = (await owner.api.call("GET", "/v1/files", owner.key)).json()["items"]
    assert [item["origin"] for item in listed] == ["tenant"]


async def test_a_link_is_kept_for_a_while_to_say_why_it_is_refused(owner: Owner, other: Files) -> None:
    link = await upload_link(owner)
    owner.clock.advance((HOUR + LINK_KEPT).total_seconds() - 1)
    await other.sweeper.sweep()
    assert (await put(owner, link.url)).status_code == 410
    owner.clock.advance(1)
    await other.sweeper.sweep()
    assert (await put(owner, link.url)).status_code == 404


async def test_what_a_dead_server_left_is_deleted_and_what_is_written_is_not(
    owner: Owner, other: Files, tmp_path: Path
) -> None:
    await upload(owner)
    incoming = tmp_path / "files" / "incoming"
    (incoming / "old").write_bytes(b"half")
    (incoming / "new").write_bytes(b"half")
    os.utime(incoming / "old", (1, 1))
    await other.sweeper.sweep()
    assert [path.name for path in kept(incoming)] == ["new"]


async def test_a_storage_that_is_away_loses_no_row(owner: Owner, other: Files, tmp_path: Path) -> None:
    shown = await upload(owner)
    await owner.api.call("DELETE", f"/v1/files/{shown['id']}", owner.key)
    owner.clock.advance(CONTENT_GRACE.total_seconds())
    delete = other.service.storage.delete

    async def away(key: ContentKey) -> None:
        raise Unavailable("away")

    other.service.storage.delete = away  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await other.sweeper.sweep()
    other.service.storage.delete = delete  # type: ignore[method-assign]
    await other.sweeper.sweep()
    assert kept(tmp_path / "files") == []


async def test_the_files_of_a_deleted_tenant_are_deleted(owner: Owner, tmp_path: Path) -> None:
    await upload(owner)
    platform = await owner.api.key(None)
    answer = await owner.api.call("DELETE", f"/v1/tenants/{owner.tenant.slug}", platform)
    assert answer.status_code == 204, answer.text
    assert kept(tmp_path / "files") == []


async def test_the_links_of_a_deleted_charge_point_end(owner: Owner) -> None:
    link = await upload_link(owner)
    assert (await owner.api.call("DELETE", "/v1/charge-points/CP1", owner.key)).status_code == 204
    assert (await put(owner, link.url)).status_code == 404


async def test_a_content_that_is_missing_is_a_clear_error(owner: Owner, tmp_path: Path) -> None:
    shown = await upload(owner)
    for path in kept(tmp_path / "files"):
        path.unlink()
    answer = await owner.api.call("GET", f"/v1/files/{shown['id']}/content", owner.key)
    assert (answer.status_code, answer.json()["code"]) == (503, "file_storage_unavailable")


async def test_a_damaged_content_is_replaced_when_it_comes_again(owner: Owner, tmp_path: Path) -> None:
    await upload(owner)
    (path,) = kept(tmp_path / "files")
    path.write_bytes(b"damaged")
    again = await upload(owner)
    answer = await owner.api.call("GET", f"/v1/files/{again['id']}/content", owner.key)
    assert answer.content == CONTENT


async def test_a_full_disk_is_a_clear_error(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, content: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.files.spool.os.write", full)
    answer = await owner.api.call("POST", "/v1/files?name=a", owner.key, content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert kept(tmp_path / "files") == []


async def test_a_storage_that_fails_is_a_clear_error(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await upload_link(owner)

    async def away(self: LocalStorage, key: ContentKey, path: Path, size_bytes: int) -> None:
        raise Unavailable("away", "file_storage_unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(LocalStorage, "keep", away)
        assert (await put(owner, link.url)).status_code == 503
    assert kept(tmp_path / "files") == []
    assert (await put(owner, link.url, LOG)).status_code == 201
    assert await owner.files.revoke(TenantId(owner.tenant.id), identity="CP1") == 0


async def test_a_folder_that_cannot_be_read_does_not_keep_the_rest_from_being_deleted(
    owner: Owner, other: Files, tmp_path: Path
) -> None:
    shown = await upload(owner)
    await owner.api.call("DELETE", f"/v1/files/{shown['id']}", owner.key)
    owner.clock.advance(CONTENT_GRACE.total_seconds())
    incoming = tmp_path / "files" / "incoming"
    incoming.rmdir()
    incoming.write_bytes(b"no folder")
    await other.sweeper.sweep()
    assert kept(tmp_path / "files") == [incoming]
