"""The frames that all parts measure: `corpus/`, one in each file. The benchmarks in Rust use them too."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parent / "corpus"
UNIQUE_ID = "00000000-0000-4000-8000-000000000000"
"""The id in each file. The measurements replace it by ids of the same length."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One CALL of a charge point. text: as it is sent."""

    name: str
    action: str
    text: str

    def with_new_ids(self, first: int, count: int) -> list[str]:
        """Return the frame `count` times with different ids. first: the number of the first id."""
        before, after = self.text.split(UNIQUE_ID)
        prefix = UNIQUE_ID[:24]
        return [f"{before}{prefix}{number:012d}{after}" for number in range(first, first + count)]


def frames() -> Iterator[Frame]:
    """Return the corpus in alphabetical order."""
    for path in sorted(DIRECTORY.glob("*.json")):
        action = "".join(part.capitalize() for part in path.stem.split("_"))
        yield Frame(path.stem, action, path.read_text().strip())


def frame(name: str) -> Frame:
    """Return one frame of the corpus.

    Raises:
        KeyError: it has no frame of this name.
    """
    return {found.name: found for found in frames()}[name]
