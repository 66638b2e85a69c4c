"""Answers the messages of Plug & Charge that charge points send inside DataTransfer."""

import asyncio
from collections.abc import Container, Coroutine
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

from app.authorization_webhooks.authorizer import ExternalAuthorizer
from app.certificates.records import CertificateFault
from app.certificates.rules.pem import certificates_of
from app.clock import Clock
from app.computation import compute
from app.connection import Connection
from app.data_transfer.records import TransferAnswer
from app.logs import get_logger
from app.metrics import PLUG_AND_CHARGE_MESSAGES
from app.plug_and_charge.messages import (
    REQUESTS,
    AuthorizeMessage,
    CertificateStatusMessage,
    EvCertificateMessage,
    Has2beEvCertificateMessage,
    Has2beSignCertificateMessage,
    OcspRequestData,
    SignCertificateMessage,
    read_message,
)
from app.plug_and_charge.records import (
    CertificateStatus,
    ContractEndpoint,
    ContractRequest,
    ContractValidation,
    Dialect,
    PlugAndChargeFault,
    WithoutStatus,
)
from app.plug_and_charge.rules.contract import (
    ROOTS_LIMIT,
    authorization,
    check_contract,
    status_of,
)
from app.plug_and_charge.rules.ocsp import OcspStatus, hash_data_of, result_text, status_in
from app.plug_and_charge.servers import ContractCertificates, OcspResponders
from app.plug_and_charge.service.requests import V2gRequestService
from app.plug_and_charge.service.settings import PlugAndChargeSettingService
from app.types import TenantId

_DEFAULT_VALIDATION: Final = ContractValidation(None, None, "refuse")

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PlugAndChargeExtension:
    """Answers both dialects. authorizer: tells which tags may charge, eMAIDs among them."""

    authorizer: ExternalAuthorizer
    settings: PlugAndChargeSettingService
    requests: V2gRequestService
    contracts: ContractCertificates
    responders: OcspResponders
    clock: Clock

    @property
    def messages(self) -> dict[str, Container[str]]:
        """The folded ids of the messages, by the folded id of their vendor."""
        return cast(dict[str, Container[str]], REQUESTS)

    async def answer(
        self, connection: Connection, vendor_key: str, message_key: str, data: str | None
    ) -> TransferAnswer:
        """Answer one message. A wrong one is Rejected, with what is wrong in the data.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        try:
            message = read_message(data, REQUESTS[vendor_key][message_key])
        except PlugAndChargeFault as fault:
            PLUG_AND_CHARGE_MESSAGES.labels(message_key, fault.code).inc()
            _LOG.info(
                "plug_and_charge_message_refused",
                tenant=connection.tenant_slug,
                charge_point=connection.identity,
                message=message_key,
                reason=fault.code,
            )
            told = orjson.dumps({"errorCode": fault.code, "errorDescription": fault.detail}).decode()
            return TransferAnswer("Rejected", told, "extension", fault.code, fault.detail)
        text, fault_found = await self._of_message(connection, cast(Dialect, vendor_key), message)
        outcome = "answered" if fault_found is None else fault_found.code
        PLUG_AND_CHARGE_MESSAGES.labels(message_key, outcome).inc()
        reason = None if fault_found is None else fault_found.code
        detail = None if fault_found is None else fault_found.detail
        return TransferAnswer("Accepted", text, "extension", reason, detail)

    def _of_message(
        self, connection: Connection, dialect: Dialect, message: Any
    ) -> Coroutine[Any, Any, tuple[str, PlugAndChargeFault | None]]:
        match message:
            case AuthorizeMessage():
                return self._authorize(connection, dialect, message)
            case EvCertificateMessage() | Has2beEvCertificateMessage():
                return self._contract_certificate(connection, message)
            case CertificateStatusMessage():
                return self._certificate_status(connection, message)
            case SignCertificateMessage() | Has2beSignCertificateMessage():
                return self._sign(connection, dialect, message.csr)
        raise AssertionError("each message of the table has an answer")

    # Authorize (5, 6.1)

    async def _authorize(
        self, connection: Connection, dialect: Dialect, message: AuthorizeMessage
    ) -> tuple[str, PlugAndChargeFault | None]:
        found = await self.settings.read(connection.tenant_id, ContractValidation)
        validation = _DEFAULT_VALIDATION if found is None else found[0]
        emaid = message.id_token.id_token
        info, (status, fault) = await asyncio.gather(
            self.authorizer.authorize(connection, emaid, self.clock.now()),
            self._status_of_contract(connection.tenant_id, validation, message),
        )
        return authorization(dialect, info, status), fault

    async def _status_of_contract(
        self, tenant_id: TenantId, validation: ContractValidation, message: AuthorizeMessage
    ) -> tuple[CertificateStatus | None, PlugAndChargeFault | None]:
        """Return the status of the certificates of a contract; None: the message names none."""
        emaid, pem, now = message.id_token.id_token, message.certificate, self.clock.now()
        asked = [(one, one.responder_url) for one in message.hash_data or ()]
        known = await self._known(tenant_id, validation)
        if pem is not None:
            contract = await compute(tenant_id, lambda: check_contract(pem, validation.roots, emaid, now))
            if contract.status != "Accepted" or contract.leaf is None or contract.issuer is None:
                return contract.status, PlugAndChargeFault("contract_not_valid", contract.status)
            known = [*known, contract.issuer]
            if not asked:
                asked = [(hash_data_of(contract.leaf, contract.issuer), contract.responder)]
        if not asked:
            return None, None
        results = await asyncio.gather(
            *(self._status(tenant_id, validation, one, url, known) for one, url in asked)
        )
        policy: WithoutStatus = validation.without_status
        fault = next((fault for _, fault in results if fault is not None), None)
        return status_of([status for status, _ in results], policy), fault

    async def _known(self, tenant_id: TenantId, validation: ContractValidation) -> list[Any]:
        roots = validation.roots
        if roots is None:
            return []
        try:
            return await compute(tenant_id, lambda: certificates_of(roots, ROOTS_LIMIT))
        except CertificateFault:
            return []

    async def _status(
        self,
        tenant_id: TenantId,
        validation: ContractValidation,
        asked: OcspRequestData,
        url: str | None,
        known: list[Any],
    ) -> tuple[OcspStatus | None, PlugAndChargeFault | None]:
        try:
            body = await self.responders.ask(tenant_id, validation.ocsp_url or url, asked)
            now = self.clock.now()
            return await compute(tenant_id, lambda: status_in(body, asked, known, now)), None
        except PlugAndChargeFault as fault:
            return None, fault

    # Get15118EVCertificate (3.2, 6.4)

    async def _contract_certificate(
        self, connection: Connection, message: EvCertificateMessage | Has2beEvCertificateMessage
    ) -> tuple[str, PlugAndChargeFault | None]:
        found = await self.settings.read(connection.tenant_id, ContractEndpoint)
        request = ContractRequest(
            connection.tenant_slug,
            connection.identity,
            message.action,
            message.schema_version,
            message.exi_request,
        )
        try:
            if found is None:
                raise PlugAndChargeFault("no_endpoint", "The tenant has no contract certificate endpoint.")
            endpoint, secrets = found
            if secrets is None:
                raise PlugAndChargeFault("secret_unreadable", "The secrets cannot be read. Set them again.")
            exi = await self.contracts.issue(connection.tenant_id, endpoint, secrets, request)
        except PlugAndChargeFault as fault:
            return '{"status":"Failed","exiResponse":""}', fault
        return orjson.dumps({"status": "Accepted", "exiResponse": exi}).decode(), None

    # GetCertificateStatus (4.4, 6.5)

    async def _certificate_status(
        self, connection: Connection, message: CertificateStatusMessage
    ) -> tuple[str, PlugAndChargeFault | None]:
        tenant_id, asked = connection.tenant_id, message.ocsp_request_data
        found = await self.settings.read(tenant_id, ContractValidation)
        override = None if found is None else found[0].ocsp_url
        try:
            body = await self.responders.ask(tenant_id, override or asked.responder_url, asked)
            result = await compute(tenant_id, lambda: result_text(body, asked))
        except PlugAndChargeFault as fault:
            return '{"status":"Failed"}', fault
        return orjson.dumps({"status": "Accepted", "ocspResult": result}).decode(), None

    # SignCertificate (3.1, 6.8)

    async def _sign(
        self, connection: Connection, dialect: Dialect, csr: str
    ) -> tuple[str, PlugAndChargeFault | None]:
        fault = await self.requests.receive(connection, dialect, csr)
        status = "Accepted" if fault is None else "Rejected"
        return orjson.dumps({"status": status}).decode(), fault
