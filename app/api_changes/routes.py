"""`/v1/changes`: the public list of changes of the API."""

from starlette.routing import BaseRoute

from app.api_changes.records import api_changes
from app.api_changes.schemas import ApiChangeList
from app.catalog.routes.documents import document_route


def api_change_routes() -> list[BaseRoute]:
    """Make the public route. The list is read now, so that a damaged file refuses to start."""
    changes = api_changes()
    return [
        document_route(
            "/v1/changes",
            ApiChangeList(count=len(changes), changes=changes),
            name="list_api_changes",
            summary="List the changes of this API",
            description="What was added, changed, deprecated or removed, the newest first.",
        )
    ]
