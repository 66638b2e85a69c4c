"""SQL of files, of their contents, and of the links of charge points."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.database.repository import Repository, columns_of
from app.database.schema import CHARGE_POINTS, is_charge_point_of
from app.database.text import clean_text
from app.database.unit_of_work import PlatformWork
from app.files import tables
from app.files.records import (
    ContentKey,
    FileFilter,
    LinkDirection,
    LinkRecord,
    NewFile,
    StoredFile,
)

_FILES: Final = tables.files
_CONTENTS: Final = tables.file_contents
_LINKS: Final = tables.file_links
_FILE_COLUMNS: Final = columns_of(StoredFile, _FILES)
_LINK_COLUMNS: Final = columns_of(LinkRecord, _LINKS, identity=CHARGE_POINTS.c.identity)


class FileStore(Repository):
    """The files of one tenant."""

    async def announce(self, sha256: str, size_bytes: int, unused_after: datetime) -> None:
        """Record a content before it is kept, so that the sweep finds it if no file follows.

        unused_after: when it may be deleted. The sweep may be deleting an old copy of it now: this waits.
        """
        row = {
            "tenant_id": self.tenant_id,
            "sha256": sha256,
            "size_bytes": size_bytes,
            "unused_after": unused_after,
        }
        await self.connection.execute(
            upsert(_CONTENTS)
            .values(row)
            .on_conflict_do_update(
                index_elements=["tenant_id", "sha256"], set_={"unused_after": unused_after}
            )
        )

    async def lock_tenant(self) -> None:
        """Let new files of this tenant come one after the other, so that the limit of all of them holds."""
        key = func.hashtextextended("files", self.tenant_id)
        await self.connection.execute(select(func.pg_advisory_xact_lock(key)))

    async def total_bytes(self) -> int:
        """Return the bytes of all files of the tenant."""
        total = select(func.coalesce(func.sum(_FILES.c.size_bytes), 0)).where(
            _FILES.c.tenant_id == self.tenant_id
        )
        return int((await self.connection.execute(total)).scalar_one())

    async def create(self, new: NewFile) -> StoredFile:
        """Record a file whose content is kept."""
        values = {name: getattr(new, name) for name in NewFile.__dataclass_fields__}
        values |= {"tenant_id": self.tenant_id, "name": clean_text(new.name)}
        row = (await self.connection.execute(insert(_FILES).values(values).returning(*_FILE_COLUMNS))).one()
        return StoredFile(*row)

    async def get(self, file_id: UUID) -> StoredFile | None:
        """Return a file."""
        statement = select(*_FILE_COLUMNS).where(_FILES.c.tenant_id == self.tenant_id, _FILES.c.id == file_id)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else StoredFile(*row)

    async def page(
        self, limit: int, after: tuple[datetime, UUID] | None, filters: FileFilter
    ) -> list[StoredFile]:
        """Return files, the newest first. after: (created_at, id) of the last one that was seen."""
        statement = select(*_FILE_COLUMNS).where(_FILES.c.tenant_id == self.tenant_id)
        for column, wanted in (
            (_FILES.c.origin, filters.origin),
            (_FILES.c.charge_point, filters.charge_point),
            (_FILES.c.name, filters.name),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        if after is not None:
            statement = statement.where(
                tuple_(_FILES.c.created_at, _FILES.c.id) < tuple_(*map(literal, after))
            )
        newest = (_FILES.c.created_at.desc(), _FILES.c.id.desc())
        rows = await self.connection.execute(statement.order_by(*newest).limit(limit))
        return [StoredFile(*row) for row in rows]

    async def delete(self, file_id: UUID, content_until: datetime) -> StoredFile | None:
        """Delete a file and its links; None: it does not exist. content_until: running downloads may end."""
        statement = delete_from(_FILES).where(_FILES.c.tenant_id == self.tenant_id, _FILES.c.id == file_id)
        row = (await self.connection.execute(statement.returning(*_FILE_COLUMNS))).one_or_none()
        if row is None:
            return None
        file = StoredFile(*row)
        await self.connection.execute(
            update(_CONTENTS)
            .where(_CONTENTS.c.tenant_id == self.tenant_id, _CONTENTS.c.sha256 == file.sha256)
            .values(unused_after=content_until)
        )
        return file


class FileLinkStore(Repository):
    """The links of one tenant's charge points."""

    async def charge_point_id(self, identity: str) -> int | None:
        """Return the primary key of a charge point; None: the tenant has none of this identity."""
        statement = select(CHARGE_POINTS.c.id).where(
            CHARGE_POINTS.c.tenant_id == self.tenant_id, CHARGE_POINTS.c.identity == identity
        )
        found: int | None = (await self.connection.execute(statement)).scalar_one_or_none()
        return found

    async def create(self, link: LinkRecord, token_hash: bytes) -> None:
        """Record a link."""
        values = {name: getattr(link, name) for name in LinkRecord.__dataclass_fields__ if name != "identity"}
        await self.connection.execute(insert(_LINKS).values({**values, "token_hash": token_hash}))

    async def get(self, link_id: UUID) -> LinkRecord | None:
        """Return a link."""
        statement = (
            select(*_LINK_COLUMNS)
            .select_from(_LINKS.join(CHARGE_POINTS, is_charge_point_of(_LINKS)))
            .where(_LINKS.c.tenant_id == self.tenant_id, _LINKS.c.id == link_id)
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else LinkRecord(*row)

    async def close(self, link_id: UUID, at: datetime) -> LinkRecord | None:
        """Close an upload that is complete; None: it is closed already, revoked or expired."""
        statement = (
            update(_LINKS)
            .where(
                _LINKS.c.tenant_id == self.tenant_id,
                _LINKS.c.id == link_id,
                _LINKS.c.closed_at.is_(None),
                _LINKS.c.revoked_at.is_(None),
                is_charge_point_of(_LINKS),
            )
            .values(closed_at=at)
        )
        row = (await self.connection.execute(statement.returning(*_LINK_COLUMNS))).one_or_none()
        return None if row is None else LinkRecord(*row)

    async def set_file(self, link_id: UUID, file_id: UUID) -> None:
        """Record which file an upload has brought."""
        await self.connection.execute(
            update(_LINKS)
            .where(_LINKS.c.tenant_id == self.tenant_id, _LINKS.c.id == link_id)
            .values(file_id=file_id)
        )

    async def revoke(
        self,
        at: datetime,
        *,
        link_id: UUID | None = None,
        file_id: UUID | None = None,
        charge_point_id: int | None = None,
        direction: LinkDirection | None = None,
    ) -> int:
        """Revoke the open links that fit everything that is given; return how many there were."""
        statement = update(_LINKS).where(
            _LINKS.c.tenant_id == self.tenant_id,
            _LINKS.c.revoked_at.is_(None),
            _LINKS.c.closed_at.is_(None),
        )
        for column, wanted in (
            (_LINKS.c.id, link_id),
            (_LINKS.c.file_id, file_id),
            (_LINKS.c.charge_point_id, charge_point_id),
            (_LINKS.c.direction, direction),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        revoked = await self.connection.execute(statement.values(revoked_at=at).returning(_LINKS.c.id))
        return len(revoked.all())


async def link_of_token(work: PlatformWork, token_hash: bytes) -> LinkRecord | None:
    """Return the link of a token, of any tenant: the token is the only credential of the request."""
    statement = (
        select(*_LINK_COLUMNS)
        .select_from(_LINKS.join(CHARGE_POINTS, is_charge_point_of(_LINKS)))
        .where(_LINKS.c.token_hash == token_hash)
    )
    row = (await work.connection.execute(statement)).one_or_none()
    return None if row is None else LinkRecord(*row)


_EXPIRED_FILES: Final = text(
    """
    with expired as (
        select tenant_id, id from files where expires_at <= :now
        order by expires_at limit :limit for update skip locked
    ), gone as (
        delete from files using expired
        where files.tenant_id = expired.tenant_id and files.id = expired.id
        returning files.tenant_id, files.sha256
    )
    update file_contents set unused_after = cast(:until as timestamptz)
    from (select distinct tenant_id, sha256 from gone) as gone
    where file_contents.tenant_id = gone.tenant_id and file_contents.sha256 = gone.sha256
    returning 1
    """
)
_EXPIRED_LINKS: Final = text(
    """
    delete from file_links using (
        select tenant_id, id from file_links where expires_at <= :before
        order by expires_at limit :limit for update skip locked
    ) as old
    where file_links.tenant_id = old.tenant_id and file_links.id = old.id
    returning 1
    """
)
# A content without a file. A file that is recorded meanwhile waits for the lock, and then announces it again.
_UNUSED_CONTENTS: Final = text(
    """
    select tenant_id, sha256 from file_contents
    where unused_after <= :now and not exists (
        select from files
        where files.tenant_id = file_contents.tenant_id and files.sha256 = file_contents.sha256
    )
    order by unused_after limit :limit for update skip locked
    """
)
_POSTPONE: Final = text(
    """
    with used as (
        select tenant_id, sha256 from file_contents
        where unused_after <= :now and exists (
            select from files
            where files.tenant_id = file_contents.tenant_id and files.sha256 = file_contents.sha256
        )
        order by unused_after limit :limit for update skip locked
    )
    update file_contents set unused_after = 'infinity' from used
    where file_contents.tenant_id = used.tenant_id and file_contents.sha256 = used.sha256
    returning 1
    """
)


class FileSweepStore:
    """The files and links of all tenants, for the sweep. Two workers never take the same row."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def delete_expired_files(self, now: datetime, content_until: datetime, limit: int) -> int:
        """Delete files whose time is over; return how many contents that concerns."""
        values = {"now": now, "until": content_until, "limit": limit}
        return len((await self.connection.execute(_EXPIRED_FILES, values)).all())

    async def delete_old_links(self, before: datetime, limit: int) -> int:
        """Delete links that expired before a time; return how many."""
        return len((await self.connection.execute(_EXPIRED_LINKS, {"before": before, "limit": limit})).all())

    async def unused_contents(self, now: datetime, limit: int) -> list[ContentKey]:
        """Lock and return contents that no file has."""
        await self.connection.execute(_POSTPONE, {"now": now, "limit": limit})
        rows = await self.connection.execute(_UNUSED_CONTENTS, {"now": now, "limit": limit})
        return [ContentKey(*row) for row in rows]

    async def forget_contents(self, keys: Sequence[ContentKey]) -> None:
        """Delete the rows of contents that were deleted from the storage."""
        if keys:
            pairs = tuple_(_CONTENTS.c.tenant_id, _CONTENTS.c.sha256).in_([tuple(key) for key in keys])
            await self.connection.execute(delete_from(_CONTENTS).where(pairs))
