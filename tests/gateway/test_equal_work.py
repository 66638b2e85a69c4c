"""A refused login costs the same work whether or not the charge point exists: its time tells nothing."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.charge_points.credentials import Credentials
from app.charge_points.login_batcher import LoginBatcher
from app.charge_points.records import LoginLookup
from app.charge_points.store import ChargePointStore
from app.charge_points.tables import charge_points
from app.live.shared_buckets import SharedBuckets
from tests.support.gateway import KEY, GatewayServer
from tests.support.raw_client import RawClient


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


OFFERS: dict[str, dict[str, Any]] = {
    "text": {"password": b"guess"},
    "as long as a key": {"password": b"0" * 40},
    "of hexadecimal digits": {"password": b"0a" * 20},
    "another user name": {"user": "OTHER", "password": b"guess"},
    "nothing": {},
    "not Basic authentication": {"headers": {"Authorization": "Bearer guess"}},
    "not base64": {"headers": {"Authorization": "Basic !"}},
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
async def test_known_and_unknown_identities_cost_the_same(
    own_gateway_server: GatewayServer, work: Counter[str], offer: dict[str, Any]
) -> None:
    server = own_gateway_server
    await server.register("KNOWN")
    await server.register("WITHOUT", credential_hash=None)
    changing = await server.register("CHANGING")
    new = Credentials(server.settings.credential_pepper).hash(b"another key")
    async with server.database.tenant(server.tenant.id) as unit:
        until = datetime.now(UTC) + timedelta(days=1)
        await ChargePointStore(unit).set_pending_credential(changing.id, new, until)
    names = ("KNOWN", "WITHOUT", "CHANGING", "NONE", "known")
    answers, costs = set(), set()
    for path in [*(f"/ocpp/{server.tenant.slug}/{name}" for name in names), "/ocpp/no-such-tenant/KNOWN"]:
        work.clear()
        client = await RawClient.open(server.port, path, **{"user": path.rsplit("/", 1)[1], **offer})
        answers.add((client.response.status, client.response.body))
        costs.add(tuple(sorted(work.items())))
    assert len(answers) == 1, answers
    [cost] = costs
    # A guess counts for the address and for the identity, anything else for the address.
    assert dict(cost) == {"hashes": 4, "questions": 1, "takes": 2 if "password" in offer else 1}


async def test_a_right_key_that_is_refused_costs_the_same(
    own_gateway_server: GatewayServer, work: Counter[str]
) -> None:
    server = own_gateway_server
    await server.register("KNOWN")
    safer = await server.register("SAFER")
    async with server.database.tenant(server.tenant.id) as unit:
        await unit.connection.execute(
            update(charge_points).where(charge_points.c.id == safer.id).values(minimum_security_profile=2)
        )
    for identity, user in (("SAFER", "SAFER"), ("KNOWN", "OTHER")):
        work.clear()
        answer = (await server.attempt(identity, user=user, password=KEY)).response
        assert answer.status == 401, answer
        assert work == {"hashes": 4, "questions": 1, "takes": 2}, identity
