"""An operator of a tenant at the REST API of a whole server."""

from typing import Any

import httpx

from tests.support.gateway import GatewayServer


class Desk:
    """Sends requests with a key of the tenant."""

    def __init__(self, server: GatewayServer, client: httpx.AsyncClient) -> None:
        self.server = server
        self._client = client

    async def call(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """Send a request that is answered with `status`; return the answer."""
        answer = await self._client.request(method, f"/v1{path}", **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def command(self, identity: str, action: str, payload: dict[str, Any]) -> Any:
        """Send a raw command, and wait until it has ended."""
        path = f"/charge-points/{identity}/commands/{action}?wait=20"
        return await self.call("POST", path, json=payload)
