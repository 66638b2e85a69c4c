"""Sorts failures of TLS by reason, for the metric. The text of OpenSSL has too many forms for a label."""

from typing import Final

TLS_FAILED: Final = "tls_failed"
"""The name, in the state of the lifespan of a worker, of what is told the reason and the address."""

_BEGINNING: Final = "TLS: "

_REASONS: Final = {
    "unsupported protocol": "version",
    "wrong version number": "version",
    "version too low": "version",
    "no shared cipher": "suite",
    "no suitable signature algorithm": "suite",
    "certificate verify failed": "client_certificate",
    "peer did not return a certificate": "client_certificate",
    "http request": "not_tls",
    "packet length too long": "not_tls",
    "inappropriate fallback": "version",
    "unexpected EOF": "ended",
    "unexpected eof while reading": "ended",
}


def failure_reason(error: Exception | None) -> str | None:
    """Return why a TLS session failed, None if the connection ended in another way.

    version: the peer knows nothing above TLS 1.1; suite: no common suite; client_certificate: it is not
    trusted; refused: the peer does not accept our certificate, or our choice; ended: it has left within the
    handshake; not_tls: it speaks something else.
    """
    text = str(error)
    if not isinstance(error, OSError) or not text.startswith(_BEGINNING):
        return None
    reason = text.removeprefix(_BEGINNING)
    if "alert" in reason:
        return "refused"
    return _REASONS.get(reason, "other")
