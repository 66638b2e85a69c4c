"""docs/threats.md and docs/faults.md: each test that a row names is there, and no row is empty."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_PAGES = ("threats.md", "faults.md")
_NAMED = re.compile(r"`((?:core_rs/)?[\w/]+\.(?:py|rs))(?:::(\w+))?`")


def _rows(page: str) -> list[list[str]]:
    lines = (_ROOT / "docs" / page).read_text("utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if re.match(r"\| \d+ \|", line)
    ]


@pytest.mark.parametrize("page", _PAGES)
def test_each_test_that_a_row_names_is_there(page: str) -> None:
    named = [found for row in _rows(page) for found in _NAMED.findall(row[3])]
    assert len(named) > 20
    for path, name in named:
        file = (_ROOT if path.startswith("core_rs/") else _ROOT / "tests") / path
        assert file.is_file(), path
        assert not name or re.search(rf"^(?:async )?def {name}\(", file.read_text("utf-8"), re.MULTILINE), (
            name
        )


@pytest.mark.parametrize("page", _PAGES)
def test_each_row_is_defended_or_says_what_is_open(page: str) -> None:
    rows = _rows(page)
    assert {int(row[0]) for row in rows} >= set(range(1, 25 if page == "threats.md" else 31))
    for row in rows:
        assert len(row) == 5, row[0]
        assert row[3] or row[4], row[0]
