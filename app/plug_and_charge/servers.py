"""Asks the servers outside: OCSP responders, and those that issue contract certificates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import uuid4

import orjson

from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailed, OutgoingRequest
from app.plug_and_charge.messages import OcspRequestData
from app.plug_and_charge.places import RequestPlaces
from app.plug_and_charge.records import (
    ContractEndpoint,
    ContractRequest,
    PlugAndChargeFault,
    SettingSecrets,
)
from app.plug_and_charge.rules.contract import exi_response
from app.plug_and_charge.rules.ocsp import RESPONSE_LIMIT_BYTES, question
from app.types import TenantId

_OCSP_DEADLINE_S: Final = 4.0
_ANSWER_LIMIT_BYTES: Final = 32_768


class ContractCertificates(Protocol):
    """Issues contract certificates for cars: a backend of a mobility operator or of a clearing house."""

    async def issue(
        self,
        tenant_id: TenantId,
        endpoint: ContractEndpoint,
        secrets: SettingSecrets,
        request: ContractRequest,
    ) -> str:
        """Return the exiResponse of a request, in base64.

        Raises:
            PlugAndChargeFault: there is none in time.
        """


@dataclass(frozen=True, slots=True)
class HttpContractCertificates:
    """Asks an HTTP server of the tenant. The request has the members of the note, and the same answer."""

    client: Callable[[], OutgoingClient]
    places: RequestPlaces

    async def issue(
        self,
        tenant_id: TenantId,
        endpoint: ContractEndpoint,
        secrets: SettingSecrets,
        request: ContractRequest,
    ) -> str:
        """Return the exiResponse of a request, in base64.

        Raises:
            PlugAndChargeFault: there is none in time.
        """
        body = orjson.dumps(
            {
                "type": "contract_certificate",
                "tenant": request.tenant,
                "charge_point": request.charge_point,
                "action": request.action,
                "iso15118SchemaVersion": request.schema_version,
                "exiRequest": request.exi_request,
            }
        )
        headers = {}
        if endpoint.header is not None and secrets.credential is not None:
            headers[endpoint.header.lower()] = secrets.credential
        outgoing = OutgoingRequest(
            tenant_id=tenant_id,
            url=endpoint.url,
            body=body,
            message_id=f"msg_{uuid4().hex}",
            secrets=[secrets.signing],
            deadline_s=endpoint.deadline_ms / 1000,
            response_limit_bytes=_ANSWER_LIMIT_BYTES,
            headers=headers,
        )
        return exi_response(await _sent(self.client(), self.places, outgoing))


@dataclass(frozen=True, slots=True)
class OcspResponders:
    """Asks OCSP responders (RFC 6960, appendix A)."""

    client: Callable[[], OutgoingClient]
    places: RequestPlaces

    async def ask(self, tenant_id: TenantId, url: str | None, asked: OcspRequestData) -> bytes:
        """Return the answer of a responder in DER, as it came. url None: none is known.

        Raises:
            PlugAndChargeFault: there is none in time, or the hash data cannot be asked about.
        """
        if not url:
            raise PlugAndChargeFault("no_responder", "No OCSP responder is known.")
        outgoing = OutgoingRequest(
            tenant_id=tenant_id,
            url=url,
            body=question(asked),
            message_id=f"msg_{uuid4().hex}",
            secrets=[],
            deadline_s=_OCSP_DEADLINE_S,
            response_limit_bytes=RESPONSE_LIMIT_BYTES,
            media_type="application/ocsp-request",
            accepts="application/ocsp-response",
            allows_http=True,
        )
        return await _sent(self.client(), self.places, outgoing)


async def _sent(client: OutgoingClient, places: RequestPlaces, request: OutgoingRequest) -> bytes:
    with places.one(request.tenant_id):
        try:
            return (await client.post(request)).body
        except OutgoingFailed as failed:
            raise PlugAndChargeFault(failed.reason.value, failed.detail) from None
