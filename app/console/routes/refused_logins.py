"""Refused logins with their reason and advice, and a new password for a charge point."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.console.access import ConsoleRoute, Operator, Viewer
from app.console.refused_logins import RefusedLoginScreen
from app.console.rendering import ROOT, page, query_text
from app.errors import FieldViolation, InvalidInput
from app.login_attempts.records import LoginAttemptFilter, RefusalReason
from app.users.records import SignedIn
from app.web.inputs import IdentityPath
from app.web.pagination import LargeIntegerKey, decode_cursor, encode_cursor
from app.web.paths import location
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/refused-logins", route_class=ConsoleRoute)
password_router = APIRouter(prefix=f"{ROOT}/charge-points/{{identity}}/password", route_class=ConsoleRoute)

_Screen = Annotated[RefusedLoginScreen, Depends(provided(RefusedLoginScreen))]
_PAGE_SIZE: Final = 50
_REASONS: Final = tuple(reason.value for reason in RefusalReason)
_Text = Annotated[str, Query(max_length=255, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class RefusedLoginQuery:
    """The parameters that narrow the list. cursor: where the page before ended."""

    identity: _Text = ""
    reason: _Text = ""
    cursor: Annotated[str, Query(max_length=400)] = ""

    def filters(self) -> LoginAttemptFilter:
        """Return the filter that the service understands.

        Raises:
            InvalidInput: the reason is not one.
        """
        if self.reason and self.reason not in _REASONS:
            raise InvalidInput([FieldViolation("reason", "unknown_value", "is not a reason")])
        return LoginAttemptFilter(
            self.identity.strip() or None, RefusalReason(self.reason) if self.reason else None
        )

    def values(self) -> dict[str, str]:
        """Return the parameters that narrow, without the place."""
        return {"identity": self.identity, "reason": self.reason}


_Narrowed = Annotated[RefusedLoginQuery, Depends()]


@router.get("")
async def refused_logins_page(
    request: Request, person: Viewer, screen: _Screen, query: _Narrowed
) -> Response:
    """Show refused logins, the newest first."""
    narrowed = query.values()
    values = {
        **await _rows(person, screen, query),
        **narrowed,
        "reasons": ["", *_REASONS],
        # Only the newest page grows, so only it keeps itself up to date.
        "live_address": None if query.cursor else f"{ROOT}/refused-logins/rows?{query_text(narrowed)}",
        "curl_path": f"/v1/login-attempts?{query_text({**narrowed, 'limit': _PAGE_SIZE})}",
    }
    return page(request, "refused_logins.html", person, values)


@router.get("/rows")
async def refused_login_rows(request: Request, person: Viewer, screen: _Screen, query: _Narrowed) -> Response:
    """Show one page of refused logins alone."""
    return page(request, "refused_login_rows.html", person, await _rows(person, screen, query))


@password_router.get("")
async def password_page(
    request: Request, person: Operator, screen: _Screen, identity: IdentityPath
) -> Response:
    """Show what a new password means, before it is made."""
    return await _password_page(request, person, screen, identity, {"minted": None})


@password_router.post("")
async def make_password(
    request: Request, person: Operator, screen: _Screen, identity: IdentityPath
) -> Response:
    """Make a new password, and show it once."""
    minted = await screen.new_password(person, identity)
    path = location("/ocpp", minted.tenant_slug, minted.identity)
    return await _password_page(request, person, screen, identity, {"minted": minted, "ocpp_path": path})


async def _rows(person: SignedIn, screen: RefusedLoginScreen, query: RefusedLoginQuery) -> dict[str, Any]:
    after = decode_cursor(query.cursor or None, LargeIntegerKey)
    attempts, next_after = await screen.page(person.tenant_id, _PAGE_SIZE, after, query.filters())
    cursor = None if next_after is None else encode_cursor(next_after)
    return {
        "attempts": attempts,
        "filtered": any(query.values().values()),
        "next_address": None
        if cursor is None
        else f"{ROOT}/refused-logins?{query_text({**query.values(), 'cursor': cursor})}",
    }


async def _password_page(
    request: Request, person: SignedIn, screen: RefusedLoginScreen, identity: str, more: dict[str, Any]
) -> Response:
    found, attempts = await screen.of_charge_point(person.tenant_id, identity)
    values = {
        "identity": identity,
        "is_online": found.live.connected_since is not None,
        "attempts": attempts,
        "curl_path": location("/v1/charge-points", identity, "credentials"),
        **more,
    }
    return page(request, "password.html", person, values)
