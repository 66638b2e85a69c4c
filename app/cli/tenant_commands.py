"""The subcommands `tenant`, `key` and `login-link`, for operators who do not use the REST API."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from app.addresses import url_of
from app.cli.help_groups import ACCESS
from app.cli.invocation import (
    load_settings_of_existing_data,
    require_http_url,
    require_name,
    require_slug,
    require_user_name,
    with_database,
)

if TYPE_CHECKING:
    from app.database.database import Database

tenant_application = typer.Typer(help="Create and list tenants.", no_args_is_help=True)
key_application = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)

TenantOption = Annotated[str | None, typer.Option(help="Slug of the tenant that has the key.")]
AdminOption = Annotated[bool, typer.Option("--admin", help="Keys of the platform instead.")]


@tenant_application.command("create")
def tenant_create(
    slug: Annotated[str, typer.Argument(help="Name in URLs: a-z, 0-9 and '-', up to 40.")],
    name: Annotated[str | None, typer.Option(help="Name that people read.")] = None,
) -> None:
    """Create a tenant."""
    from app.cli.administration import create_tenant

    require_slug(slug, "SLUG")
    if name is not None:
        require_name(name, "--name")

    async def create(database: "Database") -> None:
        record = await create_tenant(database, slug, name)
        typer.echo(
            f"Tenant {record.slug} is created. Next: `stationmaster key create --tenant {record.slug}` "
            f"for the API, `stationmaster login-link --tenant {record.slug}` for the console."
        )

    with_database(load_settings_of_existing_data(), create)


@tenant_application.command("list")
def tenant_list() -> None:
    """List tenants: slug and name."""
    from app.cli.administration import list_tenants

    async def show(database: "Database") -> None:
        for record in await list_tenants(database):
            typer.echo(f"{record.slug}\t{record.name}")

    with_database(load_settings_of_existing_data(), show)


@key_application.command("create")
def key_create(
    tenant: Annotated[str | None, typer.Option(help="Slug of the tenant that the key is for.")] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Create a key of the platform, to manage tenants.")
    ] = False,
    scopes: Annotated[
        str | None,
        typer.Option(
            help="Scopes, separated by commas: read, command, write, admin; with --admin also metrics; "
            "default: all but admin, and admin with --admin."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "command line",
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days until the key expires; default: never.")
    ] = None,
) -> None:
    """Create an API key and print it on standard output. It is shown once."""
    _require_owner(tenant, admin)
    require_name(name, "--name")
    from app.cli.administration import TENANT_SCOPES, create_key, parse_scopes

    chosen = parse_scopes(scopes) if scopes is not None else (("admin",) if admin else TENANT_SCOPES)
    if "metrics" in chosen and not admin:
        raise typer.BadParameter("metrics is for keys of the platform (--admin)", param_hint="--scopes")
    settings = load_settings_of_existing_data()
    lifetime = None if expires_days is None else timedelta(days=expires_days)

    async def create(database: "Database") -> None:
        token = await create_key(
            database, settings.credential_pepper, tenant=tenant, name=name, scopes=chosen, lifetime=lifetime
        )
        typer.echo("Keep this key. It is not shown again.", err=True)
        typer.echo(token)

    with_database(settings, create)


@key_application.command("list")
def key_list(tenant: TenantOption = None, admin: AdminOption = False) -> None:
    """List the keys of a tenant: prefix, name, scopes, state, last use. Secrets are not stored."""
    _require_owner(tenant, admin)
    from app.cli.administration import key_line, list_keys

    async def show(database: "Database") -> None:
        now = datetime.now(UTC)
        for record in await list_keys(database, tenant):
            typer.echo(key_line(record, now))

    with_database(load_settings_of_existing_data(), show)


@key_application.command("revoke")
def key_revoke(
    prefix: Annotated[
        str, typer.Argument(help="The middle part of the key, as `key list` shows it: sm_PREFIX_...")
    ],
) -> None:
    """Revoke a key. Servers that run refuse it within a second."""
    from app.cli.administration import revoke_key

    async def revoke(database: "Database") -> None:
        record = await revoke_key(database, prefix)
        typer.echo(f"Key {record.prefix} ({record.name}) is revoked.")

    with_database(load_settings_of_existing_data(), revoke)


def _require_owner(tenant: str | None, admin: bool) -> None:
    if admin == (tenant is not None):
        raise typer.BadParameter("give either --tenant or --admin", param_hint="--tenant")


def login_link_command(
    tenant: Annotated[str, typer.Option(help="Slug of the tenant.")],
    user: Annotated[
        str, typer.Option(help="Name of the user: a-z, 0-9 and . _ @ + -; a new one is made, as an admin.")
    ] = "admin",
    url: Annotated[
        str | None, typer.Option(help="Address of the server as browsers see it; default: host and port.")
    ] = None,
) -> None:
    """Print a link that logs a user in to the console once, within 15 minutes."""
    from app.cli.administration import login_link

    require_user_name(user, "--user")
    if url is not None:
        require_http_url(url, "--url")
    settings = load_settings_of_existing_data()
    address = url or url_of("http", settings.host, settings.port)

    async def show(database: "Database") -> None:
        typer.echo(await login_link(database, settings, tenant, user, address))

    with_database(settings, show)


def register_tenant_commands(application: typer.Typer) -> None:
    """Add these subcommands to the application."""
    application.add_typer(tenant_application, name="tenant", rich_help_panel=ACCESS)
    application.add_typer(key_application, name="key", rich_help_panel=ACCESS)
    application.command("login-link", rich_help_panel=ACCESS)(login_link_command)
