"""`/v1/login-attempts`: what an operator reads about refused logins."""

from datetime import timedelta

import pytest

from app.login_attempts.records import RefusalReason, RefusedLogin
from app.login_attempts.rules import ADVICE
from app.login_attempts.store import add_login_attempts
from app.tenants.records import TenantRecord
from tests.support.api import NOW, Api

PATH = "/v1/login-attempts"


async def refuse(api: Api, tenant: TenantRecord, *logins: tuple[str | None, RefusalReason]) -> None:
    async with api.services.storage.database.platform() as work:
        for number, (identity, reason) in enumerate(logins):
            at = NOW + timedelta(seconds=number)
            login = RefusedLogin(at, reason, "192.0.2.1", tenant.slug, identity, "a\x00b")
            await add_login_attempts(work, [(login, number + 1)])


async def test_an_entry_tells_what_to_do(api: Api, operator: TenantRecord, token: str) -> None:
    await refuse(api, operator, ("CP1", RefusalReason.CREDENTIAL_WRONG), (None, RefusalReason.PATH))
    page = (await api.call("GET", PATH, token)).json()
    assert page["next_cursor"] is None
    assert page["items"] == [
        {
            "identity": None,
            "reason": "path",
            "advice": ADVICE[RefusalReason.PATH],
            "detail": "a\ufffdb",
            "remote": "192.0.2.1",
            "count": 2,
            "first_at": "2026-05-04T08:15:31.000Z",
            "last_at": "2026-05-04T08:15:31.000Z",
        },
        {
            "identity": "CP1",
            "reason": "credential_wrong",
            "advice": ADVICE[RefusalReason.CREDENTIAL_WRONG],
            "detail": "a\ufffdb",
            "remote": "192.0.2.1",
            "count": 1,
            "first_at": "2026-05-04T08:15:30.000Z",
            "last_at": "2026-05-04T08:15:30.000Z",
        },
    ]


async def test_entries_are_narrowed_and_paged(api: Api, operator: TenantRecord, token: str) -> None:
    wrong, unknown = RefusalReason.CREDENTIAL_WRONG, RefusalReason.UNKNOWN_IDENTITY
    await refuse(api, operator, *((f"CP{n}", wrong) for n in range(4)), ("CP1", unknown))
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(2):
        parameters = {"limit": "2", "reason": "credential_wrong"} | ({"cursor": cursor} if cursor else {})
        page = (await api.call("GET", PATH, token, params=parameters)).json()
        seen += [item["identity"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == (["CP3", "CP2", "CP1", "CP0"], None)
    page = (await api.call("GET", PATH, token, params={"identity": "CP1"})).json()
    assert [item["reason"] for item in page["items"]] == ["unknown_identity", "credential_wrong"]


@pytest.mark.parametrize("query", ["reason=why", "identity=", "identity=a%00", "cursor=x", "other=1"])
async def test_a_query_that_means_nothing_is_refused(api: Api, token: str, query: str) -> None:
    assert (await api.call("GET", f"{PATH}?{query}", token)).status_code == 422


async def test_another_tenant_sees_nothing(api: Api, operator: TenantRecord) -> None:
    await refuse(api, operator, ("CP1", RefusalReason.CREDENTIAL_WRONG))
    other = await api.key(await api.tenant(), "read")
    assert (await api.call("GET", PATH, other)).json()["items"] == []


async def test_the_scope_read_is_needed(api: Api, operator: TenantRecord) -> None:
    assert (await api.call("GET", PATH, await api.key(operator, "write"))).status_code == 403


async def test_entries_of_a_deleted_tenant_go_with_it(
    api: Api, operator: TenantRecord, platform_token: str
) -> None:
    await refuse(api, operator, ("CP1", RefusalReason.CREDENTIAL_WRONG))
    deleted = await api.call("DELETE", f"/v1/tenants/{operator.slug}", platform_token)
    assert deleted.status_code == 204


def test_each_reason_has_advice() -> None:
    assert set(ADVICE) == set(RefusalReason)
