"""One scrape of a server with two workers: it shows both, also after one of them was killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.server.embedded import Engines
from tests.support.processes import command, on_engines, serving, until, workers_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Server:
    """A server with two workers, and a key to scrape it."""

    def __init__(self, process: int, url: str, key: str) -> None:
        self.process, self.url, self._key = process, url, key

    def scrape(self) -> dict[tuple[str, str], float]:
        """Return each value, by the name of the sample and its labels as text."""
        request = Request(f"{self.url}/metrics", headers={"Authorization": f"Bearer {self._key}"})  # noqa: S310
        with urlopen(request) as answer:  # noqa: S310
            text = answer.read().decode()
        return {
            (sample.name, ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))): (
                sample.value
            )
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def refused(self) -> float:
        """Return how many requests without a key were counted."""
        labels = "method=GET,route=/v1/charge-points,status=401"
        return self.scrape().get(("stationmaster_api_requests_total", labels), 0.0)

    def send_refused(self, number: int) -> None:
        """Send requests without a key, each on a connection of its own, so that both workers get some."""
        for _ in range(number):
            with pytest.raises(HTTPError):
                urlopen(f"{self.url}/v1/charge-points")  # noqa: S310


@pytest.fixture(scope="module")
def server(engines: Engines, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = on_engines(tmp_path_factory.mktemp("server"), engines, database_url)
    key = command("key", "create", "--admin", "--scopes", "metrics", env=environment).stdout.strip()
    log = Path(environment["STATIONMASTER_DATA_DIRECTORY"]) / "log"
    with serving(environment, "--workers", "2", log=log) as (process, url):
        yield Server(process.pid, url, key)


def test_each_scrape_shows_the_requests_of_both_workers(server: Server) -> None:
    before = server.refused()
    server.send_refused(40)
    for _ in range(10):
        assert server.refused() == before + 40
    found = server.scrape()
    assert found["stationmaster_workers", ""] == 2
    per_worker = [found["process_cpu_seconds_total", f"worker={number}"] for number in (0, 1)]
    assert all(seconds > 0 for seconds in per_worker)
    ticks = [found["stationmaster_loop_lag_seconds_count", f"worker={number}"] for number in (0, 1)]
    assert all(count > 0 for count in ticks)


def test_no_counter_goes_back_when_a_worker_is_killed(server: Server) -> None:
    server.send_refused(40)
    before = server.scrape()
    victim = min(workers_of(server.process))
    os.kill(victim, signal.SIGKILL)

    def is_replaced() -> bool:
        try:
            found = server.scrape()
        except OSError:
            # The connection waited in the queue of the worker that was killed.
            return False
        starts = sum(
            value for (name, _), value in found.items() if name == "stationmaster_worker_starts_total"
        )
        return starts == 3 and found["stationmaster_workers", ""] == 2

    until(is_replaced)
    after = server.scrape()
    back = {
        key: (value, after.get(key))
        for key, value in before.items()
        if key[0].endswith(("_total", "_bucket", "_count", "_sum")) and after.get(key, 0.0) < value
    }
    assert back == {}


def test_the_build_is_told(server: Server) -> None:
    (labels,) = [labels for name, labels in server.scrape() if name == "stationmaster_build_info"]
    assert [label.split("=")[0] for label in labels.split(",")] == ["commit", "python", "rust", "version"]
    assert "unknown" not in labels.replace("commit=unknown", "")
