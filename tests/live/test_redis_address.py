"""REDIS_URL: its three forms, one line for what cannot be used, and no piece of a password."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis, RedisCluster

from app.live.address import RedisAddressError, check_redis_files, read_redis_address
from app.live.connect import open_redis

_ALPHABET = "XQZJ"
"""Letters that no message has in upper case, so each of them would be a piece of a password."""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", {"kind": "server", "hosts": (("localhost", 6379),), "database": 0}),
        ("redis://:p%40w@cache:7000/2", {"hosts": (("cache", 7000),), "password": "p@w", "database": 2}),
        ("rediss://me:pw@[::1]/?db=3", {"hosts": (("::1", 6379),), "is_encrypted": True, "database": 3}),
        ("unix:///run/redis.sock?db=1", {"path": "/run/redis.sock", "hosts": (), "database": 1}),
        (
            "redis-sentinel://me:pw@a,b:5000/mine/4?sentinel_password=x",
            {"kind": "sentinel", "hosts": (("a", 26379), ("b", 5000)), "service": "mine", "database": 4},
        ),
        (
            "rediss-cluster://a:1,b:2?ssl_ca_certs=/ca.pem",
            {"kind": "cluster", "is_encrypted": True, "options": {"ssl_ca_certs": "/ca.pem"}},
        ),
    ],
)
def test_the_forms_of_the_url(url: str, expected: dict[str, Any]) -> None:
    address = read_redis_address(url)
    assert {name: getattr(address, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://cache", "must begin with redis://"),
        ("redis://cache/abc", "must be a number"),
        ("redis://a,b", "redis-sentinel:// or redis-cluster://"),
        ("redis://cache:port", "a name and a port"),
        ("redis://cache:0", "a name and a port"),
        ("redis-sentinel://a,b", "name of the service"),
        ("redis-cluster://a/1", "database 0 only"),
        ("redis://cache?sentinel_password=x", "redis-sentinel:// only"),
        ("redis://cache?ssl_ca_cert=x", "did you mean ssl_ca_certs"),
        ("rediss://cache?ssl_cert_reqs=maybe", "ssl_cert_reqs must be none or optional or required"),
        ("redis://cache?ssl_cert_reqs=none", "for rediss://"),
        ("redis-sentinel://a/mine?ssl_ca_certs=/ca.pem", "for rediss://"),
        ("unix:///run/redis.sock?ssl_keyfile=/key.pem", "for rediss://"),
        ("unix://", "the path of a socket"),
        ("unix://?db=1", "the path of a socket"),
        ("redis://:a#b@cache", "%23"),
        ("redis://:a@b@cache", "%40"),
        ("redis://:a/b@cache", "%2F"),
        ("redis://:a%b@cache", "%25"),
    ],
)
def test_what_cannot_be_used_is_one_line(url: str, named: str) -> None:
    with pytest.raises(RedisAddressError, match=re.escape(named)) as refused:
        read_redis_address(url)
    assert "\n" not in str(refused.value)


@given(
    password=st.text(f"{_ALPHABET}1@:/?#%&=[], +é", min_size=1, max_size=20),
    template=st.sampled_from(
        [
            "redis://:{}@cache:6379/0",
            "rediss://me:{}@cache",
            "redis-cluster://me:{}@a,b",
            "redis-sentinel://a/mine?sentinel_password={}",
            "redis-sentinel://:{}@a,b/mine/1?sentinel_username=x",
            "redis://me:{}",
        ]
    ),
)
def test_no_piece_of_a_password_of_redis_is_shown(password: str, template: str) -> None:
    try:
        shown = f"{read_redis_address(template.format(password))}"
    except RedisAddressError as refused:
        shown = str(refused)
    assert not set(_ALPHABET) & set(shown)


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / "a.pem"
    address = read_redis_address(f"rediss://cache?{name}={file}")
    with pytest.raises(RedisAddressError, match=f"{name}: {file} cannot be read: No such file"):
        check_redis_files(address)
    file.write_text("")
    check_redis_files(address)


async def test_each_form_opens_its_client() -> None:
    for url, kind in (
        ("rediss://me:pw@cache?ssl_check_hostname=false&ssl_cert_reqs=none", Redis),
        ("unix:///run/redis.sock", Redis),
        ("rediss-sentinel://me:pw@a,b/mine?sentinel_username=s&sentinel_password=x", Redis),
        ("rediss-cluster://me:pw@a,b?ssl_check_hostname=false", RedisCluster),
    ):
        client = open_redis(url)
        assert isinstance(client, kind)
        await client.aclose()


@pytest.mark.parametrize("url", ["redis://a", "rediss://a", "unix:///a"])
def test_a_command_is_written_as_one_piece(url: str) -> None:
    client = open_redis(url)
    assert isinstance(client, Redis)
    pool: Any = client.connection_pool
    written = pool.make_connection().pack_command("SET", "\N{EURO SIGN}", b"\0\r\n", 17)
    assert written == [b"*4\r\n$3\r\nSET\r\n$3\r\n\xe2\x82\xac\r\n$3\r\n\0\r\n\r\n$2\r\n17\r\n"]
