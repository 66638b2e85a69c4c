"""The egress guard: which URLs and which addresses requests may go to."""

from ipaddress import ip_address, ip_network

import pytest

from app.outgoing.records import OutgoingFailed, OutgoingFailure
from app.outgoing.rules import URL_LIMIT, embedded, is_allowed, target_of

CLOSED = {
    "this network": "0.0.0.0",  # noqa: S104
    "this network, another host": "0.1.2.3",
    "private, 10": "10.0.0.1",
    "private, 172.16": "172.16.0.1",
    "private, end of 172.16": "172.31.255.255",
    "private, 192.168": "192.168.1.1",
    "loopback": "127.0.0.1",
    "loopback, another host": "127.255.255.254",
    "carrier-grade NAT": "100.64.0.1",
    "carrier-grade NAT, metadata of Alibaba": "100.100.100.200",
    "link-local": "169.254.1.1",
    "metadata of AWS, Google and Azure": "169.254.169.254",
    "host services of Azure": "168.63.129.16",
    "protocol assignments, metadata of Oracle": "192.0.0.192",
    "documentation": "192.0.2.1",
    "relays of 6to4": "192.88.99.1",
    "benchmarks": "198.19.0.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 unspecified": "::",
    "IPv6 loopback": "::1",
    "IPv6 link-local": "fe80::1",
    "IPv6 link-local with a zone": "fe80::1%eth0",
    "IPv6 site-local": "fec0::1",
    "IPv6 unique local": "fc00::1",
    "metadata of AWS, IPv6": "fd00:ec2::254",
    "IPv6 multicast": "ff02::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv6 documentation, new": "3fff::1",
    "IPv6 discard": "100::1",
    "IPv6 with a zone": "2a00:1450::1%eth0",
    "Teredo": "2001::7f00:1",
    "ORCHID": "2001:10::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped metadata": "::ffff:a9fe:a9fe",
    "mapped private": "::ffff:10.0.0.1",
    "compatible loopback": "::127.0.0.1",
    "NAT64 private": "64:ff9b::10.0.0.1",
    "NAT64 metadata": "64:ff9b::a9fe:a9fe",
    "NAT64 of a local network": "64:ff9b:1::8.8.8.8",
    "6to4 loopback": "2002:7f00:1::",
    "6to4 private": "2002:c0a8:101::1",
    "ISATAP": "2a00:1450::5efe:7f00:1",
    "ISATAP, unique": "2a00:1450::200:5efe:7f00:1",
}

OPEN = {
    "IPv4": "8.8.8.8",
    "before 172.16": "172.15.255.255",
    "behind 172.16": "172.32.0.1",
    "before carrier-grade NAT": "100.63.255.255",
    "behind carrier-grade NAT": "100.128.0.1",
    "IPv6": "2a00:1450:4001:80b::200e",
    "mapped public": "::ffff:8.8.8.8",
    "NAT64 public": "64:ff9b::8.8.8.8",
    "6to4 public": "2002:808:808::1",
}


@pytest.mark.parametrize("text", CLOSED.values(), ids=CLOSED)
def test_requests_do_not_go_to_a_closed_address(text: str) -> None:
    assert not is_allowed(ip_address(text), ())


@pytest.mark.parametrize("text", OPEN.values(), ids=OPEN)
def test_requests_go_to_a_public_address(text: str) -> None:
    assert is_allowed(ip_address(text), ())


@pytest.mark.parametrize(
    ("text", "is_open"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("10.2.0.1", False), ("fd00::1", True), ("::1", False)],
)
def test_an_operator_opens_networks(text: str, is_open: bool) -> None:
    networks = (ip_network("10.1.0.0/16"), ip_network("fd00::/64"))
    assert is_allowed(ip_address(text), networks) is is_open


def test_an_address_leads_to_another_one() -> None:
    assert [str(embedded(ip_address(text))) for text in ("2002:7f00:1::", "64:ff9b::7f00:1", "::1")] == [
        "127.0.0.1",
        "127.0.0.1",
        "None",
    ]


REFUSED = {
    "http": "http://example.com/",
    "another scheme": "ftp://example.com/",
    "a file": "file:///etc/passwd",
    "no scheme": "example.com/",
    "no host": "https:///path",
    "user": "https://user@example.com/",
    "user and password": "https://user:secret@example.com/",
    "an empty user": "https://@example.com/",
    "backslash": "https://example.com\\@127.0.0.1/",
    "fragment": "https://example.com/#part",
    "blank": "https://example.com/a b",
    "line break": "https://example.com/\r\nX: y",
    "beyond ASCII": "https://ex\u00e4mple.com/",
    "decimal": "https://2130706433/",
    "octal": "https://0177.0.0.1/",
    "hexadecimal": "https://0x7f.0.0.1/",
    "hexadecimal number": "https://0x7f000001/",
    "short": "https://127.1/",
    "percent": "https://example%2ecom/",
    "empty label": "https://example..com/",
    "zone": "https://[fe80::1%25eth0]/",
    "open bracket": "https://[::1/",
    "mail": "https://example.com:25/",
    "database": "https://example.com:5432/",
    "Redis": "https://example.com:6379/",
    "SSH": "https://example.com:22/",
    "port 0": "https://example.com:0/",
    "port too large": "https://example.com:70000/",
    "no port": "https://example.com:x/",
    "too long": "https://example.com/" + "a" * URL_LIMIT,
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_a_url_is_refused(url: str) -> None:
    with pytest.raises(OutgoingFailed) as failed:
        target_of(url, http_allowed=False)
    assert failed.value.reason is OutgoingFailure.URL_NOT_ALLOWED


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("https://example.com", "example.com", "/"),
        ("HTTPS://Example.COM:8443/a/b?c=d", "example.com:8443", "/a/b?c=d"),
        ("https://example.com:443/", "example.com", "/"),
        ("https://[2a00:1450::1]:9000/", "[2a00:1450::1]:9000", "/"),
        ("https://8.8.8.8/", "8.8.8.8", "/"),
        ("http://example.com/", "example.com", "/"),
        ("https://example.com?x", "example.com", "/?x"),
    ],
)
def test_a_url_has_parts(url: str, authority: str, target: str) -> None:
    parts = target_of(url, http_allowed=True)
    assert (parts.authority, parts.target) == (authority, target)


def test_a_refusal_of_http_names_the_setting_that_allows_it() -> None:
    with pytest.raises(OutgoingFailed, match="STATIONMASTER_OUTGOING_HTTP_ALLOWED"):
        target_of("http://example.com/", http_allowed=False)
