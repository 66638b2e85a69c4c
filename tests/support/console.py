"""The console on the application of the API, and browsers that are logged in to it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from app.console.routes import asset_routes, console_router
from app.tenants.records import TenantRecord
from app.types import TenantId
from app.users.records import Role
from app.users.service import LoginLinks, LoginService, UserService
from app.web.problems import install_error_handlers
from app.web.services import ServiceRegistry
from tests.support.api import Api

_CSRF = re.compile(r'name="csrf_token" value="([0-9a-f]{128})"')
PASSWORD = "a rather long password"
_UNUSED_APPS: list[FastAPI] = []
"""Applications of tests that have ended, as in `tests.support.api`."""


@dataclass
class Page:
    """An answer of the console."""

    response: httpx.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        return self.response.text

    @property
    def location(self) -> str:
        return self.response.headers["location"]


class Visitor:
    """A browser. It keeps the cookie of its session."""

    def __init__(self, app: FastAPI) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://server")

    async def get(self, path: str, **headers: str) -> Page:
        return Page(await self.client.get(f"/console{path}", headers=headers))

    async def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Page:
        return Page(await self.client.post(f"/console{path}", data=dict(form or {}), headers=headers))

    async def csrf_token(self) -> str:
        """Return the token that the pages of the session have."""
        found = _CSRF.search((await self.get("/account")).text)
        assert found is not None
        return found[1]

    async def submit(self, path: str, **form: str) -> Page:
        """Post a form as a page of the session does."""
        return await self.post(path, {"csrf_token": await self.csrf_token(), **form})


class ConsoleSite:
    """The console of one test."""

    def __init__(self, api: Api, app: FastAPI) -> None:
        self.api = api
        self.app = app

    @property
    def services(self) -> ServiceRegistry:
        registry: ServiceRegistry = self.app.state.services
        return registry

    def visitor(self) -> Visitor:
        """Return a browser that has not logged in."""
        return Visitor(self.app)

    async def link(self, tenant: TenantRecord, name: str = "admin") -> str:
        """Return the path of a link that logs a user in; an unknown one becomes an admin."""
        settings = self.api.services.settings
        links = LoginLinks(settings.credential_pepper, settings.login_link_s)
        async with self.api.services.storage.database.tenant(tenant.id) as work:
            token = await links.make_for(work, name, "command-line", self.api.clock.now())
        return f"/links/{token}"

    async def logged_in(self, tenant: TenantRecord, role: Role = "admin") -> Visitor:
        """Return a browser in which a user of a role, who is named after it, has logged in by a link."""
        if role != "admin":
            users = self.services.get(UserService)
            if role not in [user.name for user in await users.list(TenantId(tenant.id))]:
                await users.create(TenantId(tenant.id), "user:test", role, role)
        visitor = self.visitor()
        assert (await visitor.post(await self.link(tenant, role))).status == 303
        return visitor

    async def with_password(self, tenant: TenantRecord) -> None:
        """Give the admin of a tenant a password."""
        visitor = await self.logged_in(tenant)
        done = await visitor.submit("/account/password", password=PASSWORD, repeated=PASSWORD)
        assert done.status == 303

    @property
    def logins(self) -> LoginService:
        return self.services.get(LoginService)


@contextmanager
def console_on(api: Api) -> Iterator[ConsoleSite]:
    """Serve the console with the services of an API."""
    app = _UNUSED_APPS.pop() if _UNUSED_APPS else _build_app()
    app.state.services = api.app.state.services
    try:
        yield ConsoleSite(api, app)
    finally:
        _UNUSED_APPS.append(app)


def _build_app() -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(console_router())
    app.router.routes.extend(asset_routes())
    install_error_handlers(app)
    return app


@pytest.fixture
def site(api: Api) -> Iterator[ConsoleSite]:
    """Return the console on the database of the test."""
    with console_on(api) as opened:
        yield opened
