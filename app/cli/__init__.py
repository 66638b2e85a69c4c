"""The command `stationmaster`. A subcommand imports modules only when it runs, so that `--help` is quick.

An error is one line on standard error. The exit code is 2 for wrong settings and arguments, otherwise 1.
"""

import errno
import gc
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer.exceptions import Abort, Exit, TyperException

from app.cli.backup_commands import register_backup_commands
from app.cli.export_commands import register_export_commands
from app.cli.help_groups import FIRST_STEPS, GroupedCommands
from app.cli.server_commands import register_server_commands
from app.cli.simulation_commands import register_simulation_commands
from app.cli.tenant_commands import register_tenant_commands

_EXPECTED_ERRORS = (
    ("app.settings", "SettingsError", 2),
    ("app.cli.invocation", "NoDataError", 1),
    ("app.backup.manifest", "BackupError", 1),
    ("app.exports.errors", "ExportError", 1),
    ("app.cli.administration", "ArgumentError", 2),
    ("app.simulator.errors", "SimulatorError", 2),
    ("app.cli.bench", "BenchError", 2),
    ("app.errors", "AppError", 1),
    ("app.server.embedded", "EmbeddedError", 1),
    ("app.server.migration", "MigrationError", 1),
    ("app.database.connecting", "PoolerError", 1),
    ("app.database.fitness", "UnfitServerError", 1),
    ("app.database.roles", "RoleError", 1),
    ("app.server.listener", "ServeError", 1),
)

_CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

application = typer.Typer(
    cls=GroupedCommands,
    help="Stationmaster: a multi-tenant OCPP 1.6J central system.",
    epilog=FIRST_STEPS,
    context_settings={"max_content_width": 110},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stationmaster {version('stationmaster')}")
        raise Exit(0)


@application.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a subcommand. Each one has a callback."""


register_server_commands(application)
register_tenant_commands(application)
register_backup_commands(application)
register_export_commands(application)
register_simulation_commands(application)


_COLLECT_AFTER = 20_000
"""New objects before a garbage collection. A command mostly loads modules, which stay."""


def main() -> None:
    """Run the command line. An error that the caller can repair is one line, never a stack trace."""
    gc.set_threshold(_COLLECT_AFTER)
    try:
        code = application(standalone_mode=False)
    except Abort:
        sys.exit(130)
    except Exit as exit_:
        sys.exit(exit_.exit_code)
    except TyperException as error:
        if _is_help(error):
            typer.echo(error.format_message(), err=True)
            sys.exit(2)
        sys.exit(_complain(_format(error), 2))
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        sys.exit(_complain(f"cannot write {error.filename or 'the output'}: {error.strerror}", 1))
    except Exception as error:
        code_or_none = _exit_code(error)
        if code_or_none is None:
            raise
        sys.exit(_complain(str(error), code_or_none))
    sys.exit(code or 0)


def _exit_code(error: Exception) -> int | None:
    """Return 2 for a mistake of the caller, 1 for a failure of the environment, None for a defect of ours."""
    for module, name, code in _EXPECTED_ERRORS:
        # The module of an error is loaded already. Importing the others would take seconds.
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return code
    return None


def _is_help(error: TyperException) -> bool:
    """Say whether the text is the help of a command that was given no arguments. Its class is not public."""
    return type(error).__name__ == "NoArgsIsHelpError"


def _format(error: TyperException) -> str:
    return " ".join(error.format_message().split())


def _complain(text: str, code: int) -> int:
    typer.echo(f"stationmaster: {text}", err=True)
    return code
