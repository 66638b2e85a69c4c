"""Opens the WebSocket of one virtual charge point: URL, credential, TLS, bad habits of its handshake."""

import base64
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Origin, Subprotocol

from app.simulator.charge_point import VirtualChargePoint
from app.simulator.errors import SimulatorError
from app.simulator.tls import TlsContexts

_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0
_WITHOUT_PASSWORD = 3
"""The security profile whose certificate takes the place of the password."""


@dataclass(frozen=True, slots=True)
class CentralEndpoint:
    """Where a fleet connects.

    url: ws:// or wss:// base with the tenant, such as `ws://127.0.0.1:8080/ocpp/demo`. secure_url: a wss://
    base for security profiles 2 and 3, if `url` is ws://; None: there is none.
    """

    url: str
    secure_url: str | None
    tls: TlsContexts

    @property
    def is_secure(self) -> bool:
        """Say whether the first connection is by TLS."""
        return self.url.startswith("wss:")


class SilentConnection(ClientConnection):
    """A connection that never answers a ping."""

    def __init__(self, protocol: ClientProtocol, **options: Any) -> None:
        send_frame = protocol.send_frame

        def without_pongs(frame: Frame) -> None:
            if frame.opcode is not Opcode.PONG:
                send_frame(frame)

        setattr(protocol, "send_frame", without_pongs)  # noqa: B010 - the library has no switch for it
        super().__init__(protocol, **options)


async def open_connection(
    charge_point: VirtualChargePoint, password: str | None, endpoint: CentralEndpoint
) -> ClientConnection:
    """Connect as the security profile of the charge point says.

    Raises:
        OSError, InvalidHandshake, InvalidMessage, TimeoutError, ConnectionClosed: it was not possible.
    """
    persona, profile = charge_point.persona, charge_point.security.profile
    habits = persona.bad_habits
    base = endpoint.url if profile < 2 or endpoint.is_secure else endpoint.secure_url or endpoint.url
    subprotocols = None if habits.offers_no_subprotocol else [Subprotocol("ocpp1.6")]
    return await connect(
        f"{base}/{quote(persona.identity, safe='')}",
        additional_headers=_credential(persona.identity, password, profile),
        subprotocols=subprotocols,
        origin=Origin(habits.origin) if habits.origin else None,
        compression=None,
        open_timeout=_OPEN_TIMEOUT_S,
        close_timeout=_CLOSE_TIMEOUT_S,
        ping_interval=float(charge_point.configuration.integer("WebSocketPingInterval")) or None,
        user_agent_header="stationmaster-simulator",
        proxy=None,
        create_connection=SilentConnection if habits.sends_no_pongs else None,
        ssl=_tls(charge_point, base, endpoint),
    )


def _credential(identity: str, password: str | None, profile: int) -> dict[str, str]:
    if password is None or profile == _WITHOUT_PASSWORD:
        return {}
    pair = base64.b64encode(f"{identity}:{password}".encode())
    return {"Authorization": f"Basic {pair.decode()}"}


def _tls(charge_point: VirtualChargePoint, base: str, endpoint: CentralEndpoint) -> ssl.SSLContext | None:
    if not base.startswith("wss:"):
        return None
    certificates = charge_point.certificates
    shows = charge_point.security.profile == _WITHOUT_PASSWORD
    try:
        return endpoint.tls.own(
            certificates.central_roots,
            certificates.chain if shows else None,
            certificates.key if shows else None,
        )
    except SimulatorError as error:
        raise OSError(str(error)) from None
