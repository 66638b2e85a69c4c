"""A refused login costs the same work whether or not the charge point exists: its time tells nothing."""

from collections import Counter

import pytest

from app.charge_points.credentials import Credentials
from app.charge_points.login_batcher import LoginBatcher
from app.charge_points.records import LoginLookup
from app.live.shared_buckets import SharedBuckets
from tests.support.gateway import GatewayServer
from tests.support.raw_client import RawClient

PASSWORDS = {"text": b"guess", "as long as a key": b"0" * 40, "of hexadecimal digits": b"0a" * 20}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the hashes, the questions to the database, and the tokens taken in Redis."""
    counts: Counter[str] = Counter()
    digest, find, take = Credentials._digest, LoginBatcher.find, SharedBuckets.take

    def counted_digest(credentials: Credentials, salt: bytes, key: bytes) -> bytes:
        counts["hashes"] += 1
        return digest(credentials, salt, key)

    async def counted_find(logins: LoginBatcher, tenant: str, identity: str) -> LoginLookup:
        counts["questions"] += 1
        return await find(logins, tenant, identity)

    async def counted_take(buckets: SharedBuckets, takes: object) -> object:
        counts["takes"] += len(takes)  # type: ignore[arg-type]
        return await take(buckets, takes)  # type: ignore[arg-type]

    monkeypatch.setattr(Credentials, "_digest", counted_digest)
    monkeypatch.setattr(LoginBatcher, "find", counted_find)
    monkeypatch.setattr(SharedBuckets, "take", counted_take)
    return counts


@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
async def test_known_and_unknown_identities_cost_the_same(
    own_gateway_server: GatewayServer, work: Counter[str], password: bytes
) -> None:
    server = own_gateway_server
    await server.register("KNOWN")
    await server.register("WITHOUT", credential_hash=None)
    bodies = []
    for identity in ("KNOWN", "WITHOUT", "UNKNOWN", "known"):
        work.clear()
        answer = (await server.attempt(identity, password=password)).response
        bodies.append((answer.status, answer.body))
        assert work == {"hashes": 4, "questions": 1, "takes": 2}, identity
    work.clear()
    elsewhere = await RawClient.open(
        server.port, "/ocpp/no-such-tenant/KNOWN", user="KNOWN", password=password
    )
    bodies.append((elsewhere.response.status, elsewhere.response.body))
    assert work == {"hashes": 4, "questions": 1, "takes": 2}
    assert len(set(bodies)) == 1
