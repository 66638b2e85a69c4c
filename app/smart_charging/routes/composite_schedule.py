"""`/v1/smart-charging`: what charging profiles come to, worked out without any charge point."""

from functools import partial
from typing import Any

from fastapi import Request
from starlette.responses import Response

from app.errors import InvalidInput
from app.smart_charging.composite import NOT_JSON, composite_schedule, picture, read_question
from app.smart_charging.schemas.composite_question import ANSWER, EXAMPLE, SCHEMA
from app.smart_charging.schemas.composite_schedule import CompositeSchedule
from app.web.access import ReadAccess
from app.web.computation import compute
from app.web.json_body import not_a_number, read_bytes, require_json
from app.web.negotiation import prefers
from app.web.problems import MalformedBody, problems
from app.web.routers import api_router

router = api_router(prefix="/v1/smart-charging", tags=["smart-charging"])

BODY_LIMIT_BYTES = 1024 * 1024
"""Two thousand profiles of some periods each; the core bounds what they may come to."""
JSON_TYPE, SVG_TYPE = "application/json", "image/svg+xml"
PICTURE: dict[str, Any] = {
    "schema": {"type": "string"},
    "example": '<svg xmlns="http://www.w3.org/2000/svg">...</svg>',
}


@router.post(
    "/composite-schedule",
    response_model=CompositeSchedule,
    responses={
        200: {"content": {JSON_TYPE: {"example": ANSWER}, SVG_TYPE: PICTURE}},
        **problems(body=True),
    },
    openapi_extra={
        "requestBody": {"required": True, "content": {JSON_TYPE: {"schema": SCHEMA, "example": EXAMPLE}}}
    },
)
async def compute_composite_schedule(access: ReadAccess, request: Request) -> Response:
    """Work out a composite schedule. Nothing is stored, and no charge point is asked.

    Each period names what set its limit and the profiles that were beaten. Profiles that break a rule of
    their own are refused; rules that depend on a charge point's state or abilities apply when one is
    installed. With `Accept: image/svg+xml` the answer is a picture. (OCPP 1.6 3.13, 5.7)
    """
    require_json(request)
    content = await read_bytes(request, BODY_LIMIT_BYTES)
    as_picture = prefers(request.headers.get("accept", ""), SVG_TYPE, JSON_TYPE)
    text = await compute(access.tenant_id, partial(_answer, content, as_picture))
    return Response(text, media_type=SVG_TYPE if as_picture else JSON_TYPE, headers={"Vary": "Accept"})


def _answer(content: bytes, as_picture: bool) -> str:
    try:
        question = read_question(content.decode())
    except UnicodeDecodeError:
        raise MalformedBody from None
    except InvalidInput as refusal:
        if refusal.violations[0].code == NOT_JSON:
            raise (not_a_number(content) or MalformedBody()) from None
        raise
    return picture(question, "Composite schedule") if as_picture else composite_schedule(question)
