"""Values about files. A field has the name of its column."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

FileOrigin = Literal["tenant", "charge_point"]
LinkDirection = Literal["download", "upload"]
UploadFailure = Literal["cut_off", "too_large", "malformed", "storage_full", "storage_unavailable"]
"""Why an upload of a charge point was not kept."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is kept whole. sha256: of its content, in hexadecimal digits.

    origin: uploaded by an operator, or by a charge point, whose identity at that time is `charge_point`.
    expires_at: when it is deleted; None: it is kept until an operator deletes it.
    """

    id: UUID
    tenant_id: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    origin: FileOrigin
    charge_point: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class FileFilter:
    """The filters of a list of files. None: any."""

    origin: FileOrigin | None = None
    charge_point: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class UploadLink:
    """Where a charge point may upload one file. url: ends with a slash; a file name may follow it.

    The URL holds a secret.
    """

    upload_id: UUID
    url: str


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """A URL for one charge point, without its token.

    file_id: of the file to download, or of the file that was uploaded. purpose: of an upload, as its
    capability names it. closed_at: when the upload was complete.
    """

    id: UUID
    tenant_id: int
    direction: LinkDirection
    charge_point_id: int
    identity: str
    file_id: UUID | None
    purpose: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to record. Other fields: `StoredFile`."""

    id: UUID
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    origin: FileOrigin
    charge_point: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class CompletedUpload:
    """An upload of a charge point that is complete, for the capability that asked for it."""

    link: LinkRecord
    file: StoredFile
    at: datetime


class SpooledContent(NamedTuple):
    """The content of a file that has arrived whole. name: of the temporary file that holds it."""

    name: str
    size_bytes: int
    sha256: str


class ByteRange(NamedTuple):
    """A part of a file. end: behind its last byte."""

    start: int
    end: int


class ContentKey(NamedTuple):
    """The name of a content in the storage. The same content of two tenants is kept twice."""

    tenant_id: int
    sha256: str


class UploadFacts(NamedTuple):
    """The name and the media type that a client gives its file; both may be anything."""

    name: str | None
    media_type: str | None
