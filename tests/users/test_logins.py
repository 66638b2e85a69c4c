"""Logins of people: links work once, passwords are guarded, sessions end, and acts are in the audit."""

import asyncio

import pytest
from sqlalchemy import select

from app.audit.service import AuditService
from app.errors import Conflict, NotFound, TooManyRequests, Unauthorized
from app.metrics import LIMITS_HIT
from app.tenants.records import TenantRecord
from app.types import TenantId
from app.users import passwords, tables
from app.users.passwords import Passwords
from app.users.records import UserUpdate
from app.users.service import UserService, has_admin_who_can_log_in
from tests.support.console import PASSWORD, ConsoleSite


def hits(limit: str) -> float:
    return sum(
        sample.value
        for metric in LIMITS_HIT.collect()
        for sample in metric.samples
        if sample.labels.get("limit") == limit and sample.name.endswith("_total")
    )


async def token_of(site: ConsoleSite, tenant: TenantRecord) -> str:
    return (await site.link(tenant)).removeprefix("/links/")


async def test_a_link_logs_in_once(site: ConsoleSite, operator: TenantRecord) -> None:
    token = await token_of(site, operator)
    login = await site.logins.by_link(token, "192.0.2.1")
    person = await site.logins.signed_in(login.token)
    assert person is not None
    assert (person.tenant_slug, person.user.name, person.user.role) == (operator.slug, "admin", "admin")
    with pytest.raises(NotFound, match="was used"):
        await site.logins.by_link(token, "192.0.2.1")


async def test_servers_that_start_at_once_make_the_first_user_once(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    tokens = await asyncio.gather(*(token_of(site, operator) for _ in range(4)))
    assert len({(await site.logins.by_link(token, "192.0.2.1")).token for token in tokens}) == 4


async def test_of_two_who_use_a_link_at_once_one_is_logged_in(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    token = await token_of(site, operator)
    results = await asyncio.gather(
        *(site.logins.by_link(token, "192.0.2.1") for _ in range(4)), return_exceptions=True
    )
    assert sum(not isinstance(result, NotFound) for result in results) == 1


async def test_a_link_ends_after_its_time(site: ConsoleSite, operator: TenantRecord) -> None:
    token = await token_of(site, operator)
    site.api.clock.advance(site.api.services.settings.login_link_s)
    with pytest.raises(NotFound):
        await site.logins.by_link(token, "192.0.2.1")


async def test_neither_tokens_nor_passwords_are_stored(site: ConsoleSite, operator: TenantRecord) -> None:
    await site.with_password(operator)
    link_token = await token_of(site, operator)
    login = await site.logins.by_password(operator.slug, "admin", PASSWORD, "192.0.2.1")
    async with site.api.services.storage.database.tenant(operator.id) as work:
        stored = [
            str(row)
            for table in (tables.users, tables.user_sessions, tables.login_links)
            for row in await work.connection.execute(select(table).where(table.c.tenant_id == operator.id))
        ]
    assert len(stored) == 4
    assert not any(secret in row for row in stored for secret in (PASSWORD, link_token, login.token))
    assert any("$argon2id$" in row for row in stored)


@pytest.mark.parametrize(
    ("tenant", "name", "password"),
    [
        (None, "admin", "another password"),
        (None, "nobody", PASSWORD),
        ("no-such-tenant", "admin", PASSWORD),
        (None, "admin", ""),
    ],
)
async def test_whatever_is_wrong_the_answer_is_the_same(
    site: ConsoleSite, operator: TenantRecord, tenant: str | None, name: str, password: str
) -> None:
    await site.with_password(operator)
    with pytest.raises(Unauthorized, match=r"^The tenant, the user or the password is wrong\.$"):
        await site.logins.by_password(tenant or operator.slug, name, password, "192.0.2.1")


async def test_whatever_is_wrong_one_password_is_checked(
    site: ConsoleSite, operator: TenantRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def counted(password_hash: str, password: str) -> bool:
        checked.append(password)
        return matches(password_hash, password)

    matches = passwords._matches
    await site.with_password(operator)
    monkeypatch.setattr(passwords, "_matches", counted)
    for tenant, name in ((operator.slug, "admin"), (operator.slug, "unknown"), ("no-such-tenant", "admin")):
        checked.clear()
        with pytest.raises(Unauthorized):
            await site.logins.by_password(tenant, name, "another password", "192.0.2.1")
        assert checked == ["another password"], (tenant, name)


async def test_a_user_without_a_password_cannot_log_in_by_one(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    await site.link(operator)
    with pytest.raises(Unauthorized):
        await site.logins.by_password(operator.slug, "admin", "", "192.0.2.1")
    with pytest.raises(Unauthorized):
        await site.logins.by_password(operator.slug, "admin", "of no user", "192.0.2.1")


async def test_wrong_passwords_of_a_user_are_limited_over_all_addresses(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    await site.with_password(operator)
    before = hits("console_logins")
    for number in range(site.api.services.settings.user_login_failures_per_minute):
        with pytest.raises(Unauthorized):
            await site.logins.by_password(operator.slug, "admin", "wrong", f"192.0.2.{number}")
    with pytest.raises(TooManyRequests):
        await site.logins.by_password(operator.slug, "admin", PASSWORD, "198.51.100.1")
    assert hits("console_logins") == before + 1
    # A link is another way in.
    await site.logins.by_link(await token_of(site, operator), "198.51.100.1")


async def test_wrong_logins_of_an_address_are_limited_over_all_users(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    for number in range(site.api.services.settings.login_failures_per_minute):
        with pytest.raises(NotFound):
            await site.logins.by_link(f"guess-{number}", "192.0.2.9")
    with pytest.raises(TooManyRequests):
        await site.logins.by_link(await token_of(site, operator), "192.0.2.9")
    await site.logins.by_link(await token_of(site, operator), "192.0.2.10")


async def test_a_right_password_costs_nothing(site: ConsoleSite, operator: TenantRecord) -> None:
    await site.with_password(operator)
    for _ in range(site.api.services.settings.user_login_failures_per_minute + 2):
        await site.logins.by_password(operator.slug, "admin", PASSWORD, "192.0.2.1")


async def test_password_checks_that_wait_are_limited() -> None:
    before = hits("password_checks")
    passwords = Passwords(waiting_limit=2)
    results = await asyncio.gather(
        *(passwords.hash("a long password") for _ in range(3)), return_exceptions=True
    )
    assert [isinstance(result, TooManyRequests) for result in results] == [False, False, True]
    assert hits("password_checks") == before + 1


async def test_a_session_ends_when_it_is_idle_or_old(site: ConsoleSite, operator: TenantRecord) -> None:
    settings, clock = site.api.services.settings, site.api.clock
    login = await site.logins.by_link(await token_of(site, operator), "192.0.2.1")
    clock.advance(settings.console_session_idle_s - 1)
    assert await site.logins.signed_in(login.token) is not None
    clock.advance(settings.console_session_idle_s - 1)
    assert await site.logins.signed_in(login.token) is not None
    clock.advance(settings.console_session_idle_s)
    assert await site.logins.signed_in(login.token) is None
    login = await site.logins.by_link(await token_of(site, operator), "192.0.2.1")
    step = settings.console_session_idle_s / 2
    for _ in range(int(settings.console_session_longest_s / step)):
        clock.advance(step)
        last = await site.logins.signed_in(login.token)
    assert last is None


async def test_log_out_ends_one_session_and_log_out_everywhere_all(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    logins = site.logins
    first, second, third = [
        (await logins.by_link(await token_of(site, operator), "192.0.2.1")).token for _ in range(3)
    ]
    await logins.log_out(first)
    assert [await logins.signed_in(token) is not None for token in (first, second, third)] == [
        False,
        True,
        True,
    ]
    link = await token_of(site, operator)
    person = await logins.signed_in(second)
    assert person is not None
    await logins.log_out_everywhere(person)
    assert [await logins.signed_in(token) for token in (second, third)] == [None, None]
    with pytest.raises(NotFound):
        await logins.by_link(link, "192.0.2.1")


async def test_a_new_role_counts_at_once_and_the_last_admin_stays(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    users, tenant_id = site.services.get(UserService), TenantId(operator.id)
    login = await site.logins.by_link(await token_of(site, operator), "192.0.2.1")
    with pytest.raises(Conflict, match="last admin"):
        await users.change(tenant_id, "user:admin", "admin", UserUpdate(role="viewer"))
    with pytest.raises(Conflict, match="last admin"):
        await users.delete(tenant_id, "user:admin", "admin")
    await users.create(tenant_id, "user:admin", "second", "admin")
    await users.change(tenant_id, "user:second", "admin", UserUpdate(role="viewer"))
    person = await site.logins.signed_in(login.token)
    assert person is not None
    assert person.scopes == {"read"}
    await users.delete(tenant_id, "user:second", "admin")
    assert await site.logins.signed_in(login.token) is None


async def test_a_tenant_does_not_see_the_users_of_another_one(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    users, other = site.services.get(UserService), await site.api.tenant()
    await users.create(TenantId(operator.id), "user:admin", "ann", "viewer")
    await users.create(TenantId(other.id), "user:admin", "ann", "admin")
    assert [(user.name, user.role) for user in await users.list(TenantId(operator.id))] == [("ann", "viewer")]
    with pytest.raises(Conflict, match="exists already"):
        await users.create(TenantId(operator.id), "user:admin", "ann", "admin")
    for act in (users.delete, users.login_link):
        with pytest.raises(NotFound):
            await act(TenantId(other.id), "user:admin", "bob")


async def test_acts_are_in_the_audit(site: ConsoleSite, operator: TenantRecord) -> None:
    users, tenant_id = site.services.get(UserService), TenantId(operator.id)
    await site.with_password(operator)
    await users.create(tenant_id, "user:admin", "ann", "viewer")
    await users.login_link(tenant_id, "user:admin", "ann")
    await users.change(tenant_id, "user:admin", "ann", UserUpdate(role="operator"))
    await users.delete(tenant_id, "user:admin", "ann")
    entries = await site.services.get(AuditService).page(tenant_id, 20, None)
    assert [(entry.actor, entry.act, entry.subject) for entry in reversed(entries)] == [
        ("command-line", "create_user", "/v1/users/admin"),
        ("command-line", "create_login_link", "/v1/users/admin"),
        ("user:admin", "log_in", "/v1/users/admin"),
        ("user:admin", "set_password", "/v1/users/admin"),
        ("user:admin", "log_in", "/v1/users/admin"),
        ("user:admin", "create_user", "/v1/users/ann"),
        ("user:admin", "create_login_link", "/v1/users/ann"),
        ("user:admin", "change_user", "/v1/users/ann"),
        ("user:admin", "delete_user", "/v1/users/ann"),
    ]


async def test_an_admin_with_a_password_needs_no_first_link(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    database, tenant_id = site.api.services.storage.database, TenantId(operator.id)
    assert not await has_admin_who_can_log_in(database, tenant_id)
    await site.with_password(operator)
    assert await has_admin_who_can_log_in(database, tenant_id)


async def test_the_session_that_was_used_longest_ago_ends_beyond_the_limit(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    limit = site.api.services.settings.console_sessions_per_user_limit
    before, tokens = hits("console_sessions"), []
    for _ in range(limit + 1):
        tokens.append((await site.logins.by_link(await token_of(site, operator), "192.0.2.1")).token)
        site.api.clock.advance(61)
        # The first one stays in use, so it is not the one that ends.
        assert await site.logins.signed_in(tokens[0]) is not None
    known = [await site.logins.signed_in(token) is not None for token in tokens]
    assert known == [True, False] + [True] * (limit - 1)
    assert hits("console_sessions") == before + 1


async def test_two_admins_who_lock_each_other_at_once_leave_one(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    users, tenant_id = site.services.get(UserService), TenantId(operator.id)
    for turn in range(5):
        names = (f"ann-{turn}", f"bob-{turn}")
        for name in names:
            await users.create(tenant_id, "user:test", name, "admin")
        for other in await users.list(tenant_id):
            if other.name not in names:
                await users.change(tenant_id, "user:test", other.name, UserUpdate(role="viewer"))
        ends = await asyncio.gather(
            users.change(tenant_id, "user:test", names[0], UserUpdate(role="viewer")),
            users.delete(tenant_id, "user:test", names[1]),
            return_exceptions=True,
        )
        assert sum(isinstance(end, Conflict) for end in ends) == 1
        assert sum(user.role == "admin" for user in await users.list(tenant_id)) == 1


async def test_a_link_for_a_user_who_is_deleted_meanwhile_makes_no_admin(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    users, tenant_id = site.services.get(UserService), TenantId(operator.id)
    await site.link(operator)
    for _ in range(5):
        await users.create(tenant_id, "user:test", "eve", "viewer")
        await asyncio.gather(
            users.delete(tenant_id, "user:test", "eve"),
            users.login_link(tenant_id, "user:test", "eve"),
            return_exceptions=True,
        )
        assert [user.name for user in await users.list(tenant_id)] == ["admin"]


async def test_a_password_that_was_replaced_during_the_login_begins_no_session(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    await site.with_password(operator)
    users = site.services.get(UserService)
    before = await users.get(TenantId(operator.id), "admin")
    await site.with_password(operator)
    with pytest.raises(Unauthorized, match="is wrong"):
        await site.logins.begin(before, operator.slug, "password")


async def test_a_link_of_the_command_line_is_in_the_audit(site: ConsoleSite, operator: TenantRecord) -> None:
    await site.link(operator)
    entries = await site.services.get(AuditService).page(TenantId(operator.id), 10, None)
    assert [(one.actor, one.act, one.subject) for one in entries] == [
        ("command-line", "create_login_link", "/v1/users/admin"),
        ("command-line", "create_user", "/v1/users/admin"),
    ]
