"""How the metrics of several workers become one."""

from app.scraping.families import (
    Across,
    MetricFamily,
    SampleName,
    combined,
    counting,
    decoded,
    encoded,
    of_worker,
)


def _family(across: Across, value: float, kind: str = "gauge", **labels: str) -> MetricFamily:
    return MetricFamily("a", "A metric.", kind, across, {SampleName("a", tuple(labels.items())): value})


def _of_two(across: Across) -> dict[SampleName, float]:
    (family,) = combined([_family(across, 2.0), _family(across, 5.0)])
    return dict(family.values)


def test_values_are_added_up() -> None:
    assert _of_two("sum") == {SampleName("a", ()): 7.0}


def test_the_least_value_counts() -> None:
    assert _of_two("least") == {SampleName("a", ()): 2.0}


def test_the_largest_value_counts() -> None:
    assert _of_two("most") == {SampleName("a", ()): 5.0}


def test_each_worker_keeps_its_own_value_under_its_number() -> None:
    workers = [*of_worker([_family("by_worker", 2.0)], 0), *of_worker([_family("by_worker", 5.0)], 1)]
    (family,) = combined(workers)
    assert family.values == {
        SampleName("a", (("worker", "0"),)): 2.0,
        SampleName("a", (("worker", "1"),)): 5.0,
    }


def test_other_labels_are_other_values() -> None:
    (family,) = combined([_family("sum", 2.0, reason="x"), _family("sum", 5.0, reason="y")])
    assert sorted(family.values.values()) == [2.0, 5.0]


def test_what_only_grows_stays_when_its_worker_has_ended() -> None:
    kept = [_family("sum", 1.0, "counter"), _family("sum", 1.0, "histogram")]
    assert counting([*kept, _family("sum", 1.0, "gauge")]) == kept


def test_a_message_brings_what_was_sent() -> None:
    families = [_family("sum", 0.1, "counter", reason="x", code="y"), _family("least", 7.0)]
    assert decoded(encoded(families)) == families
