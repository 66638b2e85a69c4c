"""The use cases of files: keep, list, read and delete them, and let charge points transfer them."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID, uuid4

from app.clock import Clock
from app.database.database import Database
from app.database.unit_of_work import PlatformWork, TenantWork
from app.errors import (
    AppError,
    FieldViolation,
    InvalidInput,
    NoSuchChargePoint,
    NotFound,
    Unavailable,
)
from app.files.errors import StorageFull, refusal_of_link
from app.files.links import LinkMint
from app.files.pace import TransferPace, TransferSlots
from app.files.records import (
    CompletedUpload,
    ContentKey,
    FileFilter,
    LinkDirection,
    LinkRecord,
    NewFile,
    SpooledContent,
    StoredFile,
    UploadFacts,
    UploadFailure,
    UploadLink,
)
from app.files.rules import clean_media_type, clean_name, link_state, url_name
from app.files.spool import Spool
from app.files.storage import ContentReader, FileStorage
from app.files.store import FileLinkStore, FileStore, link_of_token
from app.logs import get_logger
from app.metrics import LIMITS_HIT
from app.settings import Settings
from app.tenants.service import AfterDelete
from app.types import TenantId

CONTENT_GRACE: Final = timedelta(hours=1)
"""How long the content of a deleted file is kept, so that downloads that have begun may end."""

_FAILURES: Final[dict[str, UploadFailure]] = {
    "transfer_cut_off": "cut_off",
    "content_too_large": "too_large",
    "invalid_input": "malformed",
    "storage_full": "storage_full",
    "file_storage_unavailable": "storage_unavailable",
}
"""Failures of uploads that listeners are told of, by the code of the error."""

_LOG = get_logger(__name__)


class UploadListener(Protocol):
    """A capability that asks charge points for uploads."""

    async def upload_completed(self, work: TenantWork, upload: CompletedUpload) -> None:
        """Take note of an upload, in the unit of work that closes its link. Others' uploads come, too."""

    async def upload_failed(
        self, work: TenantWork, link: LinkRecord, failure: UploadFailure, at: datetime
    ) -> None:
        """Take note of an upload that was not kept. Its link is still open."""


@dataclass(frozen=True, slots=True)
class FileService:
    """The use cases of files.

    listeners: told of uploads of charge points. Their capabilities add themselves when they are composed.
    """

    database: Database
    storage: FileStorage
    spool: Spool
    mint: LinkMint
    clock: Clock
    settings: Settings
    pace: TransferPace
    slots: TransferSlots
    listeners: list[UploadListener] = field(default_factory=list)

    async def add(
        self, tenant_id: TenantId, name: str, content: AsyncIterator[bytes], media_type: str
    ) -> StoredFile:
        """Keep a file of a tenant; see `receive`."""
        return await self.receive(tenant_id, content, lambda: UploadFacts(name, media_type))

    async def receive(
        self,
        tenant_id: TenantId,
        content: AsyncIterator[bytes],
        facts: Callable[[], UploadFacts],
        *,
        created_by: str = "server",
        sha256: str | None = None,
    ) -> StoredFile:
        """Keep a file of a tenant. It is there when its content has come whole, or not at all.

        facts: called when the content has come whole. Its name is made safe as the name of a file.
        sha256: that the content must have, in hexadecimal digits.

        Raises:
            TransferTooLarge: it is longer than `file_limit_bytes`.
            InvalidInput: its content is empty or has another SHA-256.
            TransferCutOff: it has not come whole.
            StorageFull, Unavailable: it cannot be kept.
        """
        with self.slots.slot(tenant_id):
            spooled = await self.spool.receive(content, self.settings.file_limit_bytes)
            try:
                _require_content(spooled, sha256)
                await self._keep(tenant_id, spooled)
                new = _new_file(spooled, facts(), self.clock.now(), created_by)
                async with self.database.tenant(tenant_id) as work:
                    return await self._create(work, new)
            finally:
                await self.spool.discard(spooled.name)

    async def get(self, tenant_id: TenantId, file_id: UUID) -> StoredFile:
        """Return a file.

        Raises:
            NotFound: the tenant has no such file.
        """
        async with self.database.tenant(tenant_id) as work:
            return _found(await FileStore(work).get(file_id))

    async def page(
        self,
        tenant_id: TenantId,
        limit: int,
        after: tuple[datetime, UUID] | None = None,
        filters: FileFilter | None = None,
    ) -> Sequence[StoredFile]:
        """Return files, the newest first. after: (created_at, id) of the last one that was seen."""
        async with self.database.tenant(tenant_id) as work:
            return await FileStore(work).page(limit, after, filters or FileFilter())

    async def delete(self, tenant_id: TenantId, file_id: UUID) -> None:
        """Delete a file and its links. Downloads that have begun may end.

        Raises:
            NotFound: the tenant has no such file.
        """
        async with self.database.tenant(tenant_id) as work:
            _found(await FileStore(work).delete(file_id, self.clock.now() + CONTENT_GRACE))

    async def open(self, file: StoredFile) -> ContentReader:
        """Open the content of a file. Close the reader at the end.

        Raises:
            Unavailable: the storage does not answer, or has lost the content.
        """
        content = await self.storage.open(ContentKey(file.tenant_id, file.sha256))
        if content is None:
            _LOG.error("file_content_missing", tenant_id=file.tenant_id, file=str(file.id))
            raise Unavailable(
                "The content of the file is missing in the storage.", "file_storage_unavailable"
            )
        return content

    # Links of charge points

    async def download_link(
        self, tenant_id: TenantId, file_id: UUID, identity: str, expires_at: datetime
    ) -> str:
        """Return a URL by which one charge point may download one file, also in parts, until it expires.

        The URL holds a secret.

        Raises:
            NotFound: the tenant has no such file or charge point.
            NoPublicUrl: the server has no URL for charge points.
        """
        async with self.database.tenant(tenant_id) as work:
            file = _found(await FileStore(work).get(file_id))
            minted = self.mint.mint(url_name(file.name))
            link = await self._new_link(work, "download", identity, expires_at, file_id=file_id)
            await FileLinkStore(work).create(link, minted.token_hash)
        return minted.url

    async def upload_link(
        self, tenant_id: TenantId, identity: str, purpose: str, expires_at: datetime
    ) -> UploadLink:
        """Return a URL to which one charge point may upload one file until it expires.

        purpose: a word that tells the listeners whose upload it is.

        Raises:
            NotFound: the tenant has no such charge point.
            NoPublicUrl: the server has no URL for charge points.
        """
        minted = self.mint.mint()
        async with self.database.tenant(tenant_id) as work:
            link = await self._new_link(work, "upload", identity, expires_at, purpose=purpose)
            await FileLinkStore(work).create(link, minted.token_hash)
        return UploadLink(link.id, minted.url)

    async def revoke(
        self,
        tenant_id: TenantId,
        *,
        upload_id: UUID | None = None,
        file_id: UUID | None = None,
        identity: str | None = None,
    ) -> int:
        """Revoke the open links that fit everything that is given; return how many there were.

        file_id: the downloads of this file; identity: the links of this charge point.

        Raises:
            ValueError: nothing is given.
        """
        if upload_id is None and file_id is None and identity is None:
            raise ValueError("revoke needs an upload, a file or a charge point")
        async with self.database.tenant(tenant_id) as work:
            store = FileLinkStore(work)
            charge_point_id = None if identity is None else await store.charge_point_id(identity)
            if identity is not None and charge_point_id is None:
                return 0
            return await store.revoke(
                self.clock.now(), link_id=upload_id, file_id=file_id, charge_point_id=charge_point_id
            )

    async def begin_download(self, token: str) -> tuple[LinkRecord, StoredFile]:
        """Return the link and the file of a download that may begin or go on.

        Raises:
            NotFound: there is no such link, or its file is deleted.
            LinkGone: it has expired or was revoked.
        """
        link = await self._open_link(token, "download")
        if link.file_id is None:
            raise AssertionError("a download has a file")
        return link, await self.get(TenantId(link.tenant_id), link.file_id)

    async def begin_upload(self, token: str) -> LinkRecord:
        """Return the link of an upload that may begin.

        Raises:
            NotFound: there is no such link.
            Conflict: an upload is complete already.
            LinkGone: it has expired or was revoked.
        """
        return await self._open_link(token, "upload")

    async def receive_upload(
        self, link: LinkRecord, content: AsyncIterator[bytes], facts: Callable[[], UploadFacts]
    ) -> StoredFile:
        """Receive an upload of a charge point. The first one of its link that is whole is kept.

        facts: called when the content has come whole.

        Raises:
            Conflict: another upload was complete before.
            LinkGone: the link was revoked, or its charge point deleted.
            TransferCutOff, TransferTooLarge, InvalidInput, StorageFull, Unavailable: nothing is kept, and the
                link stays open.
        """
        try:
            with self.slots.slot(link.tenant_id, link.id):
                spooled = await self.spool.receive(content, self.settings.upload_limit_bytes)
                try:
                    _require_content(spooled)
                    await self._keep(TenantId(link.tenant_id), spooled)
                    return await self._finish_upload(link, spooled, facts())
                finally:
                    await self.spool.discard(spooled.name)
        except AppError as error:
            await self.upload_failed(link, error)
            raise

    async def _finish_upload(
        self, link: LinkRecord, spooled: SpooledContent, facts: UploadFacts
    ) -> StoredFile:
        now = self.clock.now()
        made = _new_file(spooled, facts, now, f"upload:{link.id}")
        expires_at = now + timedelta(days=self.settings.upload_retention_days)
        new = replace(made, origin="charge_point", charge_point=link.identity, expires_at=expires_at)
        async with self.database.tenant(link.tenant_id) as work:
            links = FileLinkStore(work)
            closed = await links.close(link.id, now)
            if closed is None:
                state = link_state(await links.get(link.id), "upload", now)
                # Another upload may be about to commit: then the link looks open here.
                raise refusal_of_link("used" if state == "open" else state) or AssertionError
            file = await self._create(work, new)
            await links.set_file(link.id, file.id)
            for listener in self.listeners:
                await listener.upload_completed(work, CompletedUpload(closed, file, now))
        return file

    async def upload_failed(self, link: LinkRecord, error: AppError) -> None:
        """Tell the listeners that an upload was not kept. A defect there does not change its answer."""
        failure = _FAILURES.get(error.code)
        if failure is None:
            return
        LIMITS_HIT.labels(f"upload_{failure}").inc()
        try:
            async with self.database.tenant(link.tenant_id) as work:
                for listener in self.listeners:
                    await listener.upload_failed(work, link, failure, self.clock.now())
        except AppError:
            _LOG.warning("upload_failure_not_recorded", tenant_id=link.tenant_id, upload=str(link.id))

    async def delete_of_tenant(self, work: PlatformWork, tenant_id: TenantId) -> AfterDelete:
        """Return the step that deletes the contents of a tenant after its rows."""

        async def delete_contents() -> None:
            try:
                await self.storage.delete_tenant(tenant_id)
            except AppError as error:
                _LOG.warning("files_of_tenant_left", tenant_id=tenant_id, detail=error.detail)

        return delete_contents

    # Steps

    async def _keep(self, tenant_id: TenantId, spooled: SpooledContent) -> None:
        async with self.database.tenant(tenant_id) as work:
            unused_after = self.clock.now() + CONTENT_GRACE
            await FileStore(work).announce(spooled.sha256, spooled.size_bytes, unused_after)
        key = ContentKey(tenant_id, spooled.sha256)
        await self.storage.keep(key, self.spool.path(spooled), spooled.size_bytes)

    async def _create(self, work: TenantWork, new: NewFile) -> StoredFile:
        store, limit = FileStore(work), self.settings.files_of_tenant_limit_bytes
        await store.lock_tenant()
        if await store.total_bytes() + new.size_bytes > limit:
            LIMITS_HIT.labels("files_of_tenant").inc()
            raise StorageFull(f"The files of the tenant have at most {limit} bytes: delete some.")
        return await store.create(new)

    async def _new_link(
        self,
        work: TenantWork,
        direction: LinkDirection,
        identity: str,
        expires_at: datetime,
        *,
        file_id: UUID | None = None,
        purpose: str = "",
    ) -> LinkRecord:
        charge_point_id = await FileLinkStore(work).charge_point_id(identity)
        if charge_point_id is None:
            raise NoSuchChargePoint(identity)
        place = (work.tenant_id, direction, charge_point_id, identity, file_id, purpose)
        return LinkRecord(uuid4(), *place, self.clock.now(), expires_at, None, None)

    async def _open_link(self, token: str, direction: LinkDirection) -> LinkRecord:
        async with self.database.platform() as work:
            link = await link_of_token(work, self.mint.hash(token))
        refusal = refusal_of_link(link_state(link, direction, self.clock.now()))
        if link is None or refusal is not None:
            raise refusal or AssertionError("a link that is open exists")
        return link


def _found(file: StoredFile | None) -> StoredFile:
    if file is None:
        raise NotFound("There is no such file.", "file_id")
    return file


def _require_content(spooled: SpooledContent, sha256: str | None = None) -> None:
    """Refuse a content that is empty, or not the expected one."""
    if spooled.size_bytes == 0:
        raise InvalidInput([FieldViolation("body", "empty", "the file is empty")])
    if sha256 is not None and sha256.lower() != spooled.sha256:
        detail = f"the content has the SHA-256 {spooled.sha256}"
        raise InvalidInput([FieldViolation("sha256", "wrong_digest", detail)])


def _new_file(spooled: SpooledContent, facts: UploadFacts, now: datetime, created_by: str) -> NewFile:
    return NewFile(
        id=uuid4(),
        name=clean_name(facts.name),
        media_type=clean_media_type(facts.media_type),
        size_bytes=spooled.size_bytes,
        sha256=spooled.sha256,
        origin="tenant",
        charge_point=None,
        created_by=created_by,
        created_at=now,
        expires_at=None,
    )
