"""Guesses which known name was meant by an unknown one."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

from app.errors import NotFound

_LONGEST_NAME: Final = 64


def near_names(wanted: str, names: Iterable[str], limit: int = 3) -> list[str]:
    """Find the names most like the wanted one in any case: the best first, at most `limit`.

    A name that differs in case only is the one that was meant, so it is the only one.
    """
    by_fold = {name.casefold(): name for name in names}
    fold = wanted[:_LONGEST_NAME].casefold()
    if fold in by_fold:
        return [by_fold[fold]]
    close = get_close_matches(fold, by_fold, n=limit, cutoff=0.6)
    inside = [known for known in by_fold if len(fold) > 2 and fold in known and known not in close]
    return [by_fold[known] for known in (close + inside)[:limit]]


def hint(near: list[str]) -> str:
    """Make a sentence that offers the near names; empty if there are none."""
    return f" Did you mean {' or '.join(near)}?" if near else ""


class UnknownName(NotFound):
    """A name that is not known: of a protocol, a message, a command. The problem lists near names."""

    def __init__(self, kind: str, wanted: str, names: Iterable[str], field: str | None = None) -> None:
        self.near = near_names(wanted, names)
        shown = wanted if len(wanted) <= _LONGEST_NAME else wanted[:_LONGEST_NAME] + "…"
        super().__init__(f"There is no {kind} {shown!r}.{hint(self.near)}", field)

    def problem(self) -> dict[str, Any]:
        """Return the problem document, with the near names as `did_you_mean`."""
        return {**super().problem(), "did_you_mean": self.near}
