"""`/health` and `/metrics`, for the operators of the server. They are not in the documentation of `/v1`."""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from app.web.access import PlatformAccess, ServicesDependency
from app.web.routers import api_router

router = api_router(tags=["operation"])


@router.get("/health", include_in_schema=False)
async def show_health(services: ServicesDependency) -> Response:
    """Say whether this worker can do its work: 200, or 503 while the database does not answer.

    Redis is only reported, because sockets and billing continue without it.
    """
    await services.database.ping()
    body = {"database": "ok", "redis": "ok" if services.presence.reachable else "unreachable"}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


@router.get("/metrics", include_in_schema=False)
async def show_metrics(_: PlatformAccess) -> Response:
    """Show the metrics of the worker that answers the request, in Prometheus' text format.

    With several workers behind one port any of them answers; `process_start_time_seconds` tells which.
    """
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
