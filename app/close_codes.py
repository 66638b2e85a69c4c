"""Status codes that close a WebSocket (RFC 6455 7.4), as far as charge points and server use them."""

from typing import Final

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED_DATA: Final = 1003
NO_STATUS: Final = 1005
"""The peer closed without a code. It is never sent."""
ABNORMAL: Final = 1006
"""The socket ended without a closing handshake. It is never sent."""
POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012
SUPERSEDED: Final = 4009
"""A newer connection of the same charge point has taken over (4000 to 4999: private use)."""
