"""The dashboard, the alert rules and the page of metrics: they name only what exists."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.metrics_page import PAGE, declared_metrics, page_with_table, samples_of_processes
from tests.support.tools import require_tool

DEPLOY = Path(__file__).parents[2] / "deploy"
_NAME = re.compile(r"\b(?:stationmaster|process|python)_\w+")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_OF_PROMETHEUS = {"instance", "job", "le", "worker"}

_RULES = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'stationmaster_worker_starts_total{{worker="0"}}'
        values: '1x20 2x20'
      - series: 'stationmaster_worker_starts_total{{worker="1"}}'
        values: '1x40'
      - series: 'stationmaster_connections_open'
        values: '100x20 70x40'
    alert_rule_test:
      - {{eval_time: 15m, alertname: StationmasterWorkerReplaced, exp_alerts: []}}
      - eval_time: 25m
        alertname: StationmasterWorkerReplaced
        exp_alerts:
          - exp_labels: {{severity: warning, worker: "0"}}
            exp_annotations:
              summary: "A worker of  ended and was replaced"
              description: "The log says why: worker_ended or worker_hung."
      - {{eval_time: 20m, alertname: StationmasterChargePointsDisappear, exp_alerts: []}}
      - eval_time: 30m
        alertname: StationmasterChargePointsDisappear
        exp_alerts:
          - exp_labels: {{severity: warning}}
            exp_annotations:
              summary: "One in five charge points of  has disconnected within 15 minutes"
              description: "stationmaster_connections_closed_total says why, by reason."
"""


def _rules() -> list[Any]:
    (group,) = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]
    return list(group["rules"])


def _panels() -> list[Any]:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def _expressions() -> Iterator[tuple[str, str]]:
    """Yield each query with its place."""
    for rule in _rules():
        yield rule["alert"], rule["expr"]
    for panel in _panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_each_query_names_metrics_that_exist() -> None:
    known = {sample for metric in declared_metrics() for sample in metric.samples} | samples_of_processes()
    assert {
        (place, name)
        for place, expression in _expressions()
        for name in _NAME.findall(expression)
        if name not in known
    } == set()


def test_each_query_groups_by_labels_that_its_metric_has() -> None:
    labels = {sample: set(metric.labels) for metric in declared_metrics() for sample in metric.samples}
    wrong = set()
    for place, expression in _expressions():
        has = set().union(*(labels.get(name, set()) for name in _NAME.findall(expression)))
        for grouped in _GROUPED.findall(expression):
            wanted = {label.strip() for label in grouped.split(",")}
            wrong |= {(place, label) for label in wanted - has - _OF_PROMETHEUS}
    assert wrong == set()


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    cells = [
        (x, y)
        for panel in _panels()
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    numbers = [panel["id"] for panel in _panels()]
    assert len(numbers) == len(set(numbers))


def test_the_page_lists_every_metric_as_it_is_declared() -> None:
    assert PAGE.read_text("utf-8") == page_with_table()


def test_prometheus_accepts_the_alert_rules() -> None:
    promtool = require_tool("promtool")
    checked = subprocess.run(
        [promtool, "check", "rules", str(DEPLOY / "alerts.yaml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_accepts_the_configuration(tmp_path: Path) -> None:
    promtool = require_tool("promtool")
    for name in ("prometheus.yaml", "alerts.yaml"):
        (tmp_path / name).write_text((DEPLOY / name).read_text())
    (tmp_path / "stationmaster-key").write_text("key")
    checked = subprocess.run(
        [promtool, "check", "config", "prometheus.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
def test_alerts_fire_when_a_worker_was_replaced_and_when_charge_points_disappear(tmp_path: Path) -> None:
    promtool = require_tool("promtool")
    path = tmp_path / "test.yaml"
    path.write_text(_RULES.format(rules=DEPLOY / "alerts.yaml"))
    tested = subprocess.run(
        [promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
