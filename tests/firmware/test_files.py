"""Updates with stored files: the signature over their content, and a link for each charge point."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.errors import InvalidInput, NotFound
from app.files.errors import NoPublicUrl
from app.files.parts import Files as StoredFiles
from app.firmware.keeper import FirmwareKeeper
from app.firmware.links import FileLinks
from app.firmware.parts import firmware_updates
from app.firmware.records import FirmwareJob, FirmwareJobState, FirmwareSource, SigningFacts
from app.firmware.service.updates import FirmwareUpdateService, JobOptions
from app.types import TenantId
from tests.firmware.certificates import DIGEST, ec_signer
from tests.firmware.story import Story
from tests.support.api import NOW

SIGNING = SigningFacts(ec_signer().pem, ec_signer().sign())


@dataclass
class Files:
    """Stored files. links: those that were made; gone: whether the file was deleted."""

    digest: bytes = DIGEST
    gone: bool = False
    suffix: str = ""
    links: list[tuple[str, str, datetime]] = field(default_factory=list)

    async def sha256(self, tenant_id: TenantId, file_id: str) -> bytes:
        if file_id != "file-1":
            raise NotFound("There is no such file.", "file_id")
        return self.digest

    async def download_link(
        self, tenant_id: TenantId, file_id: str, identity: str, expires_at: datetime
    ) -> str:
        if self.gone:
            raise NotFound("There is no such file.", "file_id")
        self.links.append((file_id, identity, expires_at))
        return f"https://cs.example.com/files/{len(self.links)}{self.suffix}"


@dataclass
class Shelf:
    """The service and the keeper over stored files."""

    story: Story
    files: Files
    service: FirmwareUpdateService
    keeper: FirmwareKeeper

    async def make(self, **facts: Any) -> FirmwareJob:
        source = FirmwareSource(**{"file_id": "file-1", **facts})
        tenant_id = TenantId(self.story.operator.id)
        return await self.service.create(tenant_id, "RDAM-1", source, JobOptions("key:test"))

    async def job(self, made: FirmwareJob) -> FirmwareJob:
        return await self.service.get(TenantId(self.story.operator.id), "RDAM-1", made.id)


@pytest.fixture
async def shelf(story: Story) -> Shelf:
    files, parts = Files(), story.api.services
    collaborators = (parts.storage.database, parts.commands, parts.presence, files)
    made = firmware_updates(*collaborators, story.api.clock, parts.settings)
    service, _, keeper = made.services
    assert isinstance(service, FirmwareUpdateService)
    assert isinstance(keeper, FirmwareKeeper)
    return Shelf(story, files, service, keeper)


async def test_each_charge_point_gets_a_link_that_outlives_its_job(shelf: Shelf) -> None:
    await shelf.story.answers(await shelf.story.point("RDAM-1"))
    made = await shelf.make(signing=SIGNING)
    assert (made.state, made.location, made.signature_note) == (FirmwareJobState.REQUESTED, None, None)
    [(file_id, identity, expires_at)] = shelf.files.links
    assert (file_id, identity) == ("file-1", "RDAM-1")
    assert expires_at >= NOW + timedelta(seconds=made.timeout_s)
    [(_, _, payload)] = shelf.story.payloads()
    assert payload["firmware"]["location"] == "https://cs.example.com/files/1"


async def test_a_signature_over_another_file_is_refused_and_nothing_is_kept(shelf: Shelf) -> None:
    await shelf.story.point("RDAM-1")
    shelf.files.digest = bytes(32)
    with pytest.raises(InvalidInput) as refused:
        await shelf.make(signing=SIGNING)
    assert refused.value.field == "/signed/signature"
    assert (await shelf.story.get("/firmware-updates"))["items"] == []


async def test_an_unknown_file_is_not_found(shelf: Shelf) -> None:
    await shelf.story.point("RDAM-1")
    with pytest.raises(NotFound) as refused:
        await shelf.make(file_id="file-2")
    assert refused.value.field == "file_id"


async def test_a_file_that_is_deleted_before_it_was_sent_ends_the_update(shelf: Shelf) -> None:
    key = await shelf.story.point("RDAM-1", connected=False)
    made = await shelf.make()
    assert made.state is FirmwareJobState.PENDING
    shelf.files.gone = True
    await shelf.story.api.connect(shelf.story.operator, key, "RDAM-1")
    shelf.story.api.clock.advance(20)
    while await shelf.keeper.sweep():
        pass
    job = await shelf.job(made)
    assert (job.state, job.reason) == (FirmwareJobState.FAILED, "file_not_available")
    assert shelf.story.payloads() == []


async def test_a_link_that_is_too_long_for_signed_firmware_is_not_sent(shelf: Shelf) -> None:
    await shelf.story.point("RDAM-1")
    shelf.files.suffix = "x" * 512
    made = await shelf.make(signing=SIGNING)
    assert (made.state, made.reason) == (FirmwareJobState.FAILED, "file_not_available")
    assert shelf.story.payloads() == []


async def test_a_retry_makes_a_link_of_its_own(shelf: Shelf) -> None:
    story = shelf.story
    key = await story.point("RDAM-1")
    await story.answers(key)
    made = await shelf.make()
    await story.report("RDAM-1", key, "DownloadFailed")
    again = await shelf.service.retry(TenantId(story.operator.id), "RDAM-1", made.id, "key:test")
    assert again.retry_of == made.id
    locations = [payload["location"] for _, _, payload in story.payloads()]
    assert locations == ["https://cs.example.com/files/1", "https://cs.example.com/files/2"]


async def test_without_a_public_url_a_stored_file_is_refused_at_once(story: Story) -> None:
    parts = story.api.services
    settings = parts.settings.model_copy(update={"host": "192.0.2.1", "public_url": None})
    links = FileLinks(StoredFiles.make(parts.storage.database, story.api.clock, settings).service)
    with pytest.raises(NoPublicUrl):
        await links.sha256(TenantId(story.operator.id), "00000000-0000-0000-0000-000000000001")
