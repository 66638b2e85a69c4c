"""The pictures of the console: each one is shown, each one that is shown is there, and all are small."""

import re
from pathlib import Path
from typing import Final

import pytest

from tools.pictures.__main__ import FOLDER, LIMIT_BYTES

ROOT: Final = Path(__file__).parents[2]
_SHOWN: Final = re.compile(r'(?:src|srcset)="([^"]+\.webp)"')
_ALL_BYTES: Final = 3_000_000


def shown_by(document: str) -> set[Path]:
    """Return the pictures that a document shows."""
    path = ROOT / document
    return {(path.parent / name).resolve() for name in _SHOWN.findall(path.read_text("utf-8"))}


@pytest.mark.parametrize("document", ["README.md", "docs/console.md"])
def test_the_pictures_of_a_document_are_there(document: str) -> None:
    assert {str(path) for path in shown_by(document) if not path.is_file()} == set()
    assert len(shown_by(document)) >= 2


def test_each_picture_is_shown_light_and_dark() -> None:
    pictures = set(FOLDER.glob("*"))
    assert pictures == shown_by("docs/console.md")
    schemes = {path.stem.rpartition("-")[0] for path in pictures}
    assert {path.name for path in pictures} == {
        f"{name}-{scheme}.webp" for name in schemes for scheme in ("light", "dark")
    }


def test_pictures_are_small() -> None:
    sizes = [path.stat().st_size for path in FOLDER.glob("*")]
    assert max(sizes) <= LIMIT_BYTES
    assert sum(sizes) <= _ALL_BYTES
