"""The reconciler: charge points get their desired configuration, and none is asked in a loop."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from app.charge_points.records import BootFacts
from app.charge_points.store import ChargePointStore
from app.configuration import reconciler as reconciler_module
from app.configuration.parts import configuration_capability
from app.configuration.reconciler import ConfigurationReconciler
from app.configuration.records import KeyState
from app.configuration.rules import key_types
from app.configuration.sealing import ValueSeal
from app.configuration.service import ConfigurationService
from app.configuration.store import ConfigurationStore, KeyStateStore, ReviewStore
from app.outgoing.signature import SecretCipher
from app.settings import Settings
from tests.support.cluster import Cluster, received
from tests.support.limits import times_hit
from tests.support.protocol import OCPP16
from tests.support.workers import Charger, Worker

TYPES = key_types(orjson.loads(OCPP16.describe())["configurationKeys"])


@dataclass
class Device:
    """A charge point's own configuration. answers: the status for some keys; else it is Accepted."""

    values: dict[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    max_keys: int = 50
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def __call__(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        if action == "GetConfiguration":
            self.asked.append((action, payload["key"]))
            known = [key for key in payload["key"] if key in self.values]
            return {
                "configurationKey": [
                    {"key": key, "readonly": False, "value": self.values[key]} for key in known
                ],
                "unknownKey": [key for key in payload["key"] if key not in self.values],
            }
        self.asked.append((action, (payload["key"], payload["value"])))
        status = self.answers.get(payload["key"], "Accepted")
        if status == "Accepted":
            self.values[payload["key"]] = payload["value"]
        return {"status": status}

    @property
    def changes(self) -> list[tuple[str, str]]:
        return [what for action, what in self.asked if action == "ChangeConfiguration"]


class Story:
    """A charge point on worker b, what it should have, and the sweeps of workers."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self.cluster = cluster
        self.settings = settings
        self.seal = ValueSeal(SecretCipher(settings.credential_pepper))
        self.service = ConfigurationService(cluster.database, cluster.clock, TYPES, self.seal)
        self.reconcilers = [self._reconciler(worker) for worker in (cluster.a, cluster.b)]

    def _reconciler(self, worker: Worker) -> ConfigurationReconciler:
        return ConfigurationReconciler(
            self.cluster.database,
            worker.commands,
            worker.presence,
            TYPES,
            self.seal,
            self.cluster.clock,
            self.settings,
        )

    async def charger(self, device: Device) -> Charger:
        return await self.cluster.charger(self.cluster.b, device)

    async def want(self, charger: Charger, **keys: str) -> None:
        await self.service.put_own_keys(self.cluster.tenant_id, charger.connection.identity, keys)

    async def sweep(self, worker: int = 0) -> int:
        return await self.reconcilers[worker].sweep()

    async def states(self, charger: Charger) -> dict[str, str]:
        return {key: state.state for key, state in (await self.key_states(charger)).items()}

    async def key_states(self, charger: Charger) -> dict[str, KeyState]:
        async with self.cluster.database.tenant(self.cluster.tenant_id) as work:
            return await KeyStateStore(work).of_charge_point(charger.connection.charge_point_id)

    async def boot(self, charger: Charger) -> None:
        facts = BootFacts(self.cluster.clock.now(), "Acme", "Duo")
        point = charger.connection.charge_point_id
        await self.cluster.storage.login_batcher.record_boot(self.cluster.tenant_id, point, facts)


@pytest.fixture
async def story(cluster: Cluster, settings: Settings) -> Story:
    # Other tests have left reviews of tenants of theirs.
    async with cluster.database.platform() as work:
        await work.connection.execute(text("delete from configuration_reviews"))
    return Story(cluster, settings)


async def test_keys_that_differ_are_read_changed_and_read_back(story: Story) -> None:
    device = Device({"HeartbeatInterval": "300", "AcmeKey": "a, b"})
    charger = await story.charger(device)
    await story.want(charger, HeartbeatInterval="600", AcmeKey="a, b")
    assert await story.sweep() == 1
    assert device.changes == [("HeartbeatInterval", "600")]
    assert [action for action, _ in device.asked] == [
        "GetConfiguration",
        "ChangeConfiguration",
        "GetConfiguration",
    ]
    assert await story.states(charger) == {"heartbeatinterval": "in_sync", "acmekey": "in_sync"}
    assert await story.sweep() == 0
    (view,) = [
        view
        for view in await story.service.of_charge_point(story.cluster.tenant_id, charger.connection.identity)
        if view.key == "HeartbeatInterval"
    ]
    assert (view.value, view.desired, view.state, view.source) == (
        "600",
        "600",
        "in_sync",
        "GetConfiguration",
    )


async def test_what_is_refused_is_not_asked_in_a_loop(story: Story) -> None:
    device = Device({"AcmeA": "0", "AcmeB": "0"}, {"AcmeA": "Rejected", "AcmeB": "NotSupported"})
    charger = await story.charger(device)
    await story.want(charger, AcmeA="1", AcmeB="1")
    for _ in range(5):
        await story.sweep()
        story.reconcilers[0].logged_in(charger.connection)
        story.cluster.clock.advance(60)
    assert sorted(device.changes) == [("AcmeA", "1"), ("AcmeB", "1")]
    assert await story.states(charger) == {"acmea": "rejected", "acmeb": "not_supported"}
    story.cluster.clock.advance(3600)
    await story.sweep()
    assert len(device.changes) == 3
    await story.want(charger, AcmeA="2")
    await story.sweep()
    assert device.changes[-1] == ("AcmeA", "2")


async def test_a_change_that_needs_a_boot_is_read_back_after_it(story: Story) -> None:
    device = Device({"AcmeKey": "0"}, {"AcmeKey": "RebootRequired"})
    charger = await story.charger(device)
    await story.want(charger, AcmeKey="1")
    await story.sweep()
    asked = len(device.asked)
    story.cluster.clock.advance(3600 * 48)
    await story.sweep()
    assert (await story.states(charger), len(device.asked)) == ({"acmekey": "reboot_required"}, asked)
    device.values["AcmeKey"] = "1"
    await story.boot(charger)
    story.reconcilers[0].logged_in(charger.connection)
    await story.sweep()
    story.cluster.clock.advance(story.settings.configuration_review_delay_s)
    await story.sweep()
    assert await story.states(charger) == {"acmekey": "in_sync"}
    assert device.changes == [("AcmeKey", "1")]


async def test_a_secret_is_sent_and_its_answer_is_found(story: Story) -> None:
    device = Device()
    charger = await story.charger(device)
    await story.want(charger, WifiPassword="hunter2")
    await story.sweep()
    assert device.changes == [("WifiPassword", "hunter2")]
    assert await story.states(charger) == {"wifipassword": "unverified"}
    async with story.cluster.database.tenant(story.cluster.tenant_id) as work:
        known = await ConfigurationStore(work).for_charge_point(charger.connection.charge_point_id)
    assert "hunter2" not in repr(known) + repr(await story.key_states(charger))


async def test_one_worker_takes_a_charge_point(story: Story) -> None:
    devices = [Device({"AcmeKey": "0"}) for _ in range(4)]
    for device in devices:
        await story.want(await story.charger(device), AcmeKey="1")
    taken = await asyncio.gather(story.sweep(0), story.sweep(1))
    assert sum(taken) == 4
    assert [device.changes for device in devices] == [[("AcmeKey", "1")]] * 4


async def test_one_that_is_away_is_changed_after_its_login(story: Story) -> None:
    device = Device({"AcmeKey": "0"})
    record = await story.cluster.charge_point()
    await story.service.put_own_keys(story.cluster.tenant_id, record.identity, {"AcmeKey": "1"})
    assert await story.sweep() == 1
    assert device.asked == []
    charger = await story.cluster.b.connect(story.cluster.storage, record, device)
    story.reconcilers[1].logged_in(charger.connection)
    assert await story.sweep(1) == 0
    story.cluster.clock.advance(story.settings.configuration_review_delay_s)
    assert await story.sweep(1) == 1
    assert device.changes == [("AcmeKey", "1")]


async def test_a_rejected_registration_is_left_alone(story: Story) -> None:
    device = Device({"AcmeKey": "0"})
    record = await story.cluster.charge_point("Rejected")
    charger = await story.cluster.b.connect(story.cluster.storage, record, device)
    await story.want(charger, AcmeKey="1")
    await story.sweep()
    assert device.asked == []


async def test_reads_have_no_more_keys_than_the_charge_point_takes(story: Story) -> None:
    device = Device({f"Acme{number}": "1" for number in range(5)})
    charger = await story.charger(device)
    async with story.cluster.database.tenant(story.cluster.tenant_id) as work:
        await ConfigurationStore(work).put(
            charger.connection.charge_point_id,
            "GetConfigurationMaxKeys",
            "2",
            True,
            story.cluster.clock.now(),
        )
    await story.want(charger, **device.values)
    await story.sweep()
    assert [len(keys) for _, keys in device.asked] == [2, 2, 1]


async def test_a_template_reaches_new_labels_and_its_end_is_noticed(story: Story) -> None:
    device = Device({"AcmeKey": "0"})
    charger = await story.charger(device)
    tenant_id = story.cluster.tenant_id
    await story.service.put_template(tenant_id, "north", 0, {"labels": ["site:north"]}, {"AcmeKey": "1"})
    await story.sweep()
    assert device.asked == []
    async with story.cluster.database.tenant(tenant_id) as work:
        await ChargePointStore(work).update(charger.connection.identity, labels={"site": "north"})
        await story.service.labels_changed(work, [charger.connection.charge_point_id])
    await story.sweep()
    assert device.changes == [("AcmeKey", "1")]
    await story.service.delete_template(tenant_id, "north")
    await story.sweep()
    assert await story.states(charger) == {}
    story.reconcilers[0].logged_in(charger.connection)
    story.cluster.clock.advance(3600)
    assert await story.sweep() == 0


async def test_a_review_of_a_dead_worker_is_taken_again(story: Story) -> None:
    device = Device({"AcmeKey": "0"})
    charger = await story.charger(device)
    await story.want(charger, AcmeKey="1")
    now = story.cluster.clock.now()
    async with story.cluster.database.platform() as work:
        taken = await ReviewStore(work).take(now, now + timedelta(minutes=10), 1000)
    assert charger.connection.charge_point_id in [review.charge_point_id for review in taken]
    assert await story.sweep() == 0
    story.cluster.clock.advance(600)
    assert await story.sweep() >= 1
    assert device.changes == [("AcmeKey", "1")]


async def test_a_login_during_a_review_brings_another_one(story: Story) -> None:
    charger = await story.charger(Device({"AcmeKey": "0"}))
    await story.want(charger, AcmeKey="1")
    now = story.cluster.clock.now()
    key = (story.cluster.tenant_id, charger.connection.charge_point_id)
    async with story.cluster.database.platform() as work:
        store = ReviewStore(work)
        reviews = await store.take(now, now + timedelta(minutes=10), 1000)
        await store.note_logins([key], now + timedelta(seconds=20))
        for review in reviews:
            await store.finish(review, now + timedelta(hours=6), 0, None)
        later = now + timedelta(seconds=30)
        again = await store.take(later, later + timedelta(minutes=10), 1000)
    assert [review.charge_point_id for review in again if review.tenant_id == key[0]] == [key[1]]


async def test_in_the_background_a_slow_charge_point_holds_up_no_other(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler_module, "_SWEEP_S", 0.02)
    slow, device = await story.cluster.charger(story.cluster.b, lambda *_: None), Device({"AcmeKey": "0"})
    await story.want(slow, AcmeKey="1")
    reconciler = story.reconcilers[0]
    reconciler.start()
    try:
        await received(slow)
        charger = await story.charger(device)
        await story.want(charger, AcmeKey="1")
        await received(charger, 3)
    finally:
        await reconciler.close()
    assert device.changes == [("AcmeKey", "1")]


async def test_logins_beyond_the_limit_are_counted(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    charger = await story.charger(Device())
    monkeypatch.setattr(reconciler_module, "_LOGINS_LIMIT", 0)
    before = times_hit("configuration_logins")
    story.reconcilers[0].logged_in(charger.connection)
    assert times_hit("configuration_logins") == before + 1


async def test_one_that_does_not_answer_is_left_alone_although_it_logs_in(story: Story) -> None:
    charger = await story.charger(Device({"AcmeKey": "0"}, {"AcmeKey": "Unreadable"}))
    await story.want(charger, AcmeKey="1")
    for _ in range(4):
        await story.sweep()
        story.reconcilers[0].logged_in(charger.connection)
        story.cluster.clock.advance(30)
    assert await story.states(charger) == {"acmekey": "failed"}
    assert [action for action, _ in charger_actions(charger)] == ["GetConfiguration", "ChangeConfiguration"]


def charger_actions(charger: Charger) -> list[tuple[str, Any]]:
    return [(action, payload) for _, action, payload in charger.received]


def test_the_reconciler_can_be_off(cluster: Cluster, settings: Settings) -> None:
    off = settings.model_copy(update={"configuration_reviews": False})
    worker = cluster.a
    parts = (cluster.database, worker.commands, worker.presence, OCPP16, cluster.clock)
    assert configuration_capability(*parts, off).tasks == ()
    assert len(configuration_capability(*parts, settings).tasks) == 1
