"""Authorize (OCPP 1.6 4.1): may this id tag charge? A question only; what counts is decided at the start."""

from typing import cast

from app.connection import Connection
from app.handler_context import HandlerContext
from app.id_tags.store import IdTagStore
from app.ocpp import v16


async def handle(
    context: HandlerContext, connection: Connection, request: v16.AuthorizeRequest
) -> v16.AuthorizeResponse:
    """Answer with the tag's status; an unknown tag is Invalid."""
    async with context.database.tenant(connection.tenant_id) as work:
        info = await IdTagStore(work).authorize(request["idTag"], context.clock.now(), starting=False)
    # The store gives the wire form as a plain dict.
    return {"idTagInfo": cast(v16.IdTagInfo, info)}
