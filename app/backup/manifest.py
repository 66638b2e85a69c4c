"""The manifest of a backup, and whether the backup can be restored here."""

import hmac
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Final

from app.health.pepper import pepper_mark

MANIFEST: Final = "manifest.json"
DUMP: Final = "database.dump"
FILES: Final = "files"
PEPPER: Final = "pepper"
FORMAT: Final = 1


class BackupError(Exception):
    """A backup cannot be made or restored. The text is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts about a backup.

    format: of the folder; version: of the program; schema: the newest migration of the database; created_at:
    RFC 3339, UTC; pepper_mark: of `pepper_mark`; files: in the folder of files; files_in_bucket: they are in
    a bucket, which the backup does not copy.
    """

    format: int
    version: str
    schema: str
    created_at: str
    pepper_mark: str
    files: int
    files_in_bucket: bool

    def encoded(self) -> str:
        """Return the text of the file."""
        return json.dumps(asdict(self), indent=2) + "\n"


def read_manifest(text: str) -> Manifest:
    """Return the manifest in a text.

    Raises:
        BackupError: it is not a manifest, or one of a newer version.
    """
    try:
        found = json.loads(text)
        if found["format"] > FORMAT:
            raise BackupError("the backup was made by a newer version: restore it with that one")
        return Manifest(**found)
    except (ValueError, TypeError, KeyError):
        raise BackupError(f"{MANIFEST} is damaged") from None


def require_restorable(manifest: Manifest, pepper: str | None, schemas: Collection[str]) -> str:
    """Check whether a backup can be restored here, and return the pepper.

    Args:
        pepper: that of this place, or of the backup; None: neither has one.
        schemas: the migrations that this version knows.

    Raises:
        BackupError: the pepper is missing or another one, or the schema is that of a newer version.
    """
    if manifest.schema not in schemas:
        raise BackupError(
            f"the backup has the schema of another version ({manifest.version}): restore it with that one"
        )
    if pepper is None:
        raise BackupError(
            "the backup does not contain the pepper, and no password or key works without it: set "
            "STATIONMASTER_CREDENTIAL_PEPPER to that of the server that was backed up (there: data/pepper)"
        )
    if not hmac.compare_digest(pepper_mark(pepper), manifest.pepper_mark):
        raise BackupError(
            "STATIONMASTER_CREDENTIAL_PEPPER is not the pepper of the server that was backed up, so no "
            "password or key would work"
        )
    return pepper
