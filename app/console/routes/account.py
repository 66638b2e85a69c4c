"""The person's own account: the password, the passkeys, and all sessions."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.console.access import ConsoleRoute, Viewer, field_of, go_to, start_session
from app.console.rendering import ROOT, page
from app.console.routes.login import Logins
from app.console.routes.passkey_login import (
    CHALLENGE_COOKIE,
    Passkeys,
    options_response,
    without_challenge,
)
from app.errors import AppError, FieldViolation, InvalidInput
from app.users.passkeys import PasskeyService
from app.users.records import SignedIn
from app.users.rules import LONGEST_PASSWORD, SHORTEST_PASSWORD
from app.web.paths import origin_of
from app.web.problems import problem_response

router = APIRouter(prefix=f"{ROOT}/account", route_class=ConsoleRoute)

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("")
async def account_page(request: Request, person: Viewer, passkeys: Passkeys) -> Response:
    """Show the account."""
    return await _account_page(request, person, passkeys, None)


@router.post("/password")
async def set_password(request: Request, person: Viewer, logins: Logins, passkeys: Passkeys) -> Response:
    """Set the person's own password. All other sessions end."""
    password = await field_of(request, "password")
    try:
        if password != await field_of(request, "repeated"):
            raise InvalidInput([FieldViolation("/repeated", "not_the_same", "is not the same password")])
        login = await logins.set_password(person, password, await field_of(request, "old_password"))
    except InvalidInput as error:
        return await _account_page(request, person, passkeys, error)
    return start_session(request, login, f"{ROOT}/fleet", logins.session_longest_s)


@router.post("/passkeys/options")
async def passkey_options(request: Request, person: Viewer, passkeys: Passkeys) -> Response:
    """Answer with what the browser needs to make a passkey."""
    try:
        options = await passkeys.creation_options(person, origin_of(request))
    except AppError as error:
        return problem_response(error)
    return options_response(request, options)


@router.post("/passkeys")
async def add_passkey(request: Request, person: Viewer, passkeys: Passkeys) -> Response:
    """Keep a passkey that the browser has made."""
    sealed = request.cookies.get(CHALLENGE_COOKIE, "")
    credential, name = await field_of(request, "credential"), await field_of(request, "passkey_name")
    try:
        await passkeys.add(person, origin_of(request), sealed, credential, name)
    except InvalidInput as error:
        return await _account_page(request, person, passkeys, error)
    return without_challenge(go_to(f"{ROOT}/account"))


@router.post("/passkeys/{number}/delete")
async def delete_passkey(person: Viewer, passkeys: Passkeys, number: Number) -> Response:
    """Delete one of the person's own passkeys."""
    await passkeys.delete(person, number)
    return go_to(f"{ROOT}/account")


async def _account_page(
    request: Request, person: SignedIn, passkeys: PasskeyService, error: InvalidInput | None
) -> Response:
    values = {
        "passkeys": await passkeys.list(person),
        "faults": {} if error is None else {found.pointer[1:]: found.detail for found in error.violations},
        "needs_old": person.user.password_hash is not None and person.method != "link",
        "shortest": SHORTEST_PASSWORD,
        "longest": LONGEST_PASSWORD,
    }
    return page(request, "account.html", person, values, 200 if error is None else error.status)
