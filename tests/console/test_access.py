"""The access of each role to pages and changes: sessions, origins, tokens against forgery, isolation."""

from collections.abc import Callable

import pytest
from fastapi.routing import APIRoute

from app.commands.records import CommandRecord
from app.console.fleet import FleetScreen
from app.console.routes import SCREENS
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.local_lists.store import LocalListStore
from app.reservations.store import ReservationStore
from app.tenants.records import TenantRecord
from app.tenants.service import ApiKeyService
from app.types import ChargePointId
from app.users.records import Role
from tests.support.api import NOW
from tests.support.console import PASSWORD, ConsoleSite
from tests.support.firmware import make_firmware
from tests.support.recorded import put_diagnostics_job
from tests.support.store import local_list, new_reservation
from tests.support.stored_webhooks import store_webhook

PAGES: dict[str, Role] = {
    "/fleet": "viewer",
    "/fleet/tiles": "viewer",
    "/fleet/points": "viewer",
    "/account": "viewer",
    "/charge-points/{identity}": "viewer",
    "/charge-points/{identity}/now": "viewer",
    "/charge-points/{identity}/timeline": "viewer",
    "/charge-points/{identity}/frames.{form}": "viewer",
    "/charge-points/{identity}/commands": "viewer",
    "/charge-points/{identity}/commands/{action}": "operator",
    "/commands": "viewer",
    "/commands/rows": "viewer",
    "/commands/{command_id}": "viewer",
    "/commands/{command_id}/state": "viewer",
    "/charge-points/{identity}/limits": "viewer",
    "/charge-points/{identity}/limits/picture.svg": "viewer",
    "/charge-points/{identity}/password": "operator",
    "/refused-logins": "viewer",
    "/refused-logins/rows": "viewer",
    "/transactions": "viewer",
    "/transactions/rows": "viewer",
    "/transactions.csv": "viewer",
    "/transactions/{transaction_id}": "viewer",
    "/transactions/{transaction_id}/now": "viewer",
    "/transactions/{transaction_id}/charts.json": "viewer",
    "/transactions/{transaction_id}/meter-values.csv": "viewer",
    "/users": "admin",
    "/keys": "admin",
    "/tags": "viewer",
    "/local-lists": "viewer",
    "/local-lists/{list_name}": "viewer",
    "/reservations": "viewer",
    "/security": "viewer",
    "/audit": "viewer",
    "/certificates": "viewer",
    "/charge-points/{identity}/certificates": "viewer",
    "/jobs": "viewer",
    "/jobs/rows": "viewer",
    "/jobs/{kind}": "viewer",
    "/jobs/campaigns/{campaign_id}": "viewer",
    "/jobs/firmware-updates/{identity}/{firmware_update_id}": "viewer",
    "/jobs/diagnostics/{job_id}": "viewer",
    "/jobs/bulk-commands/{bulk_id}": "viewer",
    "/jobs/campaigns/new": "operator",
    "/jobs/firmware-updates/new": "operator",
    "/jobs/diagnostics/new": "operator",
    "/jobs/bulk-commands/new": "operator",
    "/jobs/bulk-commands/new/{action}": "operator",
    "/webhooks": "viewer",
    "/webhooks/{webhook_id}": "viewer",
    "/webhooks/{webhook_id}/log": "viewer",
}
"""Every page that needs a session, and the lowest role that may see it."""
OPEN_CHANGES = {"/login", "/links/{token}", "/login/passkey", "/login/passkey/options"}
STREAM = "/live"
"""See test_live."""
OPEN_PAGES = {"/login", "/login/provider", "/login/provider/return", "/links/{token}", "", "/"}
CHANGES: dict[str, Role] = {
    "/logout": "viewer",
    "/logout-everywhere": "viewer",
    "/account/password": "viewer",
    "/account/passkeys": "viewer",
    "/account/passkeys/options": "viewer",
    "/account/passkeys/{number}/delete": "viewer",
    "/charge-points/{identity}/commands/{action}": "operator",
    "/commands/{command_id}/cancel": "operator",
    "/charge-points/{identity}/limits": "operator",
    "/charge-points/{identity}/password": "operator",
    "/transactions/{transaction_id}/end": "operator",
    "/users": "admin",
    "/users/{name}/link": "admin",
    "/users/{name}/role": "admin",
    "/users/{name}/lock": "admin",
    "/users/{name}/delete": "admin",
    "/keys": "admin",
    "/keys/{key_id}/revoke": "admin",
    "/tags": "operator",
    "/tags/{id_tag}/status": "operator",
    "/tags/{id_tag}/delete": "operator",
    "/local-lists": "operator",
    "/local-lists/{list_name}/enabled": "operator",
    "/local-lists/{list_name}/delete": "operator",
    "/local-lists/{list_name}/charge-points/{identity}/sync": "operator",
    "/reservations": "operator",
    "/reservations/{identity}/{reservation_id}/cancel": "operator",
    "/security/alarms/{alarm_id}/acknowledge": "operator",
    "/certificates/{serial}/revoke": "operator",
    "/charge-points/{identity}/certificates/refresh": "operator",
    "/jobs/campaigns/{campaign_id}/{move}": "operator",
    "/jobs/firmware-updates/{identity}/{firmware_update_id}/cancel": "operator",
    "/jobs/bulk-commands/{bulk_id}/cancel": "operator",
    "/jobs/firmware-updates/{identity}/{firmware_update_id}/retry": "operator",
    "/jobs/diagnostics/{job_id}/retry": "operator",
    "/jobs/campaigns/new": "operator",
    "/jobs/firmware-updates/new": "operator",
    "/jobs/diagnostics/new": "operator",
    "/jobs/bulk-commands/new/{action}": "operator",
    "/webhooks": "operator",
    "/webhooks/{webhook_id}/change": "operator",
    "/webhooks/{webhook_id}/enabled": "operator",
    "/webhooks/{webhook_id}/secret": "operator",
    "/webhooks/{webhook_id}/test": "operator",
    "/webhooks/{webhook_id}/replay": "operator",
    "/webhooks/{webhook_id}/deliveries/{event_id}/resend": "operator",
    "/webhooks/{webhook_id}/delete": "operator",
}
"""Every change that needs a session, and the lowest role that may make it."""
NOT_OF_A_TENANT = {
    # Each tenant has a user of this name.
    "/users/{name}/link",
    "/users/{name}/role",
    "/users/{name}/lock",
    "/users/{name}/delete",
    # The service of commands refuses them, and is scripted here.
    "/commands/{command_id}/cancel",
    "/charge-points/{identity}/certificates/refresh",
    # It names an action of the standard.
    "/jobs/bulk-commands/new/{action}",
}
ROLES: list[Role] = ["viewer", "operator", "admin"]


def _paths(method: str) -> set[str]:
    routes = [route for screen in SCREENS for route in screen.routes if isinstance(route, APIRoute)]
    return {route.path.removeprefix("/console") for route in routes if method in (route.methods or ())}


def test_these_tests_know_every_page_and_change() -> None:
    assert _paths("GET") - OPEN_PAGES - {STREAM} == PAGES.keys()
    assert _paths("POST") - OPEN_CHANGES == CHANGES.keys()
    others = [route for screen in SCREENS for route in screen.routes if isinstance(route, APIRoute)]
    assert {method for route in others for method in route.methods or ()} == {"GET", "POST"}


@pytest.fixture
async def filled(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId, queued: CommandRecord
) -> Callable[[str], str]:
    """Store one of everything, and return the function that fills in the variable parts of a path."""
    async with site.api.services.storage.database.tenant(operator.id) as work:
        await IdTagStore(work).create(NewIdTag("POOL-7"))
        await LocalListStore(work).create(local_list("pool", NOW))
        reservation = new_reservation(charge_point, "POOL-7", NOW)
        await ReservationStore(work).create(reservation)
        firmware = await make_firmware(work, charge_point, "RDAM-1", NOW)
        job_id = await put_diagnostics_job(work, charge_point, NOW)
        webhook = await store_webhook(work, site.api.services.settings.credential_pepper)
    await site.api.key(operator)
    [key] = await site.services.get(ApiKeyService).list(operator.id)
    _, alarm_id = await site.api.security_alarm(operator, "RDAM-1")
    values = {
        **await site.api.certificates(operator, charge_point, "RDAM-1"),
        **firmware._asdict(),
        "webhook_id": webhook["webhook_id"],
        "event_id": webhook["webhook_event_id"],
        "identity": "RDAM-1",
        "form": "csv",
        "action": "Reset",
        "command_id": queued.id,
        "transaction_id": await site.api.transaction(operator, charge_point),
        "name": "admin",
        "id_tag": "POOL-7",
        "list_name": "pool",
        "reservation_id": reservation.reservation_id,
        "job_id": job_id,
        "key_id": key.id,
        "alarm_id": alarm_id,
        "bulk_id": await site.api.bulk(operator),
        "kind": "diagnostics",
        "move": "start",
    }

    def fill(path: str) -> str:
        return path.format(**values, number=1)

    return fill


@pytest.mark.parametrize("path", PAGES)
async def test_each_page_opens_for_its_roles_and_needs_a_session(
    site: ConsoleSite, operator: TenantRecord, filled: Callable[[str], str], path: str
) -> None:
    stranger, address = site.visitor(), filled(path)
    answer = await stranger.get(address)
    assert (answer.status, answer.location) == (303, "/console/login")
    part = await stranger.get(address, **{"HX-Request": "true"})
    assert (part.status, part.response.headers["hx-redirect"]) == (401, "/console/login")
    for role in ROLES:
        visitor = await site.logged_in(operator, role)
        answer = await visitor.get(address)
        is_allowed = ROLES.index(role) >= ROLES.index(PAGES[path])
        assert answer.status == (200 if is_allowed else 403), (role, answer.text)
        assert answer.response.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.response.headers["content-security-policy"]


@pytest.mark.parametrize("path", CHANGES)
async def test_each_change_needs_a_role_a_session_and_its_token(
    site: ConsoleSite, operator: TenantRecord, filled: Callable[[str], str], path: str
) -> None:
    address = filled(path)
    assert (await site.visitor().post(address)).location == "/console/login"
    for role in ROLES[: ROLES.index(CHANGES[path])]:
        refused = await (await site.logged_in(operator, role)).submit(address)
        assert (refused.status, "Your role is" in refused.text) == (403, True), role
    visitor, other = [await site.logged_in(operator) for _ in range(2)]
    foreign = await other.csrf_token()
    for form in ({}, {"csrf_token": ""}, {"csrf_token": "é"}, {"csrf_token": "0"}, {"csrf_token": foreign}):
        refused = await visitor.post(address, form)
        assert (refused.status, "too old" in refused.text) == (403, True)
    assert (await visitor.get("/account")).status == 200


@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if "{" in path.replace("{kind}", "") and path not in NOT_OF_A_TENANT],
)
async def test_a_tenant_does_not_see_what_another_one_has(
    site: ConsoleSite, filled: Callable[[str], str], path: str
) -> None:
    visitor = await site.logged_in(await site.api.tenant())
    answer = await visitor.get(filled(path))
    assert (answer.status, "Not found" in answer.text) == (404, True)


@pytest.mark.parametrize("path", [path for path in CHANGES if "{" in path and path not in NOT_OF_A_TENANT])
async def test_a_tenant_does_not_change_what_another_one_has(
    site: ConsoleSite, filled: Callable[[str], str], path: str
) -> None:
    visitor = await site.logged_in(await site.api.tenant())
    form = {"type": "Soft", "status": "Blocked", "enabled": "false", "reason": "Why", "role": "viewer"}
    assert (await visitor.submit(filled(path), **form)).status == 404


async def test_the_fleet_shows_the_tenants_own_charge_points_only(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    other = await site.api.tenant()
    await site.api.charge_point(other, "ELSEWHERE-1")
    page = await (await site.logged_in(operator)).get("/fleet")
    assert "RDAM-1" in page.text
    assert "ELSEWHERE-1" not in page.text


async def test_the_cookie_is_kept_from_scripts_and_from_plain_connections(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    cookie = (await site.visitor().post(await site.link(operator))).response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/console" in cookie
    assert "Secure" not in cookie
    secure = await site.visitor().post(await site.link(operator), None, **{"X-Forwarded-Proto": "https"})
    assert "Secure" in secure.response.headers["set-cookie"]


async def test_a_preview_of_a_link_does_not_use_it(site: ConsoleSite, operator: TenantRecord) -> None:
    link, visitor = await site.link(operator), site.visitor()
    assert [(await visitor.get(link)).status for _ in range(2)] == [200, 200]
    assert (await visitor.post(link)).location == "/console/fleet"
    again = await site.visitor().post(link)
    assert again.status == 404
    assert "was used" in again.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_pages_of_other_sites_change_nothing(
    site: ConsoleSite, operator: TenantRecord, headers: dict[str, str]
) -> None:
    link = await site.link(operator)
    assert (await site.visitor().post(link, None, **headers)).status == 403
    visitor = await site.logged_in(operator)
    token = {"csrf_token": await visitor.csrf_token()}
    assert (await visitor.post("/logout", token, **headers)).status == 403
    assert (await visitor.get("/account")).status == 200
    form = {"tenant": operator.slug, "name": "admin", "password": PASSWORD}
    assert (await site.visitor().post("/login", form, **headers)).status == 403


async def test_log_out_ends_the_session(site: ConsoleSite, operator: TenantRecord) -> None:
    visitor = await site.logged_in(operator)
    cookies = dict(visitor.client.cookies)
    assert (await visitor.submit("/logout")).location == "/console/login"
    visitor.client.cookies.update(cookies)
    assert (await visitor.get("/account")).status == 303


async def test_a_password_is_set_and_logs_in(site: ConsoleSite, operator: TenantRecord) -> None:
    visitor = await site.logged_in(operator)
    weak = await visitor.submit("/account/password", password="short", repeated="short")
    assert (weak.status, "must have at least 12 characters" in weak.text) == (422, True)
    typed_wrong = await visitor.submit("/account/password", password=PASSWORD, repeated="another one here")
    assert (typed_wrong.status, "is not the same password" in typed_wrong.text) == (422, True)
    done = await visitor.submit("/account/password", password=PASSWORD, repeated=PASSWORD)
    assert (done.status, done.location) == (303, "/console/fleet")
    form = {"tenant": operator.slug.upper(), "name": " Admin ", "password": PASSWORD}
    newcomer = site.visitor()
    assert (await newcomer.post("/login", form)).location == "/console/fleet"
    refused = await newcomer.submit(
        "/account/password", password=PASSWORD, repeated=PASSWORD, old_password="wrong"
    )
    assert (refused.status, "is wrong" in refused.text) == (422, True)


async def test_a_wrong_password_is_refused_and_never_shown(site: ConsoleSite, operator: TenantRecord) -> None:
    form = {"tenant": operator.slug, "name": "admin", "password": "guess-of-a-secret"}
    refused = await site.visitor().post("/login", form)
    assert refused.status == 401
    assert "is wrong" in refused.text
    assert "guess-of-a-secret" not in refused.text


async def test_what_a_charge_point_says_is_text_on_a_page(site: ConsoleSite, operator: TenantRecord) -> None:
    visitor = await site.logged_in(operator)
    page = await visitor.get("/fleet?search=%3Cscript%3Ealert(1)%3C/script%3E")
    assert page.status == 200
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text


@pytest.mark.parametrize(
    "query", ["connected=perhaps", "after=%2F..", "search=%00", f"label={'x' * 300}", "cursor=damaged"]
)
async def test_a_wrong_parameter_is_refused_on_a_page(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId, query: str
) -> None:
    visitor = await site.logged_in(operator)
    path = "/charge-points/RDAM-1" if query.startswith("cursor") else "/fleet"
    answer = await visitor.get(f"{path}?{query}")
    assert answer.status == 422
    assert "Invalid input" in answer.text
    assert answer.response.headers["content-type"].startswith("text/html")


async def test_a_form_that_is_too_long_or_no_form_is_refused(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    visitor = site.visitor()
    assert (await visitor.post("/login", {"tenant": "x" * 300_000})).status == 413
    many = {f"field-{number}": "" for number in range(600)}
    assert (await visitor.post("/login", many)).status == 422


async def test_scripts_and_styles_are_served_compressed_and_named_by_their_content(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    page = (await (await site.logged_in(operator)).get("/fleet")).text
    visitor = site.visitor()
    size = len(page)
    for name in ("console.css", "console.js", "htmx.min.js", "htmx-ext-sse.min.js"):
        assert f"/console/assets/{name}?v=" in page
        answer = await visitor.get(f"/assets/{name}", **{"Accept-Encoding": "gzip"})
        assert answer.status == 200
        size += int(answer.response.headers["content-length"])
    assert (await visitor.get("/assets/absent.js")).status == 404
    # The figure is for everything over the wire; the style sheet of the catalog is missing here.
    assert size < 120_000


async def test_an_unexpected_error_is_a_page_that_names_its_line_in_the_log(
    site: ConsoleSite, operator: TenantRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("canary of a stack trace")

    visitor = await site.logged_in(operator)
    monkeypatch.setattr(FleetScreen, "summary", fail)
    for headers in ({}, {"HX-Request": "true"}):
        answer = await visitor.get("/fleet/tiles", **headers)
        assert answer.status == 500
        assert answer.response.headers["content-type"].startswith("text/html")
        assert "urn:uuid:" in answer.text
        assert "canary" not in answer.text
        assert ("<html" in answer.text) is not bool(headers)
