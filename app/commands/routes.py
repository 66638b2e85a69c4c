"""Commands: CALLs to charge points as resources, to issue, observe and cancel.

One function issues all of them. `operations` documents the body of each action from the schemas of the
protocol; the core decides what is valid.
"""

from typing import Annotated, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.commands.operations import command_route
from app.commands.profiled_starts import ProfiledStarts, StoredProfile
from app.commands.records import (
    CommandFilter,
    CommandRecord,
    CommandRequest,
    CommandState,
    WhenOffline,
)
from app.commands.rules import OPEN_COMMAND_STATES
from app.commands.schemas import Command
from app.commands.service import CommandService
from app.ocpp import Protocol
from app.web.access import CommandAccess, ReadAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.inputs import DIGITS, INTEGER_MAXIMUM, ActionText, Identity, IdentityPath, Paging, Time
from app.web.json_body import read_bytes, require_json, unstorable
from app.web.pagination import IdentifiedMoment, Page, cut_page, decode_cursor
from app.web.problems import MalformedBody, problems
from app.web.routers import Tag, api_router
from app.web.services import provided
from app.web.wording import IDEMPOTENCY_KEY_PATTERN

_TAG = Tag("commands", "CALLs to charge points as resources: issue, wait, see the effect, cancel.")
router = api_router(tags=[_TAG])

WAIT_MAXIMUM_S = 60
_NUL = rb"\u0000"

Service = Annotated[CommandService, Depends(provided(CommandService))]
CommandIdPath = Annotated[UUID, Path(description="Id of the command, and unique id of its CALL.")]


class IssueQuery(BaseModel):
    """How to issue a command."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wait: Annotated[
        int,
        Field(ge=0, le=WAIT_MAXIMUM_S),
        DIGITS,
        Field(description="Seconds to wait for the final state; 0: answer at once."),
    ] = 0
    timeout_s: Annotated[
        Annotated[int, Field(ge=1), DIGITS] | SkipJsonSchema[None],
        Field(
            description="Seconds that the charge point has for its answer: at most the server's "
            "command_timeout_limit_s. Default: that of the server."
        ),
    ] = None


class CommandIssueQuery(IssueQuery):
    """How to issue a command, and when."""

    when_offline: Annotated[
        WhenOffline | SkipJsonSchema[None],
        Field(
            description="`queue`: if the charge point is not connected, or its registration forbids the "
            "command now, it waits, and is sent once when that changes. Commands of a charge point that wait "
            "are sent one after the other, in their order. Default: `fail`."
        ),
    ] = None
    expires_in: Annotated[
        Annotated[int, Field(ge=1), DIGITS] | SkipJsonSchema[None],
        Field(description="Seconds until a command that waits expires. Default: that of the server, a day."),
    ] = None
    expires_at: Annotated[
        Time | SkipJsonSchema[None], Field(description="When a command that waits expires.")
    ] = None
    not_before: Annotated[
        Time | SkipJsonSchema[None],
        Field(
            description="Send it at this time. Then the charge point must be connected, or `queue` is given."
        ),
    ] = None
    charging_profile_id: Annotated[
        Annotated[int, Field(ge=1, le=INTEGER_MAXIMUM), DIGITS] | SkipJsonSchema[None],
        Field(
            description="Send this stored charging profile along as a TxProfile (OCPP 1.6 5.11). The body "
            "then has no `chargingProfile`."
        ),
    ] = None
    nominal_voltage: Annotated[
        Annotated[int, Field(ge=50, le=1000), DIGITS] | SkipJsonSchema[None],
        Field(
            description="Volts between line and neutral: permission to convert the stored profile from "
            "amperes to watts or back if the charge point takes only the other unit (OCPP 1.6 7.12)."
        ),
    ] = None
    supply: Annotated[
        Literal["AC", "DC"] | SkipJsonSchema[None],
        Field(description="Of `nominal_voltage`. AC, the default: limits can be converted."),
    ] = None


IdempotencyKey = Annotated[
    Annotated[str, StringConstraints(pattern=IDEMPOTENCY_KEY_PATTERN)] | SkipJsonSchema[None],
    Header(
        description="Repeat a request safely: the same key and body give the same command. "
        "The same key with another request is a conflict (409).",
    ),
]


class CommandQuery(Paging):
    """How to narrow the listing of commands."""

    charge_point: Annotated[
        Identity | SkipJsonSchema[None],
        Field(description="The whole identity of the charge point; case-sensitive."),
    ] = None
    action: ActionText | SkipJsonSchema[None] = None
    state: CommandState | SkipJsonSchema[None] = None
    bulk_id: Annotated[UUID | SkipJsonSchema[None], Field(description="Of a bulk of commands.")] = None


def _location(record: CommandRecord) -> dict[str, str]:
    return {"Location": f"/v1/commands/{record.id}"}


async def payload_text_of(request: Request, limit_bytes: int) -> str:
    """Return the body as JSON text; an empty body means `{}`, as many requests are (OCPP-J 4.2.1)."""
    content = await read_bytes(request, limit_bytes)
    if not content:
        return "{}"
    require_json(request)
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        raise (unstorable(content) or MalformedBody(content)) from None
    if _NUL in content and (refusal := unstorable(content)) is not None:
        raise refusal
    return content.decode()


async def issue_command(
    request: Request,
    access: CommandAccess,
    service: Service,
    identity: IdentityPath,
    action: Annotated[ActionText, Path()],
    query: Annotated[CommandIssueQuery, Query()],
    starts: Annotated[ProfiledStarts, Depends(provided(ProfiledStarts))],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Issue a command. The answer of the charge point is a state of the command, not an HTTP error."""
    payload_text = await payload_text_of(request, service.payload_limit_bytes)
    wanted = StoredProfile(query.charging_profile_id, query.nominal_voltage, query.supply)
    if wanted.is_any:
        payload_text = await starts.payload_text(access.tenant_id, identity, action, payload_text, wanted)
    command = CommandRequest(
        identity=identity,
        action=action,
        payload_text=payload_text,
        issued_by=access.issued_by,
        timeout_s=query.timeout_s,
        idempotency_key=idempotency_key,
        when_offline=query.when_offline,
        not_before=query.not_before,
        expires_in_s=query.expires_in,
        expires_at=query.expires_at,
    )
    record = await service.issue(access.tenant_id, command, wait_s=query.wait)
    final = record.state not in OPEN_COMMAND_STATES
    status_code = 200 if query.wait and final else 202
    return resource_response(
        Command.model_validate(record), status_code=status_code, headers=_location(record)
    )


def issuing_router(protocol: Protocol) -> APIRouter:
    """Make the router that issues commands.

    protocol: the version of OCPP whose actions the documentation shows, each as an operation of its own.
    """
    issuing = api_router(tags=[_TAG])
    issuing.add_api_route(
        "/v1/charge-points/{identity}/commands/{action}",
        issue_command,
        methods=["POST"],
        response_model=Command,
        status_code=202,
        include_in_schema=False,
        route_class_override=command_route(protocol),
    )
    return issuing


@router.get("/v1/commands", response_model=Page[Command], responses=problems())
async def list_commands(
    access: ReadAccess, service: Service, query: Annotated[CommandQuery, Query()]
) -> Response:
    """List commands, the newest first."""
    key = decode_cursor(query.cursor, IdentifiedMoment)
    filters = CommandFilter(query.charge_point, query.action, query.state, query.bulk_id)
    after = None if key is None else (key.at, key.id)
    rows = await service.page(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: (row.created_at, row.id))
    items = [Command.model_validate(row) for row in page]
    return page_response(Page[Command](items=items, next_cursor=next_cursor))


@router.get("/v1/commands/{command_id}", response_model=Command, responses=problems(304, 404))
async def get_command(
    access: ReadAccess,
    service: Service,
    command_id: CommandIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one command: its state, the answer of the charge point, and the effect observed since."""
    record = await service.get(access.tenant_id, command_id)
    return resource_response(Command.model_validate(record), if_none_match=if_none_match)


@router.post("/v1/commands/{command_id}/cancel", response_model=Command, responses=problems(404, 409))
async def cancel_command(access: CommandAccess, service: Service, command_id: CommandIdPath) -> Response:
    """Cancel a command that waits or was not sent yet. A command that was sent cannot be cancelled (409)."""
    record = await service.cancel(access.tenant_id, command_id)
    return resource_response(Command.model_validate(record))
