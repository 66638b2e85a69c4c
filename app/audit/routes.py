"""`/v1/audit`: what people have done to records."""

from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from app.audit.schemas import AuditEntry
from app.audit.service import AuditService
from app.web.access import ReadAccess
from app.web.conditional import page_response
from app.web.inputs import PagingQuery
from app.web.pagination import LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

router = api_router(prefix="/v1/audit", tags=[Tag("audit", "Who has changed records by hand, and why.")])

Audit = Annotated[AuditService, Depends(provided(AuditService))]


@router.get("", response_model=Page[AuditEntry], responses=problems())
async def list_audit_entries(access: ReadAccess, audit: Audit, paging: PagingQuery) -> Response:
    """List what people have done to records, the newest first."""
    after = decode_cursor(paging.cursor, LargeIntegerKey)
    records = await audit.page(access.tenant_id, paging.limit + 1, after)
    page, next_cursor = cut_page(records, paging.limit, lambda record: record.id)
    items = [AuditEntry.model_validate(record) for record in page]
    return page_response(Page[AuditEntry](items=items, next_cursor=next_cursor))
