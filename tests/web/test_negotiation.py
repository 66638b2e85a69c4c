"""Which content coding `Accept-Encoding` leads to: row by row."""

import pytest

from app.web.negotiation import accepts_gzip

GZIP_ROWS = {
    "absent": ("", False),
    "plain": ("gzip", True),
    "the old name": ("x-gzip", True),
    "any case": ("GZip", True),
    "among others": ("br, gzip, deflate", True),
    "unknown ones only": ("br, zstd", False),
    "refused": ("gzip;q=0", False),
    "refused with decimals": ("gzip;q=0.000", False),
    "a weight": ("gzip;q=0.5", True),
    "spaces about the weight": ("gzip ; q=0.5", True),
    "plain liked more": ("gzip;q=0.5, identity;q=1", False),
    "plain liked less": ("gzip;q=1, identity;q=0.5", True),
    "plain liked as much": ("gzip, identity", True),
    "anything": ("*", True),
    "nothing": ("*;q=0", False),
    "anything but gzip": ("*, gzip;q=0", False),
    "anything else liked more": ("gzip;q=0.2, *;q=0.8", False),
    "gzip named, nothing else": ("gzip, *;q=0", True),
    "weight in words": ("gzip;q=much", False),
    "weight out of range": ("gzip;q=7", False),
    "weight that is not a number": ("gzip;q=nan", False),
    "longer than what is remembered": ("gzip, " + "x" * 400, True),
}


@pytest.mark.parametrize(("header", "chosen"), GZIP_ROWS.values(), ids=GZIP_ROWS)
def test_accept_encoding(header: str, chosen: bool) -> None:
    assert accepts_gzip(header) is chosen
