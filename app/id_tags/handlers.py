"""Authorize (OCPP 1.6 4.1): may this id tag charge? The start of a transaction decides for itself."""

from datetime import datetime
from functools import partial
from typing import Protocol, cast

from app.answers import Handler
from app.clock import Clock
from app.connection import Connection
from app.ocpp import v16
from app.types import Json


class Authorizes(Protocol):
    """Tells which tags may charge."""

    async def authorize(self, connection: Connection, id_tag: str, at: datetime) -> Json:
        """Return the `idTagInfo` of a tag that a charge point asks for."""


def id_tag_handlers(authorizer: Authorizes, clock: Clock) -> dict[str, Handler]:
    """Return the handlers of this package, by action."""
    return {"Authorize": partial(authorize, authorizer, clock)}


async def authorize(
    authorizer: Authorizes, clock: Clock, connection: Connection, request: v16.AuthorizeRequest
) -> v16.AuthorizeResponse:
    """Answer with the tag's status; one that is not stored is Invalid, unless a policy accepts it."""
    info = await authorizer.authorize(connection, request["idTag"], clock.now())
    # The service returns a plain dict with the standard's names.
    return {"idTagInfo": cast(v16.IdTagInfo, info)}
