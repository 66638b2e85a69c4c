"""The parts of files of one worker."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from app.capability import Capability
from app.clock import Clock
from app.database.database import Database
from app.files.links import LinkMint, base_url_of
from app.files.pace import TransferPace, TransferSlots
from app.files.service import FileService
from app.files.spool import Spool
from app.files.storage import FileStorage, FileThreads, LocalStorage
from app.files.sweeper import FileSweeper
from app.settings import Settings

FOLDER: Final = "files"
"""Folder of the data directory: contents in `contents`, temporary files in `incoming`."""


@dataclass(frozen=True, slots=True)
class Files:
    """The service of files for other capabilities, and what the worker starts and closes."""

    service: FileService
    sweeper: FileSweeper
    threads: FileThreads

    @classmethod
    def make(cls, database: Database, clock: Clock, settings: Settings) -> Self:
        """Put the parts together. Nothing is opened or written before it is needed."""
        folder = Path(settings.data_directory).absolute() / FOLDER
        threads, pace = FileThreads(), TransferPace(settings.transfer_bytes_per_s)
        storage, spool = _storage(folder, threads, settings), Spool(folder / "incoming", threads, pace)
        service = FileService(
            database=database,
            storage=storage,
            spool=spool,
            mint=LinkMint(base_url_of(settings), settings.credential_pepper),
            clock=clock,
            settings=settings,
            pace=pace,
            slots=TransferSlots(settings.transfers_limit),
        )
        return cls(service, FileSweeper(database, storage, spool, clock), threads)

    @property
    def capability(self) -> Capability:
        """The parts that the worker gets."""
        return Capability(
            services=(self.service,),
            tasks=(self.threads, self.sweeper),
            tenant_deletions=(self.service.delete_of_tenant,),
        )


def _storage(folder: Path, threads: FileThreads, settings: Settings) -> FileStorage:
    if settings.file_s3_bucket is None:
        return LocalStorage(folder / "contents", threads)
    # Its library takes 60 ms to load.
    from app.files.s3 import S3Storage

    return S3Storage(settings)
