"""The Helm chart: it passes Helm's own linter, and what it renders is what Kubernetes accepts."""

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.support.tools import require_tool

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "stationmaster"
_SECRET = "existingSecret=stationmaster"
_FOR = "--kube-version=1.31.0"
_VERSIONS = ("1.31", "1.36")
"""The oldest and the newest Kubernetes whose schemas are looked at."""


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([require_tool("helm"), *arguments], capture_output=True, text=True)


def rendered(*values: str) -> dict[str, Any]:
    """Return the manifests by their kinds."""
    sets = [
        part for value in (_SECRET, *values) for part in ("--set-json" if "={" in value else "--set", value)
    ]
    ran = helm("template", "stationmaster", str(CHART), _FOR, *sets)
    assert ran.returncode == 0, ran.stderr
    return {document["kind"]: document for document in yaml.safe_load_all(ran.stdout) if document}


def server_of(manifests: dict[str, Any]) -> Any:
    [container] = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


def test_helm_lints_the_chart_without_a_warning() -> None:
    ran = helm("lint", "--strict", str(CHART), "--set", _SECRET)
    assert ran.returncode == 0, ran.stdout
    assert "[WARNING]" not in ran.stdout


@pytest.mark.parametrize("version", _VERSIONS)
def test_what_the_chart_renders_is_what_kubernetes_accepts(version: str) -> None:
    manifests = rendered(
        'settings={"STATIONMASTER_WORKERS": "2"}',
        'dataVolume={"persistentVolumeClaim": {"claimName": "files"}}',
        'podAnnotations={"a": "b"}',
        'nodeSelector={"kubernetes.io/arch": "amd64"}',
    )
    assert set(manifests) == {"Deployment", "Service", "PodDisruptionBudget"}
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_probes_ask_the_health_of_the_server() -> None:
    server = server_of(rendered())
    paths = {name: probe["httpGet"]["path"] for name, probe in server.items() if name.endswith("Probe")}
    assert paths == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }
    # Its answer takes up to two seconds.
    assert server["readinessProbe"]["timeoutSeconds"] == 3


def test_a_pod_has_no_rights_and_gets_no_variables_of_services() -> None:
    pod = rendered()["Deployment"]["spec"]["template"]["spec"]
    [server] = pod["containers"]
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (False, False)


def test_a_pod_ends_after_its_balancers_have_noticed_and_its_sockets_are_closed() -> None:
    pod = rendered("preStopSeconds=7")["Deployment"]["spec"]["template"]["spec"]
    [server] = pod["containers"]
    assert server["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "7"]
    assert pod["terminationGracePeriodSeconds"] == 67


def test_secrets_come_from_a_secret_that_exists() -> None:
    environment = {entry["name"]: entry for entry in server_of(rendered())["env"]}
    for name in ("DATABASE_URL", "REDIS_URL", "STATIONMASTER_CREDENTIAL_PEPPER"):
        assert environment[name]["valueFrom"]["secretKeyRef"] == {"name": "stationmaster", "key": name}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), "existingSecret"),
        (("--set", _SECRET, "--set", "replica=3"), "replica"),
        (("--set", _SECRET, "--set", "settings.DATABASE_URL=postgresql://x"), "DATABASE_URL"),
        (("--set", _SECRET, "--set", "terminationGracePeriodSeconds=5"), "terminationGracePeriodSeconds"),
    ],
    ids=["no secret", "misspelt", "a secret as a setting", "too little time to drain"],
)
def test_a_value_that_cannot_work_is_refused_by_its_name(values: tuple[str, ...], named: str) -> None:
    ran = helm("template", "stationmaster", str(CHART), _FOR, *values)
    assert ran.returncode != 0
    assert named in ran.stderr
