"""The metrics of this process: each with a rule for several workers, and none lost on the way to the text."""

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import ACROSS
from app.scraping.families import decoded, encoded
from app.scraping.snapshots import exposition, snapshot


def _ours() -> dict[str, str]:
    return {
        metric.name: metric.type for metric in REGISTRY.collect() if metric.name.startswith("stationmaster_")
    }


def test_each_gauge_says_how_those_of_several_workers_become_one() -> None:
    assert {name for name, kind in _ours().items() if kind == "gauge"} - ACROSS.keys() == set()


def test_only_metrics_that_exist_have_a_rule() -> None:
    assert ACROSS.keys() - _ours().keys() == set()


def test_the_text_is_that_of_the_library_without_times_of_creation() -> None:
    def shown(text: bytes) -> dict[str, set[str]]:
        return {
            family.name: {sample.name for sample in family.samples}
            for family in text_string_to_metric_families(text.decode())
            if not family.name.endswith("_created")
        }

    assert shown(exposition(decoded(encoded(snapshot())))) == shown(generate_latest())


def test_metrics_of_the_process_belong_to_its_worker() -> None:
    assert {family.across for family in snapshot() if not family.name.startswith("stationmaster_")} == {
        "by_worker"
    }
