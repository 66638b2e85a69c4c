"""`/health` and `/metrics`: for whoever runs the server. Outside of `/v1` and of its documentation."""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from app.web.access import PlatformAccess, ServicesDependency
from app.web.routers import api_router

router = api_router(tags=["operation"])


@router.get("/health", include_in_schema=False)
async def show_health(services: ServicesDependency) -> Response:
    """Say whether this worker can do its work: 200, or 503 while the database does not answer.

    Redis is reported only: without it sockets and billing go on.
    """
    await services.database.ping()
    body = {"database": "ok", "redis": "ok" if services.presence.reachable else "unreachable"}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


@router.get("/metrics", include_in_schema=False)
async def show_metrics(_: PlatformAccess) -> Response:
    """Give the metrics of the worker that takes the request, in Prometheus' text format.

    With several workers behind one port each request meets one of them; `process_start_time_seconds` tells
    them apart.
    """
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
