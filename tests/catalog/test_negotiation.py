"""Which content coding `Accept-Encoding` leads to: row by row."""

import pytest

from app.catalog.negotiation import accepts_gzip

GZIP_ROWS = {
    "absent": (b"", False),
    "plain": (b"gzip", True),
    "the old name": (b"x-gzip", True),
    "any case": (b"GZip", True),
    "among others": (b"br, gzip, deflate", True),
    "unknown ones only": (b"br, zstd", False),
    "refused": (b"gzip;q=0", False),
    "refused with decimals": (b"gzip;q=0.000", False),
    "a weight": (b"gzip;q=0.5", True),
    "spaces about the weight": (b"gzip ; q=0.5", True),
    "plain liked more": (b"gzip;q=0.5, identity;q=1", False),
    "plain liked less": (b"gzip;q=1, identity;q=0.5", True),
    "plain liked as much": (b"gzip, identity", True),
    "anything": (b"*", True),
    "nothing": (b"*;q=0", False),
    "anything but gzip": (b"*, gzip;q=0", False),
    "anything else liked more": (b"gzip;q=0.2, *;q=0.8", False),
    "gzip named, nothing else": (b"gzip, *;q=0", True),
    "weight that is no number": (b"gzip;q=much", False),
    "weight out of range": (b"gzip;q=7", False),
    "weight that is not a number": (b"gzip;q=nan", False),
    "longer than what is remembered": (b"gzip, " + b"x" * 400, True),
}


@pytest.mark.parametrize(("header", "chosen"), GZIP_ROWS.values(), ids=GZIP_ROWS)
def test_accept_encoding(header: bytes, chosen: bool) -> None:
    assert accepts_gzip(header) is chosen
