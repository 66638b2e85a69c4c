"""`/v1/charge-points/{identity}/orphan-records`: billing messages that fit no transaction."""

from starlette.responses import Response

from app.charge_points.service import existing_charge_point
from app.transactions.schemas import OrphanRecord
from app.transactions.store.reading import OrphanRecordStore
from app.web.access import ReadAccess, ServicesDependency
from app.web.conditional import page_response
from app.web.inputs import IdentityPath, PagingQuery
from app.web.pagination import LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import api_router

router = api_router(prefix="/v1/charge-points/{identity}/orphan-records", tags=["transactions"])


@router.get("", response_model=Page[OrphanRecord], responses=problems(404))
async def list_orphan_records(
    access: ReadAccess, services: ServicesDependency, identity: IdentityPath, paging: PagingQuery
) -> Response:
    """List the billing messages of a charge point that fit no transaction, the newest first."""
    after = decode_cursor(paging.cursor, LargeIntegerKey)
    async with services.database.tenant(access.tenant_id) as work:
        record = await existing_charge_point(work, identity)
        rows = await OrphanRecordStore(work).page(paging.limit + 1, after, record.id)
    page, next_cursor = cut_page(rows, paging.limit, lambda row: row.id)
    items = [OrphanRecord.model_validate(row) for row in page]
    return page_response(Page[OrphanRecord](items=items, next_cursor=next_cursor))
