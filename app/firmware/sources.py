"""Prepares firmware for jobs and campaigns: checks what the operator sent, and seals its location."""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from app.clock import Clock
from app.commands.rules import without_secrets
from app.computation import compute
from app.firmware.links import DownloadLinks
from app.firmware.records import FirmwareSource
from app.firmware.rules.locations import require_location
from app.firmware.rules.signing import check_signing
from app.outgoing.signature import SecretCipher
from app.types import TenantId


class PreparedSource(NamedTuple):
    """Firmware that was checked. sealed_location: encrypted, None: a stored file has no location yet."""

    source: FirmwareSource
    sealed_location: bytes | None


@dataclass(frozen=True, slots=True)
class SourcePreparer:
    """Checks firmware, and seals locations, because they may hold passwords."""

    links: DownloadLinks
    cipher: SecretCipher
    clock: Clock

    async def prepare(self, tenant_id: TenantId, source: FirmwareSource) -> PreparedSource:
        """Check firmware, and return it as it is stored.

        Raises:
            InvalidInput: location, certificate or signature break a rule.
            AppError: there is no such file.
        """
        location, signing, note, digest = source.location, source.signing, None, None
        if location is not None:
            require_location(location, "/location", is_signed=signing is not None)
        if source.file_id is not None:
            digest = await self.links.sha256(tenant_id, source.file_id)
        if signing is not None:
            now = self.clock.now()
            check = partial(check_signing, signing.signing_certificate, signing.signature, digest, now)
            note = await compute(tenant_id, check)
        prepared = replace(
            source,
            shown_location=None if location is None else shown_location(location),
            signature_note=note,
        )
        return PreparedSource(prepared, None if location is None else self.seal(tenant_id, location))

    def seal(self, tenant_id: TenantId, location: str) -> bytes:
        """Return a location in the form for storage."""
        return self.cipher.encrypt(tenant_id, location)

    def unseal(self, tenant_id: TenantId, sealed: bytes | None) -> str | None:
        """Return a stored location; None: it is not known, or was stored with another pepper."""
        return None if sealed is None else self.cipher.decrypt(tenant_id, sealed)


def shown_location(location: str) -> str:
    """Return a location without its password."""
    shown: str = without_secrets({"location": location})["location"]
    return shown
