"""The audit: what people have done."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.audit.service import AuditService
from app.console.access import ConsoleRoute, Viewer
from app.console.forms import Cursor
from app.console.rendering import ROOT, page, query_text
from app.web.pagination import LargeIntegerKey, cut_page, decode_cursor
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/audit", route_class=ConsoleRoute)

_PAGE_SIZE: Final = 50


@router.get("")
async def audit_page(
    request: Request,
    person: Viewer,
    audit: Annotated[AuditService, Depends(provided(AuditService))],
    cursor: Cursor = None,
) -> Response:
    """Show what people have done, the newest first."""
    after = decode_cursor(cursor, LargeIntegerKey)
    rows = await audit.page(person.tenant_id, _PAGE_SIZE + 1, after)
    shown, next_cursor = cut_page(rows, _PAGE_SIZE, lambda row: row.id)
    values = {
        "entries": shown,
        "next_address": f"{ROOT}/audit?{query_text({'cursor': next_cursor})}" if next_cursor else None,
        "curl_path": f"/v1/audit?limit={_PAGE_SIZE}",
    }
    return page(request, "audit.html", person, values)
