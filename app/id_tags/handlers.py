"""Authorize (OCPP 1.6 4.1): may this id tag charge? The start of a transaction decides for itself."""

from functools import partial
from typing import cast

from app.answers import Handler
from app.clock import Clock
from app.connection import Connection
from app.id_tags.service import Authorizer
from app.ocpp import v16


def id_tag_handlers(authorizer: Authorizer, clock: Clock) -> dict[str, Handler]:
    """Return the handlers of this package, by action."""
    return {"Authorize": partial(authorize, authorizer, clock)}


async def authorize(
    authorizer: Authorizer, clock: Clock, connection: Connection, request: v16.AuthorizeRequest
) -> v16.AuthorizeResponse:
    """Answer with the tag's status; one that is not stored is Invalid, unless a policy accepts it."""
    info = await authorizer.authorize(
        connection.tenant_id, connection.charge_point_id, request["idTag"], clock.now()
    )
    # The service returns a plain dict with the standard's names.
    return {"idTagInfo": cast(v16.IdTagInfo, info)}
