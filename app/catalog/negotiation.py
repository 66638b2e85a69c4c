"""Content coding and conditional requests: what two request headers ask for. RFC 9110 12.5.3 and 13.1.2"""

from functools import lru_cache

_CACHED_HEADER_BYTES = 128


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether gzip is the coding to answer with: acceptable, and not liked less than the plain form.

    accept_encoding: the header's value, several lines joined by commas; empty when absent.
    """
    if not accept_encoding:
        return False
    if len(accept_encoding) <= _CACHED_HEADER_BYTES:
        return _prefers_gzip_cached(accept_encoding)
    return _prefers_gzip(accept_encoding)


def _prefers_gzip(accept_encoding: bytes) -> bool:
    qualities: dict[bytes, float] = {}
    for part in accept_encoding.lower().split(b","):
        coding, _, parameters = part.partition(b";")
        qualities[coding.strip()] = _quality(parameters)
    anything = qualities.get(b"*", 0.0)
    gzip = qualities.get(b"gzip", qualities.get(b"x-gzip", anything))
    plain = qualities.get(b"identity", anything)
    return gzip > 0.0 and gzip >= plain


# Browsers and clients send a handful of values; the length bound keeps strangers from filling memory.
_prefers_gzip_cached = lru_cache(maxsize=256)(_prefers_gzip)


def _quality(parameters: bytes) -> float:
    """The `q` of one coding, 0 to 1; what cannot be read counts as a refusal."""
    for parameter in parameters.split(b";"):
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"q":
            try:
                quality = float(value)
            except ValueError:
                return 0.0
            return quality if 0.0 <= quality <= 1.0 else 0.0
    return 1.0
