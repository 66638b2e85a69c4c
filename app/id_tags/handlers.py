"""Authorize (OCPP 1.6 4.1): may this id tag charge? A question only; what counts is decided at the start."""

from functools import partial
from typing import cast

from app.answers import Handler
from app.clock import Clock
from app.connection import Connection
from app.database.database import Database
from app.id_tags.store import IdTagStore
from app.ocpp import v16


def id_tag_handlers(database: Database, clock: Clock) -> dict[str, Handler]:
    """Return the handlers of this package, by action."""
    return {"Authorize": partial(authorize, database, clock)}


async def authorize(
    database: Database, clock: Clock, connection: Connection, request: v16.AuthorizeRequest
) -> v16.AuthorizeResponse:
    """Answer with the tag's status; an unknown tag is Invalid."""
    async with database.tenant(connection.tenant_id) as work:
        info = await IdTagStore(work).authorize(request["idTag"], clock.now(), starting=False)
    # The store gives the wire form as a plain dict.
    return {"idTagInfo": cast(v16.IdTagInfo, info)}
