"""Which content coding `Accept-Encoding` leads to: row by row."""

import pytest

from app.web.negotiation import accepts_gzip, coding_of

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


CODING_ROWS = {
    "both": ("gzip, deflate, br, zstd", "br"),
    "one": ("gzip, deflate", "gzip"),
    "the other one": ("br", "br"),
    "gzip wanted more": ("br;q=0.5, gzip", "gzip"),
    "anything": ("*", "br"),
    "anything but the first": ("*, br;q=0", "gzip"),
    "neither": ("zstd, deflate", None),
    "plain wanted more": ("br;q=0.5, gzip;q=0.5, identity", None),
}


@pytest.mark.parametrize(("header", "chosen"), CODING_ROWS.values(), ids=CODING_ROWS)
def test_of_two_codings_the_one_that_is_wanted_more(header: str, chosen: str | None) -> None:
    assert coding_of(header, ("br", "gzip")) == chosen
