"""A worker's files over the real database, in a folder of the test."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.files.parts import Files
from app.files.service import FileService
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from tests.support.api import Api, SetClock, open_api


@pytest.fixture
def file_settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a folder of the test, and small limits."""
    return settings.model_copy(
        update={
            "data_directory": tmp_path,
            "public_url": "http://server",
            "file_limit_bytes": 1_000_000,
            "upload_limit_bytes": 500_000,
            "files_of_tenant_limit_bytes": 3_000_000,
        }
    )


@dataclass
class Owner:
    """A tenant with a key and a charge point."""

    api: Api
    tenant: TenantRecord
    key: str

    @property
    def files(self) -> FileService:
        """The service of the worker."""
        service: FileService = self.api.app.state.services.get(FileService)
        return service

    @property
    def clock(self) -> SetClock:
        """The clock of the worker."""
        return self.api.clock


@pytest.fixture
async def owner(storage: Storage, redis_url: str, file_settings: Settings) -> AsyncIterator[Owner]:
    """Open the API with a tenant."""
    async with open_api(storage, redis_url, file_settings) as api:
        tenant = await api.tenant()
        await api.charge_point(tenant, "CP1")
        yield Owner(api, tenant, await api.key(tenant))


def kept(folder: Path) -> list[Path]:
    """Return the files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def files_of(owner: Owner, file_settings: Settings) -> Files:
    """Make the files of another worker, with the clock of the first one."""
    return Files.make(owner.api.services.storage.database, owner.clock, file_settings)
