"""Computes the picture of who speaks to whom: a box for each party, a numbered line for each connection."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot

from app.catalog.schemas import MapEdge, MapParty

# Column and row of each party, so that no line runs through the box of another one.
_PLACES: Mapping[str, tuple[int, int]] = {
    "emsp": (0, 0),
    "hub": (1, 0),
    "authority": (2, 0),
    "issuer": (0, 1),
    "csms": (1, 1),
    "dso": (2, 1),
    "utility": (3, 1),
    "charge-point": (1, 2),
    "site": (3, 2),
    "ev": (1, 3),
    "der": (3, 3),
}
# Pixels of the view box.
_COLUMN, _ROW = 178, 112
_LEFT, _TOP = 74, 30
_BOX_WIDTH, _BOX_HEIGHT = 132, 48
_MARGIN = 8
_TEXT_ROW = 15
_LONGEST_ROW = 17
_BETWEEN_PARALLELS = 26
# Where the number is on a line: on a long one nearer to its source, because long lines cross in the middle.
_LONG = 250
_NUMBER_AT, _NUMBER_AT_OF_LONG = 0.53, 0.36


@dataclass(frozen=True, slots=True)
class TextRow:
    """One row of the name of a party."""

    text: str
    y: int


@dataclass(frozen=True, slots=True)
class PartyBox:
    """A party, by its middle."""

    key: str
    x: int
    y: int
    rows: tuple[TextRow, ...]


@dataclass(frozen=True, slots=True)
class ConnectionLine:
    """A line between two parties, with the number of its edge. words: what it says to a screen reader."""

    number: int
    words: str
    x1: int
    y1: int
    x2: int
    y2: int
    number_x: int
    number_y: int


@dataclass(frozen=True, slots=True)
class MapDrawing:
    """The whole map, in pixels of its view box."""

    width: int
    height: int
    box_width: int
    box_height: int
    boxes: tuple[PartyBox, ...]
    lines: tuple[ConnectionLine, ...]


def draw_map(parties: Sequence[MapParty], edges: Sequence[MapEdge]) -> MapDrawing:
    """Lay out the map.

    Raises:
        KeyError: a party has no place.
    """
    boxes = {party.key: _box(party) for party in parties}
    drawn: Counter[tuple[str, str]] = Counter()
    pairs = [(edge, target) for edge in edges for target in edge.targets]
    total = Counter((edge.source, target) for edge, target in pairs)
    lines = []
    for edge, target in pairs:
        pair = (edge.source, target)
        offset = (drawn[pair] - (total[pair] - 1) / 2) * _BETWEEN_PARALLELS
        drawn[pair] += 1
        lines.append(_line(edge.number, boxes[edge.source], boxes[target], offset))
    width = max(box.x for box in boxes.values()) + _BOX_WIDTH // 2 + _MARGIN
    height = max(box.y for box in boxes.values()) + _BOX_HEIGHT // 2 + _MARGIN
    return MapDrawing(width, height, _BOX_WIDTH, _BOX_HEIGHT, tuple(boxes.values()), tuple(lines))


def _box(party: MapParty) -> PartyBox:
    column, row = _PLACES[party.key]
    x, y = _LEFT + column * _COLUMN, _TOP + row * _ROW
    texts = _rows_of(party.name)
    first_y = y + 5 - _TEXT_ROW * (len(texts) - 1) // 2
    rows = tuple(TextRow(text, first_y + _TEXT_ROW * place) for place, text in enumerate(texts))
    return PartyBox(party.key, x, y, rows)


def _rows_of(name: str) -> list[str]:
    rows = [""]
    for word in name.split():
        longer = f"{rows[-1]} {word}".strip()
        if len(longer) <= _LONGEST_ROW:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows


def _line(number: int, source: PartyBox, target: PartyBox, offset: float) -> ConnectionLine:
    """Draw from middle to middle, below the boxes. offset: sideways, for lines with the same ends."""
    length = hypot(target.x - source.x, target.y - source.y)
    aside_x = -(target.y - source.y) / length * offset
    aside_y = (target.x - source.x) / length * offset
    x1, y1 = source.x + aside_x, source.y + aside_y
    x2, y2 = target.x + aside_x, target.y + aside_y
    words = f"{number}: {_name(source)} to {_name(target)}"
    part = _NUMBER_AT if length < _LONG else _NUMBER_AT_OF_LONG
    number_x, number_y = x1 + (x2 - x1) * part, y1 + (y2 - y1) * part
    places = (round(place) for place in (x1, y1, x2, y2, number_x, number_y))
    return ConnectionLine(number, words, *places)


def _name(box: PartyBox) -> str:
    return " ".join(row.text for row in box.rows)
