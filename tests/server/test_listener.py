"""The addresses of a server: plain and TLS, for each worker, and what is said if one cannot be bound."""

import socket
from typing import Any

import pytest

from app.server import listener
from app.server.listener import Listener, ServeError, open_listener
from app.settings import Settings


def settings(**changes: Any) -> Settings:
    return Settings(port=0).model_copy(update=changes)


@pytest.mark.parametrize("workers", [1, 2])
def test_each_worker_gets_a_socket_of_each_port(workers: int) -> None:
    with Listener(settings(tls_port=0, workers=workers)) as held, held.for_worker() as accepting:
        plain, tls = accepting.all()
        assert plain.getsockname() != tls.getsockname()
        assert held.url == f"http://127.0.0.1:{plain.getsockname()[1]}"
        assert held.tls_url == f"https://127.0.0.1:{tls.getsockname()[1]}"
    assert plain.fileno() == tls.fileno() == -1


def test_without_tls_there_is_one_socket() -> None:
    with Listener(settings()) as held, held.for_worker() as accepting:
        assert len(accepting.all()) == 1
        assert held.tls_url is None


def test_tls_may_have_an_address_of_its_own() -> None:
    with Listener(settings(tls_port=0, tls_host="127.0.0.2")) as held, held.for_worker() as accepting:
        plain, tls = accepting.all()
        assert (plain.getsockname()[0], tls.getsockname()[0]) == ("127.0.0.1", "127.0.0.2")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tls_host": "no-such-host.invalid", "tls_port": 0}, "STATIONMASTER_TLS_HOST"),
        ({"tls_host": "192.0.2.1", "tls_port": 0}, "STATIONMASTER_TLS_HOST, STATIONMASTER_TLS_PORT"),
        ({"host": "192.0.2.1"}, "STATIONMASTER_HOST, STATIONMASTER_PORT"),
    ],
)
async def test_an_address_that_cannot_be_bound_names_its_settings(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ServeError, match=f"^{named}: "):
        await open_listener(settings(**changes))


async def test_a_port_in_use_names_its_setting_and_leaves_nothing_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "_PORT_PATIENCE_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match="set STATIONMASTER_TLS_PORT to another one"):
            await open_listener(settings(tls_port=port))
        with pytest.raises(ServeError, match=r"set STATIONMASTER_PORT .or --port. to another one"):
            await open_listener(settings(port=port))
