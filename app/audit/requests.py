"""Writes an entry about each request that changes something and that no capability has described itself.

The entry is stored after the change and before the answer, so a client that has its answer finds it. An act
of the platform that concerns no tenant is told in the log.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.acting import Acting, end_act, unaudited
from app.audit.records import NewAuditEntry
from app.audit.service import AuditService
from app.errors import AppError
from app.logs import get_logger

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LOG = get_logger(__name__)


class AuditedRequests:
    """ASGI middleware. The caller is noted while the request is served (`app.acting`)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and write the entry when it is answered with success."""
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        # A server may serve several requests of a connection in one task.
        end_act()

        async def auditing(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                acting = unaudited()
                if acting is not None:
                    acting.is_audited = True
                    await _write(scope, acting, message)
            await send(message)

        await self._app(scope, receive, auditing)


async def _write(scope: Scope, acting: Acting, answer: Message) -> None:
    service: AuditService = scope["app"].state.services.get(AuditService)
    act = str(getattr(scope.get("route"), "name", scope["method"]))
    made = [value.decode("latin-1") for name, value in answer.get("headers", ()) if name == b"location"]
    details = {"method": scope["method"], **({"made": made[0]} if made else {})}
    if acting.tenant_id is None:
        _LOG.info("platform_act", actor=acting.actor, act=act, subject=scope["path"], **details)
        return
    try:
        await service.note(
            NewAuditEntry(
                acting.tenant_id, service.clock.now(), acting.actor, act, scope["path"], "", details
            )
        )
    except AppError as error:
        # The change is done, so the log has to tell of it.
        _LOG.error("act_not_audited", actor=acting.actor, act=act, subject=scope["path"], detail=error.detail)
