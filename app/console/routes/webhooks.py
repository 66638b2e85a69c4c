"""Webhooks: make, change, try, pause and delete them, see what was sent, and send it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.console.access import ConsoleRoute, Operator, Viewer, field_of, form_of, go_to
from app.console.forms import Cursor, QueryText, Refusal, input_of
from app.console.input_fields import FormField, FormGroup, payload_of, refusal_in, typed_values
from app.console.rendering import ROOT, page, query_text
from app.errors import AppError, FieldViolation, InvalidInput
from app.events.payloads import event_types
from app.types import Json
from app.users.records import SignedIn
from app.web.inputs import CursorText
from app.web.pagination import LargeIntegerKey, cut_page, decode_cursor
from app.web.services import provided
from app.webhooks.records import DeliveryState, EventWebhookRecord
from app.webhooks.schemas import WebhookChange, WebhookPost, WebhookReplay, delivery_of, test_result
from app.webhooks.service import PATH, WebhookService

router = APIRouter(prefix=f"{ROOT}/webhooks", route_class=ConsoleRoute)

_Webhooks = Annotated[WebhookService, Depends(provided(WebhookService))]
_ADDRESS: Final = f"{ROOT}/webhooks"
_PAGE_SIZE: Final = 50
_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)
_REPLAY: Final = (
    FormGroup(
        "",
        "",
        True,
        (
            FormField(
                "after",
                "Behind the event",
                "text",
                False,
                "The id of an event of the log: all behind it are sent again. Empty: all that are kept.",
            ),
        ),
    ),
)


def _groups() -> tuple[FormGroup, ...]:
    return (
        FormGroup(
            "",
            "",
            True,
            (
                FormField(
                    "url",
                    "URL",
                    "text",
                    True,
                    "Begins with https:// and leads to public addresses, unless the server is set otherwise.",
                    max_length=2000,
                ),
                FormField("description", "Description", "text", False, "For people.", max_length=200),
                FormField(
                    "event_types",
                    "Types of events",
                    "ticks",
                    False,
                    "None ticked: all.",
                    choices=tuple(event_types()),
                ),
                FormField("charge_points", "Charge points", "lines", False, "Identities. Empty: all."),
                FormField(
                    "labels",
                    "Labels of the charge points",
                    "lines",
                    False,
                    "They have all of these labels, such as site:north. Empty: all.",
                ),
            ),
        ),
    )


class ShownState(NamedTuple):
    """The state of a webhook in words. kind: its colour."""

    word: str
    kind: Literal["good", "warn", "bad", "absent"]
    note: str


@dataclass(frozen=True, slots=True)
class LogQuery:
    """The parameters of the log of a webhook. after: fills in the event of a replay."""

    state: DeliveryState | Literal[""] = ""
    cursor: Cursor = None
    after: QueryText = ""

    def narrowed(self) -> str:
        """Return the parameters of the part with the log."""
        return query_text({"state": self.state, "cursor": self.cursor})


@dataclass(frozen=True, slots=True)
class Shown:
    """The part of a page that a press of a button adds. form: whose refusal it is."""

    form: Literal["", "change", "replay"] = ""
    refusal: Refusal = field(default_factory=Refusal)
    given: Mapping[str, Sequence[str]] | None = None
    secret: str = ""
    test: Any = None


_Log = Annotated[LogQuery, Depends()]


@router.get("")
async def webhooks_page(request: Request, person: Viewer, webhooks: _Webhooks) -> Response:
    """Show the webhooks."""
    return await _list_page(request, person, webhooks, {}, Refusal())


@router.post("")
async def create_webhook(request: Request, person: Operator, webhooks: _Webhooks) -> Response:
    """Make a webhook, and show its secret once."""
    given = await form_of(request)
    try:
        body = input_of(WebhookPost, _body(given))
        made = await webhooks.create(person.tenant_id, body.record(), person.actor)
    except AppError as error:
        return await _list_page(request, person, webhooks, given, refusal_in(_groups(), error))
    return await _webhook_page(
        request, person, webhooks, made.record.id, LogQuery(), Shown(secret=made.secret)
    )


@router.get("/{webhook_id}")
async def webhook_page(
    request: Request, person: Viewer, webhooks: _Webhooks, webhook_id: UUID, query: _Log
) -> Response:
    """Show a webhook and its log."""
    return await _webhook_page(request, person, webhooks, webhook_id, query, Shown())


@router.get("/{webhook_id}/log")
async def webhook_log(
    request: Request, person: Viewer, webhooks: _Webhooks, webhook_id: UUID, query: _Log
) -> Response:
    """Show the state and the log of a webhook alone."""
    record = await webhooks.get(person.tenant_id, webhook_id)
    values = await _log_values(person, webhooks, record, query)
    return page(request, "webhook_log.html", person, values)


@router.post("/{webhook_id}/change")
async def change_webhook(
    request: Request, person: Operator, webhooks: _Webhooks, webhook_id: UUID
) -> Response:
    """Change the URL, the description and the filters of a webhook."""
    given = await form_of(request)
    empty: Json = {"description": None, "event_types": [], "charge_points": [], "labels": {}}
    try:
        body = input_of(WebhookChange, {"url": "", **empty, **_body(given)})
        await _change(person, webhooks, webhook_id, body.changes())
    except InvalidInput as error:
        shown = Shown("change", refusal_in(_groups(), error), given)
        return await _webhook_page(request, person, webhooks, webhook_id, LogQuery(), shown)
    return go_to(f"{_ADDRESS}/{webhook_id}")


@router.post("/{webhook_id}/enabled")
async def switch_webhook(
    request: Request, person: Operator, webhooks: _Webhooks, webhook_id: UUID
) -> Response:
    """Pause a webhook, or let it go on where it was."""
    await _change(person, webhooks, webhook_id, {"enabled": await field_of(request, "enabled") == "true"})
    return go_to(f"{_ADDRESS}/{webhook_id}")


@router.post("/{webhook_id}/secret")
async def replace_webhook_secret(
    request: Request, person: Operator, webhooks: _Webhooks, webhook_id: UUID
) -> Response:
    """Make another secret, and show it once."""
    made = await webhooks.replace_secret(person.tenant_id, webhook_id, person.actor)
    shown = Shown(secret=made.secret)
    return await _webhook_page(request, person, webhooks, webhook_id, LogQuery(), shown)


@router.post("/{webhook_id}/test")
async def test_webhook(request: Request, person: Operator, webhooks: _Webhooks, webhook_id: UUID) -> Response:
    """Send an event of the type `webhook.test`, and show what came back."""
    result = test_result(await webhooks.test(person.tenant_id, webhook_id))
    return await _webhook_page(request, person, webhooks, webhook_id, LogQuery(), Shown(test=result))


@router.post("/{webhook_id}/replay")
async def replay_webhook(
    request: Request, person: Operator, webhooks: _Webhooks, webhook_id: UUID
) -> Response:
    """Send all events behind one again, in their order."""
    given = await form_of(request)
    try:
        body = input_of(WebhookReplay, payload_of(_REPLAY, given))
        after = decode_cursor(body.after, LargeIntegerKey, "after")
        await webhooks.replay(person.tenant_id, webhook_id, after, person.actor)
    except AppError as error:
        shown = Shown("replay", refusal_in(_REPLAY, error), given)
        return await _webhook_page(request, person, webhooks, webhook_id, LogQuery(), shown)
    return go_to(f"{_ADDRESS}/{webhook_id}")


@router.post("/{webhook_id}/deliveries/{event_id}/resend")
async def resend_event(
    person: Operator, webhooks: _Webhooks, webhook_id: UUID, event_id: CursorText
) -> Response:
    """Send one event again."""
    position = decode_cursor(event_id, LargeIntegerKey, "event_id") or 0
    await webhooks.resend(person.tenant_id, webhook_id, position, person.actor)
    return go_to(f"{_ADDRESS}/{webhook_id}")


@router.post("/{webhook_id}/delete")
async def delete_webhook(person: Operator, webhooks: _Webhooks, webhook_id: UUID) -> Response:
    """Delete a webhook and its log."""
    await webhooks.delete(person.tenant_id, webhook_id, person.actor)
    return go_to(_ADDRESS)


async def _change(
    person: SignedIn, webhooks: WebhookService, webhook_id: UUID, changes: Mapping[str, Any]
) -> None:
    await webhooks.change(person.tenant_id, webhook_id, changes, person.actor, lambda record: None)


def _body(given: Mapping[str, Sequence[str]]) -> Json:
    """Return the body of the request that a form means.

    Raises:
        InvalidInput: a label has no value.
    """
    body = payload_of(_groups(), given)
    labels: dict[str, str] = {}
    for place, line in enumerate(body.get("labels", [])):
        name, separator, value = line.partition(":")
        if not separator:
            raise InvalidInput([FieldViolation(f"/labels/{place}", "malformed", "is not key:value")])
        labels[name] = value
    return {**body, "labels": labels}


def _typed(record: EventWebhookRecord) -> dict[str, Sequence[str]]:
    """Return the values of a form that mean a webhook."""
    return {
        "url": [record.url],
        "description": [record.description or ""],
        "event_types[]": list(record.event_types),
        "charge_points": ["\n".join(record.charge_points)],
        "labels": ["\n".join(f"{name}:{value}" for name, value in record.labels.items())],
    }


def shown_state(record: EventWebhookRecord) -> ShownState:
    """Return the state of a webhook in words."""
    if record.state == "active":
        if record.failing_since is None:
            return ShownState("active", "good", "")
        return ShownState("failing", "warn", "What is sent is not taken. It is tried again.")
    match record.disabled_reason:
        case "failing":
            return ShownState("given up", "bad", "It took nothing for days. Resume it when it is repaired.")
        case "gone":
            return ShownState("given up", "bad", "It answered 410 Gone: it wants nothing more.")
        case _:
            return ShownState("paused", "absent", "Nothing is sent. What happens meanwhile is kept for it.")


async def _list_page(
    request: Request,
    person: SignedIn,
    webhooks: WebhookService,
    given: Mapping[str, Sequence[str]],
    refusal: Refusal,
) -> Response:
    found, groups = await webhooks.all(person.tenant_id), _groups()
    values = {
        "webhooks": [(record, shown_state(record)) for record in found],
        "groups": groups,
        "given": typed_values(groups, given),
        "refusal": refusal,
        "requests": [
            ("List", "GET", PATH, None),
            ("Make one", "POST", PATH, orjson.dumps(WebhookPost.example).decode()),
        ],
    }
    return page(request, "webhooks.html", person, values, refusal.status)


async def _webhook_page(
    request: Request,
    person: SignedIn,
    webhooks: WebhookService,
    webhook_id: UUID,
    query: LogQuery,
    shown: Shown,
) -> Response:
    record, groups = await webhooks.get(person.tenant_id, webhook_id), _groups()
    change = shown.given if shown.form == "change" and shown.given is not None else _typed(record)
    replay = shown.given if shown.form == "replay" and shown.given is not None else {"after": [query.after]}
    values = {
        **await _log_values(person, webhooks, record, query),
        "secret": shown.secret,
        "test": shown.test,
        "groups": groups,
        "change": typed_values(groups, change),
        "change_refusal": shown.refusal if shown.form == "change" else Refusal(),
        "replay_groups": _REPLAY,
        "replay": typed_values(_REPLAY, replay),
        "replay_refusal": shown.refusal if shown.form == "replay" else Refusal(),
        "requests": _requests(f"{PATH}/{webhook_id}"),
    }
    return page(request, "webhook.html", person, values, shown.refusal.status)


async def _log_values(
    person: SignedIn, webhooks: WebhookService, record: EventWebhookRecord, query: LogQuery
) -> dict[str, Any]:
    before = decode_cursor(query.cursor, LargeIntegerKey)
    rows = await webhooks.deliveries(person.tenant_id, record.id, _PAGE_SIZE + 1, before, query.state or None)
    shown, cursor = cut_page(rows, _PAGE_SIZE, lambda row: row.position)
    address = f"{_ADDRESS}/{record.id}"
    return {
        "webhook": record,
        "state": shown_state(record),
        "address": address,
        "deliveries": [delivery_of(row) for row in shown],
        "states": _STATES,
        "narrowed": query.state,
        "live_address": f"{address}/log?{query.narrowed()}",
        "next_address": f"{address}?{query_text({'state': query.state, 'cursor': cursor})}#log"
        if cursor
        else None,
    }


def _requests(path: str) -> list[tuple[str, str, str, str | None]]:
    return [
        ("Read", "GET", path, None),
        ("Change, pause or resume", "PATCH", path, '{"enabled": false}'),
        ("New secret", "POST", f"{path}/secret", None),
        ("Test", "POST", f"{path}/test", None),
        ("The log; dead letters by state=dead", "GET", f"{path}/deliveries?limit={_PAGE_SIZE}", None),
        ("Send one event again", "POST", f"{path}/deliveries/$EVENT/resend", None),
        ("Send all behind an event again", "POST", f"{path}/replay", '{"after": null}'),
        ("Delete", "DELETE", path, None),
    ]
