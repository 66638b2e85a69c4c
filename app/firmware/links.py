"""Stored files, as this package needs them."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.errors import NotFound
from app.files.service import FileService
from app.types import TenantId


class DownloadLinks(Protocol):
    """Makes links with which charge points download stored files."""

    async def sha256(self, tenant_id: TenantId, file_id: str) -> bytes:
        """Return the SHA-256 of the content of a file, 32 bytes.

        Raises:
            AppError: the tenant has no such file, or charge points could not fetch it.
        """

    async def download_link(
        self, tenant_id: TenantId, file_id: str, identity: str, expires_at: datetime
    ) -> str:
        """Return the absolute URL with which one charge point downloads a file until a time.

        Raises:
            AppError: the tenant has no such file, or the server has no public URL.
        """


class FileLinks:
    """Makes the links by the service of stored files."""

    def __init__(self, files: FileService) -> None:
        self._files = files

    async def sha256(self, tenant_id: TenantId, file_id: str) -> bytes:
        """Return the SHA-256 of the content of a file, 32 bytes.

        Raises:
            NotFound: the tenant has no such file.
            NoPublicUrl: the server has no URL for charge points, so they could not fetch it.
        """
        self._files.mint.require_base_url()
        return bytes.fromhex((await self._files.get(tenant_id, _id_of(file_id))).sha256)

    async def download_link(
        self, tenant_id: TenantId, file_id: str, identity: str, expires_at: datetime
    ) -> str:
        """Return the absolute URL with which one charge point downloads a file until a time.

        Raises:
            AppError: the tenant has no such file, or the server has no public URL.
        """
        return await self._files.download_link(tenant_id, _id_of(file_id), identity, expires_at)


def _id_of(file_id: str) -> UUID:
    try:
        return UUID(file_id)
    except ValueError:
        raise NotFound("There is no such file.", "file_id") from None
