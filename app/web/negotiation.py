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


def accepts_gzip(accept_encoding: str) -> bool:
    """Say whether to answer with gzip: acceptable, and not less wanted than the plain form (12.5.3).

    Args:
        accept_encoding: the value of the header, several lines joined by commas; empty if absent.
    """
    if not accept_encoding:
        return False
    if len(accept_encoding) <= _CACHED_HEADER_LENGTH:
        return _prefers_gzip_cached(accept_encoding)
    return _prefers_gzip(accept_encoding)


def _prefers_gzip(accept_encoding: str) -> bool:
    weights = _weights(accept_encoding)
    anything = weights.get("*", 0.0)
    gzip = weights.get("gzip", weights.get("x-gzip", anything))
    plain = weights.get("identity", anything)
    return gzip > 0.0 and gzip >= plain


# Browsers and clients send a handful of values. The bound on the length keeps others from filling memory.
_prefers_gzip_cached = lru_cache(maxsize=256)(_prefers_gzip)


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
