"""The subcommands `tenant` and `key`, for operators who do not use the REST API."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.invocation import load_settings_of_existing_data, require_slug, with_database

if TYPE_CHECKING:
    from app.database.database import Database

tenant_application = typer.Typer(help="Create and list tenants.", no_args_is_help=True)
key_application = typer.Typer(help="Create API keys.", no_args_is_help=True)


@tenant_application.command("create")
def tenant_create(
    slug: Annotated[str, typer.Argument(help="Name in URLs: a-z, 0-9 and '-', up to 40.")],
    name: Annotated[str | None, typer.Option(help="Name that people read.")] = None,
) -> None:
    """Create a tenant."""
    from app.cli.administration import create_tenant

    require_slug(slug, "SLUG")

    async def create(database: "Database") -> None:
        record = await create_tenant(database, slug, name)
        typer.echo(
            f"Tenant {record.slug} is created. Next: `stationmaster key create --tenant {record.slug}`."
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
            help="Scopes, separated by commas: read, command, write, admin; default: all but admin."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "command line",
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days until the key expires; default: never.")
    ] = None,
) -> None:
    """Create an API key and print it on standard output. It is shown once."""
    if admin == (tenant is not None):
        raise typer.BadParameter("give either --tenant or --admin", param_hint="--tenant")
    from app.cli.administration import TENANT_SCOPES, create_key, parse_scopes

    chosen = parse_scopes(scopes) if scopes is not None else (("admin",) if admin else TENANT_SCOPES)
    settings = load_settings_of_existing_data()
    lifetime = None if expires_days is None else timedelta(days=expires_days)

    async def create(database: "Database") -> None:
        token = await create_key(
            database, settings.credential_pepper, tenant=tenant, name=name, scopes=chosen, lifetime=lifetime
        )
        typer.echo("Keep this key. It is not shown again.", err=True)
        typer.echo(token)

    with_database(settings, create)


def register_tenant_commands(application: typer.Typer) -> None:
    """Add these subcommands to the application."""
    application.add_typer(tenant_application, name="tenant")
    application.add_typer(key_application, name="key")
