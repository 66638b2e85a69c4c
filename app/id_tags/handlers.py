"""Authorize (OCPP 1.6 4.1): may this id tag charge? The start of a transaction decides for itself."""

from typing import cast

from app.connection import Connection
from app.handler_context import HandlerContext
from app.id_tags.service import IdTagService
from app.ocpp import v16


async def handle(
    context: HandlerContext, connection: Connection, request: v16.AuthorizeRequest
) -> v16.AuthorizeResponse:
    """Answer with the tag's status; an unknown tag is Invalid."""
    id_tags = IdTagService(context.database)
    info = await id_tags.authorize(connection.tenant_id, request["idTag"], context.clock.now())
    return {"idTagInfo": cast(v16.IdTagInfo, info)}
