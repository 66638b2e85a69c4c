"""Use cases of the settings of Plug & Charge: contract certificates, V2G certificates, and validation."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple, TypeVar

import msgspec
import orjson

from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.certificates.rules.pem import certificates_of, check_root
from app.certificates.service.authorities import checked
from app.clock import Clock
from app.database.database import Database
from app.errors import FieldViolation, InvalidInput, NotFound
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailed
from app.outgoing.signature import SecretCipher, new_secret
from app.plug_and_charge.records import (
    ContractEndpoint,
    ContractValidation,
    SettingKind,
    SettingSecrets,
    StoredSetting,
    V2gAuthority,
)
from app.plug_and_charge.rules.contract import ROOTS_LIMIT
from app.plug_and_charge.store.settings import SettingStore
from app.types import Json, TenantId

PATH: Final = "/v1/plug-and-charge"

Setting = TypeVar("Setting", ContractEndpoint, V2gAuthority, ContractValidation)

_KINDS: Final[dict[type, SettingKind]] = {
    ContractEndpoint: "contract_endpoint",
    V2gAuthority: "v2g_authority",
    ContractValidation: "validation",
}
_ACTS: Final[dict[SettingKind, tuple[Act, Act]]] = {
    "contract_endpoint": ("set_contract_certificate_endpoint", "delete_contract_certificate_endpoint"),
    "v2g_authority": ("set_v2g_authority", "delete_v2g_authority"),
    "validation": ("set_contract_validation", "delete_contract_validation"),
}
_PATHS: Final[dict[SettingKind, str]] = {
    "contract_endpoint": f"{PATH}/contract-certificate-endpoint",
    "v2g_authority": f"{PATH}/v2g-authority",
    "validation": f"{PATH}/validation",
}


class ChangedSetting(NamedTuple):
    """A setting after a change. secret: of the signatures of requests, if it is new."""

    stored: StoredSetting
    secret: str | None


@dataclass(frozen=True, slots=True)
class PlugAndChargeSettingService:
    """The settings of tenants. client: judges URLs."""

    database: Database
    client: Callable[[], OutgoingClient]
    cipher: SecretCipher
    clock: Clock

    async def stored(self, tenant_id: TenantId, kind: SettingKind) -> StoredSetting:
        """Return a setting.

        Raises:
            NotFound: it is not set.
        """
        async with self.database.tenant(tenant_id) as work:
            found = await SettingStore(work).get(kind)
        if found is None:
            raise _not_set()
        return found

    async def read(
        self, tenant_id: TenantId, shape: type[Setting]
    ) -> tuple[Setting, SettingSecrets | None] | None:
        """Return a setting with its secrets, None: it is not set. No secrets: they cannot be read.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        async with self.database.tenant(tenant_id) as work:
            found = await SettingStore(work).get(_KINDS[shape])
        if found is None:
            return None
        return msgspec.convert(found.settings, shape), self._secrets(tenant_id, found)

    async def put(
        self,
        tenant_id: TenantId,
        setting: ContractEndpoint | V2gAuthority | ContractValidation,
        actor: str,
        credential: str | None = None,
    ) -> ChangedSetting:
        """Set something. A new endpoint gets a secret; one that exists keeps its own.

        credential: the value of the header of an endpoint; None: the stored one stays.

        Raises:
            InvalidInput: requests may not go to a URL, roots are not certificates of authorities, or the
                credential is missing.
        """
        kind, now = _KINDS[type(setting)], self.clock.now()
        for name in ("url", "ocsp_url"):
            self._check_url(getattr(setting, name, None), f"/{name}", allows_http=name == "ocsp_url")
        for name in ("anchors", "roots"):
            await self._check_roots(tenant_id, getattr(setting, name, None), f"/{name}")
        secret: str | None = None
        async with self.database.tenant(tenant_id) as work:
            store = SettingStore(work)
            known = await store.get(kind, to_change=True)
            encrypted: bytes | None = None
            if kind != "validation":
                kept = None if known is None else self._secrets(tenant_id, known)
                if kept is None:
                    secret = new_secret()
                secrets = self._joined(setting, kept, secret or "", credential)
                encrypted = self.cipher.encrypt(tenant_id, orjson.dumps(asdict(secrets)).decode())
            stored = await store.put(kind, asdict(setting), encrypted, now)
            # URLs may hold a token in their path or query, so that only the host is told.
            details: Json = {
                "url": _host(getattr(setting, "url", None) or getattr(setting, "ocsp_url", None))
            }
            entry = NewAuditEntry(tenant_id, now, actor, _ACTS[kind][0], _PATHS[kind], "", details)
            await AuditStore(work).add(entry)
        return ChangedSetting(stored, secret)

    async def delete(self, tenant_id: TenantId, kind: SettingKind, actor: str) -> None:
        """Remove a setting.

        Raises:
            NotFound: it is not set.
        """
        async with self.database.tenant(tenant_id) as work:
            if not await SettingStore(work).delete(kind):
                raise _not_set()
            entry = NewAuditEntry(tenant_id, self.clock.now(), actor, _ACTS[kind][1], _PATHS[kind], "")
            await AuditStore(work).add(entry)

    def _joined(
        self, setting: object, kept: SettingSecrets | None, secret: str, credential: str | None
    ) -> SettingSecrets:
        needs = isinstance(setting, ContractEndpoint) and setting.header is not None
        value = credential or (None if kept is None else kept.credential)
        if needs and value is None:
            detail = "is missing: the header needs a value"
            raise InvalidInput([FieldViolation("/authorization", "missing", detail)])
        return SettingSecrets(secret if kept is None else kept.signing, value if needs else None)

    def _secrets(self, tenant_id: TenantId, stored: StoredSetting) -> SettingSecrets | None:
        if stored.secrets is None:
            return None
        text = self.cipher.decrypt(tenant_id, stored.secrets)
        return None if text is None else SettingSecrets(**orjson.loads(text))

    def _check_url(self, url: str | None, pointer: str, *, allows_http: bool) -> None:
        if url is None:
            return
        try:
            # An OCSP answer is signed itself, so that http:// will do.
            checked_url = f"https{url[4:]}" if allows_http and url.startswith("http://") else url
            self.client().check_url(checked_url)
        except OutgoingFailed as failed:
            raise InvalidInput([FieldViolation(pointer, failed.reason.value, failed.detail)]) from None

    async def _check_roots(self, tenant_id: TenantId, pem: str | None, pointer: str) -> None:
        if pem is None:
            return
        now = self.clock.now()

        def check() -> None:
            for root in certificates_of(pem, ROOTS_LIMIT):
                check_root(root, now)

        await checked(tenant_id, check, pointer)


def _host(url: str | None) -> str | None:
    return None if url is None else "/".join(url.split("?")[0].split("/")[:3])


def _not_set() -> NotFound:
    return NotFound("The tenant has no such setting.")
