"""The downloads and uploads that a charge point wants. `transfers` carries them out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TransferFailure:
    """A transfer that has failed.

    unsupported: a protocol that the charge point does not speak. denied: HTTP 401 or 403. refused: another
    answer that is not a success. broken: no answer, or a connection that was lost again and again.
    """

    kind: Literal["unsupported", "denied", "refused", "broken"]


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    """A file that was fetched. Only its digest (SHA-256) is kept.

    version: from the header X-Firmware-Version, else from the name of the file, else from the digest.
    """

    digest: bytes
    size: int
    version: str


@dataclass(frozen=True, slots=True)
class Download:
    """Fetch a file. done: called with the result, in the task of the charge point."""

    location: str
    done: Callable[[DownloadedFile | TransferFailure], None]


@dataclass(frozen=True, slots=True)
class Upload:
    """Send a file by PUT, or by POST as a form. done: called with None after a success."""

    location: str
    name: str
    content: bytes
    as_form: bool
    done: Callable[[TransferFailure | None], None]


Work = Download | Upload
