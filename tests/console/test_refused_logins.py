"""The screen of refused logins: reason, advice, and a new password that is shown once."""

import re
from datetime import timedelta

import pytest

from app.charge_points.service import ChargePointService
from app.charge_points.store import ChargePointStore
from app.login_attempts.records import RefusalReason, RefusedLogin
from app.login_attempts.store import add_login_attempts
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.support.console import ConsoleSite


async def refuse(
    site: ConsoleSite, tenant: TenantRecord, identity: str | None, reason: RefusalReason, count: int = 1
) -> None:
    """Record logins that were refused."""
    login = RefusedLogin(site.api.clock.now(), reason, "192.0.2.7", tenant.slug, identity)
    async with site.api.services.storage.database.platform() as work:
        await add_login_attempts(work, [(login, count)])


async def test_each_refused_login_has_its_reason_advice_and_what_helps(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await refuse(site, operator, "RDAM-1", RefusalReason.CREDENTIAL_WRONG, count=3)
    await refuse(site, operator, "RDAM-9", RefusalReason.UNKNOWN_IDENTITY)
    visitor = await site.logged_in(operator, "operator")
    page = (await visitor.get("/refused-logins")).text
    for expected in (
        "credential wrong",
        "The password is wrong. Enter the one that was shown",
        "3 \N{MULTIPLICATION SIGN} from 192.0.2.7",
        'href="/console/charge-points/RDAM-1/password"',
        "unknown identity",
        "Create it (POST /v1/charge-points)",
    ):
        assert expected in page
    # A password does not help one that does not exist, and a viewer may not make one.
    assert "RDAM-9/password" not in page
    assert (
        "RDAM-1/password"
        not in (await (await site.logged_in(operator, "viewer")).get("/refused-logins")).text
    )


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"RDAM-1", "RDAM-9"}),
        ("identity=RDAM-9", {"RDAM-9"}),
        ("reason=credential_wrong", {"RDAM-1"}),
        ("reason=limit", set()),
    ],
)
async def test_the_list_is_narrowed(
    site: ConsoleSite, operator: TenantRecord, query: str, shown: set[str]
) -> None:
    await refuse(site, operator, "RDAM-1", RefusalReason.CREDENTIAL_WRONG)
    await refuse(site, operator, "RDAM-9", RefusalReason.UNKNOWN_IDENTITY)
    page = (await (await site.logged_in(operator)).get(f"/refused-logins/rows?{query}")).text
    assert {name for name in ("RDAM-1", "RDAM-9") if name in page} == shown


async def test_the_list_shows_the_tenants_own_logins_only_and_has_pages(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    visitor = await site.logged_in(operator)
    assert "No login was refused" in (await visitor.get("/refused-logins")).text
    other = await site.api.tenant()
    await refuse(site, other, "ELSEWHERE-1", RefusalReason.CREDENTIAL_WRONG)
    for number in range(51):
        await refuse(site, operator, f"RDAM-{number:02}", RefusalReason.CREDENTIAL_WRONG)
        site.api.clock.advance(timedelta(seconds=1).total_seconds())
    first = (await visitor.get("/refused-logins")).text
    assert "RDAM-50" in first
    assert "RDAM-00" not in first
    assert "ELSEWHERE-1" not in first
    older = re.search(r'href="/console(/refused-logins\?[^"]*)" rel="next"', first)
    assert older is not None
    last = (await visitor.get(older[1].replace("&amp;", "&"))).text
    assert "RDAM-00" in last
    assert 'rel="next"' not in last


@pytest.mark.parametrize("query", ["reason=bad_luck", "cursor=damaged", "identity=%00"])
async def test_a_wrong_parameter_is_named(site: ConsoleSite, operator: TenantRecord, query: str) -> None:
    answer = await (await site.logged_in(operator)).get(f"/refused-logins?{query}")
    assert (answer.status, query.partition("=")[0] in answer.text) == (422, True)


async def test_a_new_password_is_shown_once_and_is_the_one_that_counts(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await refuse(site, operator, "RDAM-1", RefusalReason.CREDENTIAL_WRONG)
    visitor = await site.logged_in(operator, "operator")
    path = "/charge-points/RDAM-1/password"
    before = (await visitor.get(path)).text
    assert "Make a new password" in before
    made = await visitor.submit(path)
    found = re.search(r"<code>([0-9a-f]{40})</code>", made.text)
    assert found is not None
    assert f"ws://server/ocpp/{operator.slug}/RDAM-1" in made.text
    assert found[1] not in (await visitor.get(path)).text
    credentials = site.services.get(ChargePointService).credentials
    async with site.api.services.storage.database.tenant(operator.id) as work:
        stored = await ChargePointStore(work).get("RDAM-1")
    assert stored is not None
    assert credentials.matches(found[1].encode(), stored.credential_hash)
