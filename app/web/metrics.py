"""`/metrics`, for the operators of the server. It is not in the documentation of `/v1`."""

from fastapi import Request
from starlette.responses import Response

from app.scraping.exchange import EXCHANGE
from app.scraping.snapshots import CONTENT_TYPE_LATEST, exposition, snapshot
from app.web.access import MetricsAccess
from app.web.routers import api_router

router = api_router(tags=["operation"])


@router.get("/metrics", include_in_schema=False)
async def show_metrics(request: Request, _: MetricsAccess) -> Response:
    """Show the metrics of all workers of this server, in Prometheus' text format.

    Raises:
        Unavailable: the supervisor does not answer. A part of the metrics would look like counters that go
            back.
    """
    exchange = request.scope.get("state", {}).get(EXCHANGE)
    families = snapshot() if exchange is None else await exchange.everything()
    return Response(exposition(families), media_type=CONTENT_TYPE_LATEST)
