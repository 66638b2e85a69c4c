"""Decisions about files: which names are safe, which part of a file is wanted, and whether a link is open."""

import re
import unicodedata
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal
from urllib.parse import quote, unquote

from app.files.records import ByteRange, LinkDirection, LinkRecord

NAME_LIMIT: Final = 120
"""Most characters of the name of a file."""
DEFAULT_NAME: Final = "file"
DEFAULT_MEDIA_TYPE: Final = "application/octet-stream"
_URL_NAME_LIMIT: Final = 60
"""Most characters of the name in a URL: SignedUpdateFirmware allows 512 for all of it (whitepaper 6.16)."""
_UNSAFE_IN_URL: Final = re.compile(r"[^A-Za-z0-9._-]+")
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*/\\\u2028\u2029\ud800-\udfff]')
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}")
_RANGE: Final = re.compile(
    r"bytes[ \t]*=[ \t]*(\d{0,18})[ \t]*-[ \t]*(\d{0,18})[ \t]*", re.IGNORECASE | re.ASCII
)
_WHOLE: Final = re.compile(r"bytes 0-(\d{1,18})/(\d{1,18})", re.IGNORECASE | re.ASCII)
_DECODINGS: Final = 3
"""A name may be percent-encoded more than once, to hide a slash."""


def clean_name(name: str | None, default: str = DEFAULT_NAME) -> str:
    """Return a name that is safe as a file name on every system: one segment, no controls, not hidden.

    name: as a client gave it, perhaps a path, perhaps percent-encoded; default: if nothing of it is left.
    """
    text = (name or "")[:4096]
    for _ in range(_DECODINGS):
        text = unquote(text, errors="replace")
    text = unicodedata.normalize("NFC", text.replace("\\", "/").rstrip("/")).rpartition("/")[2]
    # Marks that turn the direction of writing can make `gpj.exe` look like `exe.jpg`.
    text = "".join(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Co", "Cn"))
    text = _UNSAFE.sub("_", text).strip(". \t")
    if len(text) > NAME_LIMIT:
        stem, dot, ending = text.rpartition(".")
        ending = dot + ending if stem and len(ending) <= 10 else ""
        text = text[: NAME_LIMIT - len(ending)].rstrip(". ") + ending
    return text if text.strip("_. ") else default


def clean_media_type(media_type: str | None) -> str:
    """Return the media type without its parameters; `application/octet-stream` if it is not one."""
    bare = (media_type or "").partition(";")[0].strip().lower()
    return bare if _MEDIA_TYPE.fullmatch(bare) else DEFAULT_MEDIA_TYPE


def url_name(name: str) -> str:
    """Return a name of printable ASCII for the end of a URL. Charge points derive a file name from it."""
    plain = _UNSAFE_IN_URL.sub("_", name).strip("._") or DEFAULT_NAME
    if len(plain) <= _URL_NAME_LIMIT:
        return plain
    stem, dot, ending = plain.rpartition(".")
    ending = dot + ending if stem and len(ending) <= 10 else ""
    return plain[: _URL_NAME_LIMIT - len(ending)] + ending


def content_disposition(name: str) -> str:
    """Return the value of Content-Disposition (RFC 6266): always an attachment, never shown by a browser."""
    plain = re.sub(r"[^ -~]|[\"\\%;]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def name_of_disposition(value: str) -> str | None:
    """Return the file name of a Content-Disposition that a charge point has sent; None: it has none."""
    extended = re.search(r"filename\*\s*=\s*[\w-]*'[^']*'([^;\s]+)", value[:4096], re.IGNORECASE)
    if extended is not None:
        return extended[1]
    plain = re.search(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', value[:4096], re.IGNORECASE)
    return None if plain is None else plain[1] or plain[2]


_GZIP: Final = frozenset({"gzip", "x-gzip"})


def coded_media_type(media_type: str | None, coding: str) -> str | None:
    """Return the media type of a content that is kept as it comes: a coded one is not what its type says.

    coding: Content-Encoding (RFC 9110 8.4), empty if there is none.
    """
    codings = coding.strip().lower()
    if codings in ("", "identity"):
        return media_type
    return "application/gzip" if codings in _GZIP else DEFAULT_MEDIA_TYPE


def is_whole(content_range: str | None) -> bool:
    """Tell whether an upload brings a whole file, and not a part of one (RFC 9110 14.5).

    content_range: the header; None: the client sends none.
    """
    if content_range is None:
        return True
    match = _WHOLE.fullmatch(content_range.strip())
    return match is not None and int(match[1]) + 1 == int(match[2])


def entity_tag(sha256: str) -> str:
    """Return the strong entity tag of a content, quotes included."""
    return f'"{sha256}"'


def requested_range(header: str | None, size_bytes: int) -> ByteRange | Literal["unsatisfiable"] | None:
    """Return the part of a file that a Range header asks for (RFC 9110 14.2).

    Returns:
        None: the whole file, because there is no header, it cannot be read, or it asks for several parts.
        `unsatisfiable`: it begins behind the end of the file.
    """
    match = None if header is None else _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        wanted = min(int(match[2]), size_bytes)
        return ByteRange(size_bytes - wanted, size_bytes) if wanted else "unsatisfiable"
    start = int(match[1])
    last = int(match[2]) if match[2] else size_bytes - 1
    if match[2] and last < start:
        return None
    return "unsatisfiable" if start >= size_bytes else ByteRange(start, min(last + 1, size_bytes))


def is_range_current(if_range: str | None, tag: str, modified_at: datetime) -> bool:
    """Tell whether a client may go on with the file that it has a part of (RFC 9110 13.1.5).

    if_range: an entity tag or a date; None: the client does not ask.
    """
    if if_range is None:
        return True
    wanted = if_range.strip()
    if wanted.startswith(('"', "W/")):
        return wanted == tag
    try:
        moment = parsedate_to_datetime(wanted)
    except (ValueError, OverflowError):
        return False
    return moment.tzinfo is not None and moment == modified_at.replace(microsecond=0)


LinkState = Literal["open", "unknown", "used", "expired", "revoked"]


def link_state(link: LinkRecord | None, direction: LinkDirection, now: datetime) -> LinkState:
    """Tell whether a link may be used now for a transfer in this direction."""
    if link is None or link.direction != direction:
        return "unknown"
    if link.closed_at is not None:
        return "used"
    if link.revoked_at is not None:
        return "revoked"
    return "expired" if link.expires_at <= now else "open"
