"""The refusals of transfers."""

from app.errors import AppError, Conflict, NotFound
from app.files.rules import LinkState


class TransferTooLarge(AppError):
    """A file is longer than its limit, as announced or by count."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            "content_too_large", 413, "Content too large", f"The file is longer than {limit_bytes} bytes."
        )


class TransferCutOff(AppError):
    """A client went away before its file was whole."""

    def __init__(self) -> None:
        super().__init__("transfer_cut_off", 400, "Transfer cut off", "The file has not come whole.")


class StorageFull(AppError):
    """No room is left for a file: on the disk, or within the limit of the tenant."""

    def __init__(self, detail: str) -> None:
        super().__init__("storage_full", 507, "Insufficient storage", detail)


class LinkGone(AppError):
    """A URL for a transfer is not valid any longer. state: `expired` or `revoked`."""

    def __init__(self, state: str) -> None:
        super().__init__(f"link_{state}", 410, "Gone", f"The URL is {state}.", "token")


class NoPublicUrl(AppError):
    """The server does not know under which URL charge points reach it."""

    def __init__(self) -> None:
        super().__init__(
            "public_url_missing",
            409,
            "Public URL missing",
            "Set STATIONMASTER_PUBLIC_URL to the URL under which charge points reach this server, such as "
            "https://charge.example.com; or name a location of your own.",
        )


def refusal_of_link(state: LinkState) -> AppError | None:
    """Return why a URL for a transfer may not be used now; None: it may."""
    match state:
        case "open":
            return None
        case "unknown":
            return NotFound("There is no such URL for a transfer.", "token")
        case "used":
            return Conflict("A file was uploaded to this URL already.", "token")
        case _:
            return LinkGone(state)
