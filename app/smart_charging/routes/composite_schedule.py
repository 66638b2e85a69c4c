"""`POST /v1/smart-charging/composite-schedule`: a composite schedule as a dry run."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import Response

from app.computation import compute
from app.errors import InvalidInput
from app.ocpp import Protocol
from app.smart_charging.composite import NOT_JSON, composite_schedule, picture, read_question
from app.smart_charging.schemas.composite_schedule import (
    ANSWER_EXAMPLE,
    QUESTION_EXAMPLE,
    QUESTION_SCHEMA,
    CompositeSchedule,
)
from app.web.access import ReadAccess
from app.web.json_body import not_a_number, read_bytes, require_json
from app.web.negotiation import prefers
from app.web.problems import MalformedBody, problems
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag(
    "smart-charging",
    "Dry runs: compute and draw composite schedules, and distribute a site's power.",
)
router = api_router(prefix="/v1/smart-charging", tags=[_TAG])

BODY_LIMIT_BYTES = 1024 * 1024
"""Two thousand profiles of some periods each. The core limits how much there is to compute."""
JSON_TYPE, SVG_TYPE = "application/json", "image/svg+xml"
PICTURE: dict[str, Any] = {
    "schema": {"type": "string"},
    "example": '<svg xmlns="http://www.w3.org/2000/svg">...</svg>',
}


@router.post(
    "/composite-schedule",
    response_model=CompositeSchedule,
    responses={
        200: {"content": {JSON_TYPE: {"example": ANSWER_EXAMPLE}, SVG_TYPE: PICTURE}},
        **problems(body=True),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {JSON_TYPE: {"schema": QUESTION_SCHEMA, "example": QUESTION_EXAMPLE}},
        }
    },
)
async def compute_composite_schedule(
    access: ReadAccess, protocol: Annotated[Protocol, Depends(provided(Protocol))], request: Request
) -> Response:
    """Compute a composite schedule. Nothing is stored, and no charge point is asked.

    Each period names what set its limit and the profiles that were beaten. Profiles that break a rule by
    themselves are refused. Rules that depend on the state or abilities of a charge point apply when a profile
    is installed. With `Accept: image/svg+xml` the answer is a picture. (OCPP 1.6 3.13, 5.7)
    """
    require_json(request)
    content = await read_bytes(request, BODY_LIMIT_BYTES)
    as_picture = prefers(request.headers.get("accept", ""), SVG_TYPE, JSON_TYPE)
    text = await compute(access.tenant_id, partial(_answer, protocol, content, as_picture))
    return Response(text, media_type=SVG_TYPE if as_picture else JSON_TYPE, headers={"Vary": "Accept"})


def _answer(protocol: Protocol, content: bytes, as_picture: bool) -> str:
    try:
        question = read_question(protocol, content.decode())
    except UnicodeDecodeError:
        raise MalformedBody(content) from None
    except InvalidInput as refusal:
        if refusal.violations[0].code == NOT_JSON:
            raise (not_a_number(content) or MalformedBody(content)) from None
        raise
    return picture(question, "Composite schedule") if as_picture else composite_schedule(question)
