"""Commands: a form for each action, the state of a command until its observed effect, and the newest ones."""

from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.console.access import ConsoleRoute, Operator, Viewer, form_of, go_to
from app.console.commands import CommandScreen, ShownCommand
from app.console.forms import Refusal
from app.console.input_fields import refusal_in
from app.console.rendering import ROOT, page
from app.errors import AppError
from app.users.records import SignedIn
from app.web.inputs import ActionText, IdentityPath
from app.web.paths import location
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/commands", route_class=ConsoleRoute)
charge_point_router = APIRouter(
    prefix=f"{ROOT}/charge-points/{{identity}}/commands", route_class=ConsoleRoute
)

_Screen = Annotated[CommandScreen, Depends(provided(CommandScreen))]
_Action = Annotated[ActionText, Path()]
_KEY: Final = "idempotency_key"


@router.get("")
async def newest_commands(request: Request, person: Viewer, screen: _Screen) -> Response:
    """Show the newest commands of all charge points."""
    values = {"commands": await screen.newest(person.tenant_id)}
    return page(request, "commands.html", person, values)


@router.get("/rows")
async def newest_command_rows(request: Request, person: Viewer, screen: _Screen) -> Response:
    """Show the rows of the newest commands alone."""
    values = {"commands": await screen.newest(person.tenant_id)}
    return page(request, "command_rows.html", person, values)


@router.get("/{command_id}")
async def command_page(request: Request, person: Viewer, screen: _Screen, command_id: UUID) -> Response:
    """Show one command."""
    return page(request, "command.html", person, _shown(await screen.get(person.tenant_id, command_id)))


@router.get("/{command_id}/state")
async def command_state(request: Request, person: Viewer, screen: _Screen, command_id: UUID) -> Response:
    """Show the state of a command alone."""
    command = _shown(await screen.get(person.tenant_id, command_id))
    return page(request, "command_state.html", person, command)


@router.post("/{command_id}/cancel")
async def cancel_command(person: Operator, screen: _Screen, command_id: UUID) -> Response:
    """Cancel a command that was not sent yet."""
    await screen.cancel(person.tenant_id, command_id)
    return go_to(f"{ROOT}/commands/{command_id}")


@charge_point_router.get("")
async def actions_page(request: Request, person: Viewer, screen: _Screen, identity: IdentityPath) -> Response:
    """Show the actions that a charge point can be asked for, and its newest commands."""
    found = await screen.charge_point(person.tenant_id, identity)
    values = {
        "identity": found.row["identity"],
        "profiles": screen.forms_by_profile(),
        "commands": await screen.newest(person.tenant_id, identity),
    }
    return page(request, "actions.html", person, values)


@charge_point_router.get("/{action}")
async def command_form(
    request: Request, person: Operator, screen: _Screen, identity: IdentityPath, action: _Action
) -> Response:
    """Show the form of an action."""
    await screen.charge_point(person.tenant_id, identity)
    return _form_page(request, person, screen, (identity, action), {_KEY: str(uuid4())}, None)


@charge_point_router.post("/{action}")
async def issue_command(
    request: Request, person: Operator, screen: _Screen, identity: IdentityPath, action: _Action
) -> Response:
    """Issue the command of a form."""
    await screen.charge_point(person.tenant_id, identity)
    given = await form_of(request)
    key = given.get(_KEY, [""])[0][:100] or str(uuid4())
    try:
        record = await screen.issue(person, identity, screen.form(action), given, f"console-{key}")
    except AppError as error:
        values = {name: texts[0] for name, texts in given.items()}
        # Another attempt is another command.
        return _form_page(request, person, screen, (identity, action), {**values, _KEY: str(uuid4())}, error)
    return go_to(f"{ROOT}/commands/{record.id}")


def _form_page(
    request: Request,
    person: SignedIn,
    screen: CommandScreen,
    place: tuple[str, str],
    given: dict[str, str],
    error: AppError | None,
) -> Response:
    """Show a form.

    place: identity and action; given: the values that were typed; error: why they were refused.
    """
    form = screen.form(place[1])
    refusal = Refusal() if error is None else refusal_in(form.groups, error)
    path = location("/v1/charge-points", place[0], "commands", place[1])
    values = {
        "identity": place[0],
        "form": form,
        "given": given,
        "refusal": refusal,
        "key": given[_KEY],
        "curl_path": path,
    }
    return page(request, "command_form.html", person, values, refusal.status)


def _shown(command: ShownCommand) -> dict[str, Any]:
    return {"command": command, "curl_path": f"/v1/commands/{command.record.id}"}
