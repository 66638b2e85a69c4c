"""DATABASE_URL: each parameter as libpq means it or a refusal that names it, and no piece of a password."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.database.address import DatabaseHost as Host
from app.database.address import check_files, read_address, without_password
from app.database.parameters import AddressError

_ALPHABET = "XQZJ"
"""Letters that no message has in upper case, so each of them would be a piece of a password."""


@pytest.mark.parametrize(
    ("url", "hosts", "parameters"),
    [
        ("postgresql://", [Host(None, None)], {}),
        ("postgres://db/sm", [Host("db", None)], {"host": "db", "dbname": "sm"}),
        ("postgresql://me:a%40%2F%3A%23%3F%25@db:5433/s%20m", [Host("db", 5433)], {"password": "a@/:#?%"}),
        ("postgresql://me:a#b?c@db/sm", [Host("db", None)], {"password": "a#b?c", "user": "me"}),
        ("postgresql://a,b:5433/sm", [Host("a", None), Host("b", 5433)], {}),
        ("postgresql://[2001:db8::1]:5433,[::1]/sm", [Host("2001:db8::1", 5433), Host("::1", None)], {}),
        ("postgresql://me@%2Frun%2Fpg:5433/sm", [Host("/run/pg", 5433)], {}),
        ("postgresql:///sm?host=/run/pg&port=5433", [Host("/run/pg", 5433)], {}),
        ("postgresql:///sm?host=a,b&port=5433", [Host("a", 5433), Host("b", 5433)], {}),
        ("postgresql:///?host=a,b&port=1,2&dbname=x&user=u", [Host("a", 1), Host("b", 2)], {"dbname": "x"}),
        ("postgresql://a/x?host=b&dbname=y", [Host("b", None)], {"dbname": "y"}),
        ("postgresql://a/x?ssl=true", [Host("a", None)], {"sslmode": "require"}),
        ("postgresql://a/x?sslrootcert=system", [Host("a", None)], {"sslmode": "verify-full"}),
        ("postgresql://a/x?password=a+b", [Host("a", None)], {"password": "a+b"}),
    ],
)
def test_a_url_is_read_as_libpq_reads_it(url: str, hosts: list[Host], parameters: dict[str, str]) -> None:
    address = read_address(url)
    assert list(address.hosts) == hosts
    assert address.parameters.items() >= parameters.items()


@pytest.mark.parametrize(
    ("rest", "named"),
    [
        ("db/x?sslmode=sometimes", "sslmode"),
        ("db/x?channel_binding=require", "channel_binding"),
        ("db/x?target_session_attrs=standby", "target_session_attrs"),
        ("db/x?connect_timeout=soon", "connect_timeout"),
        ("db/x?keepalives_idle=1.5", "keepalives_idle"),
        ("db/x?hostaddr=10.0.0.1", "hostaddr"),
        ("db/x?service=main", "service"),
        ("db/x?gssencmode=require", "gssencmode"),
        ("db/x?sslrootcert=system&sslmode=require", "sslmode"),
        ("db/x?pgbouncer=true", "pooler=transaction"),
        ("db/x?aplication_name=y", "did you mean application_name"),
        ("db/x?sslmode", "parameter without ="),
        ("db/x?options=-c a=b", "options"),
        ("db/x?application_name=%zz", "application_name"),
        ("db:port/x", "port"),
        ("db:70000/x", "port"),
        ("a,,b/x", "host"),
        ("a,b/x?port=1,2,3", "port"),
        ("[::1/x", "host"),
        ("me:a@b@db/x", "%40"),
        ("me:a/b@db/x", "%2F"),
        ("me:a%b@db/x", "password"),
        ("db/x?password=a&b=c", "%26"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_name(rest: str, named: str) -> None:
    with pytest.raises(AddressError, match=re.escape(named)) as refused:
        read_address(f"postgresql://{rest}")
    assert "\n" not in str(refused.value)


@given(
    password=st.text(f"{_ALPHABET}1@:/?#%&=[], +\x00é", min_size=1, max_size=20),
    template=st.sampled_from(
        [
            "postgresql://me:{}@db.example:5432/sm?sslmode=require",
            "postgresql://me:{}@db.example",
            "postgresql://me:{}@/sm?host=/run/postgresql",
            "postgresql://me:{}",
            "postgresql://me:1{}",
            "postgresql://db.example/sm?user=me&password={}",
            "postgresql://db.example/sm?password={}&sslmode=require&nothing=1",
            "postgresql://db.example/sm?sslpassword={}&sslkey=",
            "postgresql:/me:{}@db.example/sm",
        ]
    ),
)
def test_no_piece_of_a_password_is_shown(password: str, template: str) -> None:
    # Without an @ after the password, it cannot be told from a list of hosts.
    assume("@" in template or "?" in template or not set(",@") & set(password))
    url = template.format(password)
    try:
        address = read_address(url)
    except AddressError as refused:
        shown = str(refused)
    else:
        # Without an @ the text after a colon is a port, which is a number or refused.
        shown = f"{address} {address.hosts}"
    assert not set(_ALPHABET) & set(shown)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1))
def test_an_encoded_password_is_kept(password: str) -> None:
    encoded = "".join(f"%{byte:02x}" for byte in password.encode())
    url = f"postgresql+asyncpg://me:{encoded}@db/sm?pooler=session&sslmode=require"
    assert read_address(url).parameters["password"] == password
    assert without_password(url) == ("postgresql://me@db/sm?sslmode=require", password)


def test_files_are_checked_before_they_are_needed(tmp_path: Path) -> None:
    key = tmp_path / "client.key"
    address = read_address(f"postgresql://db/sm?sslkey={key}")
    with pytest.raises(AddressError, match=r"^sslkey: .*client\.key cannot be read: No such file"):
        check_files(address)
    key.write_text("x")
    key.chmod(0o644)
    with pytest.raises(AddressError, match=r"^sslkey: .* chmod 600$"):
        check_files(address)
    key.chmod(0o600)
    check_files(address)


def test_an_address_does_not_show_its_password() -> None:
    address = read_address("postgresql://me:XQZ@db/sm")
    assert "XQZ" not in f"{address!r} {address} {address.place}"


def test_limits_of_libpq_are_kept() -> None:
    address = read_address(
        "postgresql://db/sm?connect_timeout=3&keepalives_idle=30&keepalives_count=0&tcp_user_timeout=5000"
    )
    assert address.connect_timeout_s == 3
    assert address.keepalives() == {"keepalives_idle": 30, "tcp_user_timeout": 5000}
    assert read_address("postgresql://db?connect_timeout=0").connect_timeout_s is None
    assert read_address("postgresql://db?keepalives=0").keepalives() is None
