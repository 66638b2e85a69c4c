"""Content negotiation: which form of an answer `Accept` and `Accept-Encoding` ask for. RFC 9110 12.5"""

from functools import lru_cache

_CACHED_HEADER_LENGTH = 128


def prefers(accept: str, other: str, usual: str) -> bool:
    """Say whether the client prefers the media type `other` to the `usual` one (RFC 9110 12.5.1).

    Args:
        accept: the value of the header, empty if absent. A client that accepts neither gets the usual one.
        other: a media type without parameters.
        usual: a media type without parameters.
    """
    weights = _weights(accept)
    return _media_weight(other, weights) > _media_weight(usual, weights)


def coding_of(accept_encoding: str, offered: tuple[str, ...]) -> str | None:
    """Return the coding to answer with (12.5.3); None: the plain form is wanted more, or none is acceptable.

    Args:
        accept_encoding: the value of the header, several lines joined by commas; empty if absent.
        offered: the codings that there are. Of those that are wanted alike, the first one is taken.
    """
    if not accept_encoding:
        return None
    if len(accept_encoding) <= _CACHED_HEADER_LENGTH:
        return _coding_cached(accept_encoding, offered)
    return _coding(accept_encoding, offered)


def accepts_gzip(accept_encoding: str) -> bool:
    """Say whether to answer with gzip: acceptable, and not less wanted than the plain form."""
    return coding_of(accept_encoding, ("gzip",)) is not None


def _coding(accept_encoding: str, offered: tuple[str, ...]) -> str | None:
    weights = _weights(accept_encoding)
    anything = weights.get("*", 0.0)
    plain = weights.get("identity", anything)
    wanted = [weights.get(name, weights.get(f"x-{name}", anything)) for name in offered]
    most = max(wanted)
    return offered[wanted.index(most)] if most > 0.0 and most >= plain else None


# Browsers and clients send a handful of values. The bound on the length keeps others from filling memory.
_coding_cached = lru_cache(maxsize=256)(_coding)


def _media_weight(name: str, weights: dict[str, float]) -> float:
    """Return the weight that the most specific range gives to a media type."""
    for media_range in (name, f"{name.partition('/')[0]}/*", "*/*"):
        if media_range in weights:
            return weights[media_range]
    return 0.0


def _weights(header: str) -> dict[str, float]:
    """Read a list of names with their weights, in lower case; of a repeated name the greatest counts."""
    weights: dict[str, float] = {}
    for member in header.lower().split(","):
        name, *parameters = (part.strip() for part in member.split(";"))
        weights[name] = max(_weight(parameters), weights.get(name, 0.0))
    return weights


def _weight(parameters: list[str]) -> float:
    """Return the `q` of one member, 0 to 1; a value that cannot be read counts as a refusal."""
    given = next((parameter for parameter in parameters if parameter.startswith("q=")), "q=1")
    try:
        weight = float(given.removeprefix("q="))
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
