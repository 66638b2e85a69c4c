"""`/health/live` and `/health/ready`, for containers and balancers, not part of `/v1`.

Everybody may ask. So they show names of checks, and their reasons are in the log.
"""

from typing import Annotated

from fastapi import Depends
from starlette.responses import JSONResponse, Response

from app.health.service import HealthService
from app.web.routers import api_router
from app.web.services import provided

router = api_router(prefix="/health", tags=["operation"])

Health = Annotated[HealthService, Depends(provided(HealthService))]
_NOT_STORED = {"Cache-Control": "no-store"}


@router.get("/live", include_in_schema=False)
async def show_liveness() -> Response:
    """Say that this worker answers. A container in which it does not is to be restarted."""
    return JSONResponse({"status": "ok"}, headers=_NOT_STORED)


@router.get("/ready", include_in_schema=False)
async def show_readiness(health: Health) -> Response:
    """Say whether a balancer should send requests here: 200, or 503 if a check fails."""
    report = await health.report()
    body = {
        "status": "ok" if report.is_ready else "not ready",
        "checks": {check.name: check.state.value for check in report.checks},
    }
    return JSONResponse(body, status_code=200 if report.is_ready else 503, headers=_NOT_STORED)
