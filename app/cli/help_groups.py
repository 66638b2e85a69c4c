"""The help of the whole command line: commands by what they are for, and first steps."""

from typing import TYPE_CHECKING, Final

from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

SERVER: Final = "Run a server"
ACCESS: Final = "Give access"
DATA: Final = "Look after the data"
SIMULATION: Final = "Simulate and measure"
"""The headings of the commands. A command names its heading as `rich_help_panel`."""
HEADINGS: Final = (SERVER, ACCESS, DATA, SIMULATION)

FIRST_STEPS: Final = """\b
First steps:
  stationmaster demo                       a server with five simulated charge points; Ctrl-C ends it
  stationmaster serve                      a server of your own, in this folder
and in a second terminal, in the same folder:
  stationmaster tenant create acme         an operator of charge points
  stationmaster key create --tenant acme   its API key; /docs of the server shows the API
  stationmaster login-link --tenant acme   a link that opens the console in a browser

\b
Settings are variables such as STATIONMASTER_PORT and DATABASE_URL; docs/cli.md explains all commands.
Completion by the tab key: stationmaster --install-completion
"""


class GroupedCommands(TyperGroup):
    """A group whose help shows the commands under their headings."""

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write the commands into a help text."""
        shown = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        width = formatter.width - 6 - max(len(name) for name, _ in shown)
        padding = max(len(name) for name, _ in shown)
        # The same column for all headings, in their order.
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
        for name, command in shown:
            rows[getattr(command, "rich_help_panel")].append(  # noqa: B009 - the class of a command is not public
                (name.ljust(padding), command.get_short_help_str(width))
            )
        for heading, commands in rows.items():
            with formatter.section(heading):
                formatter.write_dl(commands)
