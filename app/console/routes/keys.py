"""API keys: make one, whose token is shown once, and revoke it. For admins."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.clock import utc_text
from app.console.access import Admin, ConsoleRoute, field_of, go_to
from app.console.forms import Refusal, input_of, refusal_of
from app.console.rendering import ROOT, page
from app.errors import AppError
from app.tenants.records import ApiKeyRecord, NewApiKeyFacts
from app.tenants.schemas import ApiKeyCreate
from app.tenants.service import ApiKeyService
from app.types import Scope
from app.users.records import SignedIn
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/keys", route_class=ConsoleRoute)

_Keys = Annotated[ApiKeyService, Depends(provided(ApiKeyService))]
_SCOPES: Final[dict[Scope, str]] = {
    "read": "read everything",
    "command": "send commands to charge points",
    "write": "change records, such as tags and charge points",
    "admin": "manage keys",
}
_LIVES: Final = {"30": "in 30 days", "365": "in a year", "": "never"}
_FIELDS: Final = ("name", "scopes", "expires_at")


@router.get("")
async def keys_page(request: Request, person: Admin, keys: _Keys) -> Response:
    """Show the keys of the tenant."""
    return await _keys_page(request, person, keys, {}, Refusal())


@router.post("")
async def create_key(request: Request, person: Admin, keys: _Keys) -> Response:
    """Make a key, and show its token once."""
    chosen = [scope for scope in _SCOPES if await field_of(request, f"scope_{scope}") == "true"]
    given: dict[str, Any] = {
        "name": (await field_of(request, "name")).strip(),
        "scopes": chosen,
        "days": await field_of(request, "days"),
    }
    now = keys.clock.now()
    end = now + timedelta(days=int(given["days"])) if given["days"] in ("30", "365") else None
    values = {
        "name": given["name"],
        "scopes": chosen,
        "expires_at": None if end is None else utc_text(end),
    }
    try:
        body = input_of(ApiKeyCreate, values)
        facts = NewApiKeyFacts(body.name, body.scopes, body.expires_at)
        made, token = await keys.create(person.tenant_id, facts, person.actor)
    except AppError as error:
        return await _keys_page(request, person, keys, given, refusal_of(error, _FIELDS))
    return await _keys_page(request, person, keys, {"made": made, "token": token}, Refusal())


@router.post("/{key_id}/revoke")
async def revoke_key(person: Admin, keys: _Keys, key_id: Annotated[UUID, Path()]) -> Response:
    """Revoke a key."""
    await keys.revoke(person.tenant_id, key_id, person.actor)
    return go_to(f"{ROOT}/keys")


async def _keys_page(
    request: Request, person: SignedIn, keys: ApiKeyService, given: dict[str, Any], refusal: Refusal
) -> Response:
    now = keys.clock.now()
    found = await keys.list(person.tenant_id)
    values = {
        "keys": [(key, _state(key, now)) for key in reversed(found)],
        "scopes": _SCOPES,
        "lives": list(_LIVES.items()),
        "given": {"name": "", "scopes": ["read"], "days": "365", "made": None, "token": "", **given},
        "refusal": refusal,
        "curl_path": "/v1/api-keys",
    }
    return page(request, "keys.html", person, values, refusal.status)


def _state(key: ApiKeyRecord, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "valid"
