"""Which of two forms of an answer the client likes better. RFC 9110 12.5.1"""


def prefers(accept: str, other: str, usual: str) -> bool:
    """Whether the client likes the media type `other` better than the `usual` one.

    accept: the header's value, empty when absent. A client that accepts neither gets the usual one.
    """
    ranges = [_range(part) for part in accept.split(",")]
    return _quality(other, ranges) > _quality(usual, ranges)


def _range(part: str) -> tuple[str, float]:
    """A media range and its weight; a weight that cannot be read counts as a refusal."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = next((given for given in parameters if given.startswith("q=")), "q=1")
    try:
        quality = float(weight.removeprefix("q="))
    except ValueError:
        return name, 0.0
    return name, quality if 0.0 <= quality <= 1.0 else 0.0


def _quality(name: str, ranges: list[tuple[str, float]]) -> float:
    """The weight that the most specific range gives to a media type."""
    family = f"{name.partition('/')[0]}/*"
    for wanted in (name, family, "*/*"):
        given = [quality for found, quality in ranges if found == wanted]
        if given:
            return max(given)
    return 0.0
