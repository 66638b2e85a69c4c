"""`stationmaster bench`: runs the load generator of the benchmarks against any deployment.

The generator is a separate program (`benchmarks/load`, Rust) and not part of the package. This module finds
it, creates the charge points that it needs, and prints the results.
"""

import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.simulator.credentials import CredentialFile
from app.simulator.errors import SimulatorError
from app.simulator.rest import RestClient, split_url
from app.simulator.tls import TlsContexts, TlsFiles
from app.types import SLUG_PATTERN

_PROGRAM = "stationmaster-load"
_VARIABLE = "STATIONMASTER_LOAD"
_ID_TAG = "BENCHMARK"
# The name of the charge points that are created here.
_NAME = "Benchmark"
_REMEMBER_EVERY = 50
_LIMIT = "which STATIONMASTER_RATE_PER_S bounds"
_BAD_URL = "URL: {url!r} must be ws://host:port/ocpp/{{tenant}} or wss://host:port/ocpp/{{tenant}}"
_WARM_UP_S = 1.0
"""Seconds of each round before the generator measures."""

_ANSWER_S = 5.0
_REFRESH_S = 0.5


class BenchError(Exception):
    """The load cannot run. The text is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class BenchTarget:
    """The deployment to measure. address: of its API, such as https://host:port."""

    address: str
    tenant: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Take apart ws://host:port/ocpp/{tenant} or wss://host:port/ocpp/{tenant}.

        Raises:
            BenchError: it does not have this form.
        """
        try:
            parts = split_url(url, ("ws", "wss"), "URL")
        except SimulatorError:
            raise BenchError(_BAD_URL.format(url=url)) from None
        *_, before, tenant = ["", "", *unquote(parts.path).strip("/").split("/")]
        if before != "ocpp" or not re.fullmatch(SLUG_PATTERN, tenant):
            raise BenchError(_BAD_URL.format(url=url))
        return cls(f"{parts.scheme.replace('ws', 'http', 1)}://{parts.netloc}", tenant)


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """One measurement.

    url: see `BenchTarget`; rate_per_s None: each charge point waits for its answer; ca_file: PEM file of the
    roots that the API is trusted by, None: those of the system.
    """

    url: str
    scenario: str
    sockets: int
    rate_per_s: float | None
    seconds: float
    rounds: int
    credentials: Path
    api_key: str | None
    prefix: str
    ca_file: Path | None = None


def run_bench(options: BenchOptions) -> tuple[dict[str, Any], bool]:
    """Run the measurement. Return the JSON of the generator, and whether all answers were correct.

    Raises:
        BenchError: the URL has another form, or the generator is missing or refuses its arguments.
        SimulatorError: the API refuses to create the charge points, or the key belongs to another tenant.
    """
    target = BenchTarget.of(options.url)
    program = find_program()
    _provision(options, target)
    command = [program, options.url, f"--passwords={options.credentials}"]
    command += [f"--identity={options.prefix}-{{}}", f"--id-tag={_ID_TAG}", f"--scenario={options.scenario}"]
    command += [f"--sockets={options.sockets}", f"--seconds={options.seconds}", f"--rounds={options.rounds}"]
    if options.rate_per_s is not None:
        command.append(f"--rate={options.rate_per_s}")
    result = _run(command, options)
    if result.returncode not in (0, 1) or not result.stdout:
        raise BenchError(result.stderr.strip().removeprefix(f"{_PROGRAM}: "))
    found: dict[str, Any] = json.loads(result.stdout)
    return found, result.returncode == 0


def _run(command: Sequence[str], options: BenchOptions) -> "subprocess.CompletedProcess[str]":
    """Run the generator, and show meanwhile how much of its time is over."""
    expected_s = 0.0 if options.scenario == "storm" else options.rounds * (options.seconds + _WARM_UP_S)
    begun = time.monotonic()
    with _progress() as bar, ThreadPoolExecutor(1) as pool:
        task = bar.add_task("measuring", total=expected_s or None)
        running = pool.submit(subprocess.run, command, capture_output=True, text=True)
        while not wait([running], timeout=_REFRESH_S).done:
            bar.update(task, completed=min(time.monotonic() - begun, expected_s))
        return running.result()


def _progress() -> Progress:
    """Return bars on standard error, because standard output has the results."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))


def _require_answer(target: BenchTarget, trust: ssl.SSLContext | None) -> None:
    """Check that something answers there, before charge points are made or the generator waits for long.

    Raises:
        BenchError: the text says what happened instead.
    """
    parts = urlsplit(target.address)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPConnection(host, parts.port, timeout=_ANSWER_S)
        if trust is None
        else http.client.HTTPSConnection(host, parts.port, timeout=_ANSWER_S, context=trust)
    )
    try:
        connection.request("GET", "/health/live")
        connection.getresponse()
    except TimeoutError:
        raise BenchError(f"URL: {target.address} does not answer within {_ANSWER_S:.0f} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"URL: {target.address} does not answer: {error or type(error).__name__}") from None
    finally:
        connection.close()


def find_program() -> str:
    """Return the path of the load generator: from the environment, from PATH, or in the checkout.

    Raises:
        BenchError: it was not found; the text says how to get it.
    """
    built = Path(__file__).parents[2] / "target" / "release" / _PROGRAM
    named = os.environ.get(_VARIABLE)
    found = named or shutil.which(_PROGRAM) or (str(built) if built.exists() else None)
    if found is None:
        raise BenchError(
            f"the load generator is missing: `make load` in a checkout builds target/release/{_PROGRAM}; "
            f"put it on PATH, or name it in {_VARIABLE}"
        )
    if shutil.which(found) is None:
        raise BenchError(f"{_VARIABLE}: {found} is not a program")
    return found


def summary_lines(found: dict[str, Any]) -> list[str]:
    """Return the results as lines for people."""
    lines = [
        f"connected {figures['connections']}: {figures['connections_per_s']:.0f}/s, "
        f"p99 {figures['latency']['p99_ms']:.1f} ms"
        for figures in found["connections"]
    ]
    lines += [f"round {number}: {_round(figures)}" for number, figures in enumerate(found["rounds"], 1)]
    failures = {name: count for name, count in found["failures"].items() if name != "examples" and count}
    if failures:
        lines.append(f"failures: {failures}; {'; '.join(found['failures']['examples'])}")
    return lines


def _round(figures: dict[str, Any]) -> str:
    if not figures["answers"]:
        return "no answers"
    latency = figures["latency"]
    text = (
        f"{figures['frames_per_s']:.0f} frames/s, p50 {latency['p50_ms']:.2f} ms, "
        f"p99 {latency['p99_ms']:.2f} ms, overdue {figures['overdue']}"
    )
    each = figures["frames_per_s"] / figures["sockets"]
    # Without this text the limit may be taken for the speed of the server.
    return text if figures["rate_per_s"] else f"{text}; {each:.0f}/s for each charge point, {_LIMIT}"


def _provision(options: BenchOptions, target: BenchTarget) -> None:
    """Create the id tag, and the charge points whose passwords are not known here.

    Nothing is changed before it is certain that something answers, that the key is of the tenant, and that
    all charge points are of a measurement.
    """
    file = CredentialFile(options.credentials)
    identities = [f"{options.prefix}-{number:05d}" for number in range(options.sockets)]
    unknown = [identity for identity in identities if file.password(identity) is None]
    if unknown and options.api_key is None:
        raise BenchError(
            f"STATIONMASTER_API_KEY (or --api-key) is needed: {options.credentials} has no password for "
            f"{unknown[0]}"
        )
    is_tls = target.address.startswith("https:")
    trust = TlsContexts(TlsFiles(options.ca_file)).shared() if is_tls else None
    _require_answer(target, trust)
    if not unknown or options.api_key is None:
        return
    with RestClient(target.address, options.api_key, "URL", trust) as api, _progress() as bar:
        api.require_tenant(target.tenant)
        names = api.names(f"{options.prefix}-")
        _require_ours(unknown, names)
        if _ID_TAG not in api.id_tags(_ID_TAG):
            api.create_id_tag(_ID_TAG)
        task = bar.add_task("registering charge points", total=len(unknown))
        for start in range(0, len(unknown), _REMEMBER_EVERY):
            batch = unknown[start : start + _REMEMBER_EVERY]
            file.remember({identity: _password(api, identity, names) for identity in batch})
            bar.advance(task, len(batch))


def _require_ours(identities: Sequence[str], names: Mapping[str, str | None]) -> None:
    """Refuse to replace the password of a charge point that was not created here."""
    for identity in identities:
        if names.get(identity, _NAME) != _NAME:
            raise BenchError(
                f"charge point {identity} was not created by bench, which would replace its password: "
                f"choose another --prefix, or another tenant"
            )


def _password(api: RestClient, identity: str, names: Mapping[str, str | None]) -> str:
    credential = (
        api.replace_credential(identity) if identity in names else api.create_charge_point(identity, _NAME)
    )
    password: str = credential["password"]
    return password


def print_results(found: dict[str, Any]) -> None:
    """Print the JSON on standard output, and a few lines for people on standard error."""
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    for line in summary_lines(found):
        sys.stderr.write(line + "\n")
