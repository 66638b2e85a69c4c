"""Writes the addresses of a server as URLs."""


def url_of(scheme: str, host: str, port: int) -> str:
    """Return the URL of a server on this machine. host: that it listens on, perhaps all addresses."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
