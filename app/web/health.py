"""`/health` and `/metrics`, for the operators of the server. They are not in the documentation of `/v1`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from app.web.access import PlatformAccess
from app.web.routers import api_router
from app.web.services import provided

router = api_router(tags=["operation"])


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """The checks of `/health`; `main` composes them.

    ping_database: raises StoreUnavailable if the database does not answer; is_redis_reachable: as far as the
    worker knows.
    """

    ping_database: Callable[[], Awaitable[None]]
    is_redis_reachable: Callable[[], bool]


Checks = Annotated[HealthChecks, Depends(provided(HealthChecks))]


@router.get("/health", include_in_schema=False)
async def show_health(checks: Checks) -> Response:
    """Say whether this worker can do its work: 200, or 503 while the database does not answer.

    Redis is only reported, because sockets and billing continue without it.
    """
    await checks.ping_database()
    body = {"database": "ok", "redis": "ok" if checks.is_redis_reachable() else "unreachable"}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


@router.get("/metrics", include_in_schema=False)
async def show_metrics(_: PlatformAccess) -> Response:
    """Show the metrics of the worker that answers the request, in Prometheus' text format.

    With several workers behind one port any of them answers; `process_start_time_seconds` tells which.
    """
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
