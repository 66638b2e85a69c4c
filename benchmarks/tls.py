"""Measures what TLS costs: stored MeterValues, a connection storm, and idle connections.

One server serves both ports, and plain and TLS are measured in turns. The certificate that is used has an
ECDSA key.
"""

import asyncio
import datetime
from pathlib import Path
from typing import Any

import asyncpg
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.accounting import memory
from benchmarks.host import Cores
from benchmarks.load import FleetPlan, LoadError, Run, running_fleet
from benchmarks.plan import Plan
from benchmarks.rounds import Figures, Measured, measure_round, summarize_rounds
from benchmarks.storm import storm_round
from benchmarks.summary import significant
from benchmarks.testbed import Testbed, running_server

PLAIN, TLS = "plain", "tls"


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the figures of both, and the ratio of the CPU time of a stored MeterValues.

    Raises:
        LoadError: an answer was wrong.
    """
    sockets = max(plan.durable_sockets)
    durable: dict[str, list[Figures]] = {PLAIN: [], TLS: []}
    storms: dict[str, list[Figures]] = {PLAIN: [], TLS: []}
    async with running_server(testbed, cores, directory, certificate=_certificate(directory)) as server:
        if server.tls_url is None:
            raise LoadError("the server does not serve TLS")
        plans = {
            PLAIN: FleetPlan(server.url, testbed.key, sources=4),
            TLS: FleetPlan(server.tls_url, testbed.key, first=sockets, sources=4),
        }
        async with running_fleet(plans[PLAIN]) as plain, running_fleet(plans[TLS]) as tls:
            subjects = {PLAIN: Measured(server, plain, testbed), TLS: Measured(server, tls, testbed)}
            for subject in subjects.values():
                await subject.fleet.connect(sockets)
            for _ in range(plan.durable_rounds):
                for name, subject in subjects.items():
                    run = Run("meter_values", sockets, plan.durable_warm_up_s, plan.durable_round_s)
                    durable[name].append((await measure_round(subject, run))[0])
            for subject in subjects.values():
                await subject.fleet.hang_up()
            for _ in range(plan.storm_rounds):
                for name, subject in subjects.items():
                    await _lower_minima(testbed)
                    await asyncio.sleep(plan.storm_settle_s)
                    storms[name].append(await storm_round(subject, plan))
    found = {name: summarize_rounds(rounds) for name, rounds in durable.items()}
    ratio = found[TLS]["server_cpu_us"]["median"] / found[PLAIN]["server_cpu_us"]["median"]
    idle = {}
    for name in (PLAIN, TLS):
        await _lower_minima(testbed)
        idle[name] = await _idle(testbed, cores, plan, directory, is_tls=name == TLS)
    # The other parts connect by the plain port.
    await _lower_minima(testbed)
    return {
        "sockets": sockets,
        "durable": found,
        "durable_cpu_ratio": significant(ratio),
        "storm": {name: summarize_rounds(rounds) for name, rounds in storms.items()},
        "idle_bytes_per_connection": idle,
    }


async def _lower_minima(testbed: Testbed) -> None:
    """Let all charge points log in without TLS again, which those that have used it may not do."""
    connection = await asyncpg.connect(testbed.engines.database_url)
    await connection.execute("update charge_points set minimum_security_profile = 0")
    await connection.close()


async def _idle(testbed: Testbed, cores: Cores, plan: Plan, directory: Path, *, is_tls: bool) -> float:
    """Return the bytes that one more idle connection of a new server takes, after the first half."""
    most = plan.storm_connections
    half = most // 2
    resident = []
    async with running_server(testbed, cores, directory, certificate=_certificate(directory)) as server:
        url = server.tls_url if is_tls and server.tls_url is not None else server.url
        async with running_fleet(FleetPlan(url, testbed.key, sources=4)) as fleet:
            for first, count in ((0, half), (half, most - half)):
                await fleet.connect(count, first=first)
                await asyncio.sleep(plan.idle_settle_s)
                resident.append(memory(server.processes).resident_bytes)
    return significant((resident[1] - resident[0]) / (most - half))


def _certificate(directory: Path) -> Path:
    """Write a certificate with its ECDSA key into one file, and return its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = directory / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return path
