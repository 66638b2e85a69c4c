"""The page of the validator: its form works without a script, by GET as a permalink and by POST."""

from typing import Final
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from app.catalog.catalog import ProtocolCatalog
from app.catalog.pages.rendering import PAGE_HEADERS, Pages
from app.catalog.pages.validator import PERMALINK_LIMIT, Form, examine
from app.catalog.routes.validation import BODY_LIMIT_BYTES, ValidationLimit
from app.errors import AppError, FieldViolation, InvalidInput
from app.ocpp import Protocol
from app.web.documents import DocumentResponse
from app.web.json_body import read_bytes
from app.web.problems import BodyTooLarge

_FIELDS_LIMIT: Final = 20
# A form may need three characters for each one of the text.
_FORM_LIMIT_BYTES: Final = 3 * BODY_LIMIT_BYTES + 1024


def validator_route(
    pages: Pages, catalog: ProtocolCatalog, core: Protocol, limit: ValidationLimit
) -> BaseRoute:
    """Make the route of the page. limit: that of the validator in the API, which it shares."""

    path = f"{catalog.page}/validator"

    async def page(request: Request) -> Response:
        form = Form()
        try:
            form = await _form(request)
            if not form.text:
                return DocumentResponse(pages.documents[path])
            limit.take(request)
            text = await limit.run(
                request, len(form.text), lambda: pages.validator(catalog, form, examine(catalog, core, form))
            )
        except AppError as error:
            return _answer(pages.validator(catalog, form, error=error), error)
        return _answer(text)

    return Route(path, page, methods=["GET", "POST"], include_in_schema=False)


async def _form(request: Request) -> Form:
    """Read the form from the query or the body.

    Raises:
        BodyTooLarge: the text is longer than the validator takes.
        InvalidInput: it is not a form, or the query is too long for a permalink.
    """
    if request.method == "POST":
        content = await read_bytes(request, _FORM_LIMIT_BYTES)
    else:
        content = request.url.query.encode()
        if len(content) > PERMALINK_LIMIT:
            raise InvalidInput([FieldViolation("text", "too_long", "is too long for a link: paste it")])
    try:
        fields = dict(parse_qsl(content.decode("ascii"), max_num_fields=_FIELDS_LIMIT, errors="strict"))
    except ValueError:
        raise InvalidInput([FieldViolation("", "no_form", "This is not a form of this page.")]) from None
    form = Form.read(fields)
    if len(form.text.encode()) > BODY_LIMIT_BYTES:
        raise BodyTooLarge(BODY_LIMIT_BYTES)
    return form


def _answer(text: str, error: AppError | None = None) -> Response:
    headers = {name.decode(): value.decode() for name, value in PAGE_HEADERS}
    headers["Cache-Control"] = "no-store"
    if error is None:
        return HTMLResponse(text, 200, headers)
    return HTMLResponse(text, error.status, {**headers, **error.headers})
