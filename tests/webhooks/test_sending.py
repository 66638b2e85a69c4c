"""Events on their way to receivers: in order, again after a failure, given up, disabled, replayed."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from prometheus_client import REGISTRY

from app.webhooks.dispatcher import WebhookDispatcher
from tests.support.receiver import Receiver, receiving
from tests.webhooks.conftest import PENDING_LIMIT, PENDING_OF_CHARGE_POINT_LIMIT, Desk

pytestmark = pytest.mark.slow


Found = TypeVar("Found")


def limit_hits(name: str) -> float:
    return REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": name}) or 0.0


async def shown(read: Callable[[], Awaitable[Found]], fits: Callable[[Found], bool]) -> Found:
    """Read again and again until what is read fits."""
    async with asyncio.timeout(60):
        while True:
            if fits(found := await read()):
                return found
            await asyncio.sleep(0.05)


async def until_state(desk: Desk, webhook_id: str, state: str, number: int = 1) -> list[dict[str, Any]]:
    """Wait until some deliveries are in a state, and return them."""
    return await shown(lambda: desk.deliveries(webhook_id, state=state), lambda log: len(log) >= number)


async def test_events_come_signed_and_in_order(desk: Desk, receiver: Receiver) -> None:
    await desk.register("A")
    webhook = await desk.webhook(receiver.url)
    await desk.write("A", "A", "A")
    await receiver.until(lambda: len(receiver.taken()) == 3)
    ids = [one.event["id"] for one in receiver.messages]
    page = await desk.operator.get("/events")
    assert ids == [one["id"] for one in page["items"]]
    assert receiver.messages[0].event == page["items"][0]
    [newest, *_] = await until_state(desk, webhook["id"], "delivered", 3)
    assert newest["event_id"] == ids[-1]
    assert (newest["attempts"], newest["status_code"], newest["answer"]) == (1, 200, "seen")


async def test_a_failure_holds_the_events_of_its_charge_point_only(desk: Desk, receiver: Receiver) -> None:
    tries: Counter[str] = Counter()

    async def decide(event: Any) -> int:
        tries[event["charge_point"]] += 1
        return 500 if event["charge_point"] == "A" and tries["A"] <= 2 else 200

    receiver.decide = decide
    await desk.register("A")
    await desk.register("B")
    webhook = await desk.webhook(receiver.url)
    await desk.write("A", "A", "B")
    await receiver.until(lambda: len(receiver.taken()) == 3)
    assert receiver.story() == ["B", "A", "A"]
    a = [one for one in receiver.messages if one.event["charge_point"] == "A"]
    assert [one.status for one in a] == [500, 500, 200, 200]
    assert len({one.id for one in a[:3]}) == 1, "a retry has the id of its message"
    log = await until_state(desk, webhook["id"], "delivered", 3)
    assert [one["attempts"] for one in log] == [1, 1, 3]


async def test_a_dead_letter_is_passed_over(desk: Desk, receiver: Receiver) -> None:
    first: list[str] = []

    async def decide(event: Any) -> int:
        first.append(event["id"])
        return 503 if event["id"] == first[0] else 200

    receiver.decide = decide
    await desk.register("A")
    webhook = await desk.webhook(receiver.url)
    await desk.write("A", "A")
    await receiver.until(lambda: len(receiver.taken()) == 1)
    [dead] = await until_state(desk, webhook["id"], "dead")
    assert dead["event_id"] == first[0]
    assert dead["attempts"] == 4
    assert (dead["status_code"], dead["reason"], dead["answer"]) == (503, "http_status", "seen")
    assert dead["next_attempt_at"] is None
    receiver.decide = Receiver().decide
    await desk.operator.post(f"/webhooks/{webhook['id']}/replay", {"after": None})
    await receiver.until(lambda: len(receiver.taken()) == 3)
    assert [one.event["id"] for one in receiver.taken()[1:]] == sorted(set(first), key=first.index)


async def test_filters_let_pass_types_charge_points_and_labels(desk: Desk, receiver: Receiver) -> None:
    await desk.register("A", labels={"site": "north"})
    await desk.register("B", labels={"site": "south"})
    await desk.register("C", labels={"site": "north", "row": "1"})
    await desk.webhook(
        receiver.url,
        event_types=["connection.closed"],
        charge_points=["A", "B"],
        labels={"site": "north"},
    )
    await desk.write("A", "B", "C")
    await desk.write("B", "C", "A", kind="connection.closed")
    await receiver.until(lambda: len(receiver.taken()) == 1)
    [message] = receiver.messages
    assert (message.event["charge_point"], message.event["type"]) == ("A", "connection.closed")


async def test_a_receiver_that_is_gone_is_disabled_with_audit(desk: Desk, receiver: Receiver) -> None:
    async def decide(_: Any) -> int:
        return 410

    receiver.decide = decide
    await desk.register("A")
    webhook = await desk.webhook(receiver.url)
    await desk.write("A", "A")
    path = f"/webhooks/{webhook['id']}"
    disabled = await shown(lambda: desk.operator.get(path), lambda found: found["state"] == "disabled")
    assert disabled["disabled_reason"] == "gone"
    assert disabled["failing_since"] is not None
    audit = (await desk.operator.get("/audit"))["items"]
    assert (audit[0]["act"], audit[0]["actor"]) == ("disable_webhook", "server")
    receiver.decide = Receiver().decide
    enabled = await desk.operator.patch(path, {"enabled": True})
    assert (enabled["state"], enabled["failing_since"]) == ("active", None)
    await receiver.until(lambda: len(receiver.taken()) == 2)


async def test_one_event_is_sent_again(desk: Desk, receiver: Receiver) -> None:
    await desk.register("A")
    webhook = await desk.webhook(receiver.url)
    await desk.write("A", "A")
    await receiver.until(lambda: len(receiver.taken()) == 2)
    [_, older] = await until_state(desk, webhook["id"], "delivered", 2)
    path = f"/webhooks/{webhook['id']}/deliveries/{older['event_id']}/resend"
    response = await desk.operator._client.post(f"/v1{path}")
    assert response.status_code == 202
    await receiver.until(lambda: len(receiver.taken()) == 3)
    assert receiver.messages[2].id == receiver.messages[0].id
    assert await desk.operator.refusal(f"/webhooks/{webhook['id']}/deliveries/MQ/resend", None) == 404


async def test_a_receiver_that_is_away_gets_all_behind_the_limit_later(
    desk: Desk, receiver: Receiver
) -> None:
    is_away = asyncio.Event()

    async def decide(_: Any) -> int:
        await is_away.wait()
        return 200

    receiver.decide = decide
    names = [f"CP-{number}" for number in range(PENDING_LIMIT + 15)]
    for name in names:
        await desk.register(name)
    webhook = await desk.webhook(receiver.url)
    before = limit_hits("webhook_pending")
    await desk.write(*names)
    await until_state(desk, webhook["id"], "pending", PENDING_LIMIT)
    log = await shown(
        lambda: desk.deliveries(webhook["id"]), lambda _: limit_hits("webhook_pending") > before
    )
    assert len(log) == PENDING_LIMIT
    is_away.set()
    await receiver.until(lambda: len(receiver.taken()) == PENDING_LIMIT + 15)
    assert sorted(receiver.story()) == sorted(names)


async def test_a_charge_point_whose_events_fail_leaves_room_for_the_others(
    desk: Desk, receiver: Receiver
) -> None:
    is_repaired = asyncio.Event()

    async def decide(event: Any) -> int:
        if event["charge_point"] == "A":
            await is_repaired.wait()
        return 200

    receiver.decide = decide
    await desk.register("A")
    await desk.register("B")
    webhook = await desk.webhook(receiver.url)
    before = limit_hits("webhook_pending_of_charge_point")
    story = ["A"] * PENDING_LIMIT + ["B", "A", "B"]
    await desk.write(*story)
    await receiver.until(lambda: receiver.story().count("B") == 2)
    await shown(
        lambda: desk.deliveries(webhook["id"], state="pending"),
        lambda log: [one["charge_points"] for one in log] == [["A"]] * PENDING_OF_CHARGE_POINT_LIMIT,
    )
    assert limit_hits("webhook_pending_of_charge_point") == before + 1
    is_repaired.set()
    await receiver.until(lambda: len(receiver.taken()) == len(story))
    events = (await desk.operator.get("/events", limit=100))["items"]
    for name in ("A", "B"):
        taken = [one.event["id"] for one in receiver.taken() if one.event["charge_point"] == name]
        assert taken == [one["id"] for one in events if one["charge_point"] == name]


async def test_a_replay_repeats_what_was_behind_once(desk: Desk, receiver: Receiver) -> None:
    is_repaired = asyncio.Event()

    async def decide(_: Any) -> int:
        await is_repaired.wait()
        return 200

    receiver.decide = decide
    await desk.register("A")
    await desk.register("B")
    webhook = await desk.webhook(receiver.url)
    await desk.write(*["A"] * (PENDING_LIMIT + 5), "B")
    await until_state(desk, webhook["id"], "pending", PENDING_OF_CHARGE_POINT_LIMIT + 1)
    events = (await desk.operator.get("/events", limit=100))["items"]
    middle = events[PENDING_LIMIT]["id"]
    await desk.operator.post(f"/webhooks/{webhook['id']}/replay", {"after": middle})
    is_repaired.set()
    await receiver.until(lambda: len({one.id for one in receiver.taken()}) == len(events))
    taken = [one.event["id"] for one in receiver.taken() if one.event["charge_point"] == "A"]
    assert list(dict.fromkeys(taken)) == [one["id"] for one in events if one["charge_point"] == "A"]


async def test_a_receiver_that_asks_to_be_left_alone_is(desk: Desk, receiver: Receiver) -> None:
    async def decide(_: Any) -> int:
        return 429

    receiver.decide, receiver.headers = decide, {"Retry-After": "3600"}
    names = ("A", "B", "C", "D", "E", "F")
    for name in names:
        await desk.register(name)
    webhook = await desk.webhook(receiver.url)
    await desk.write(*names)
    log = await shown(
        lambda: desk.deliveries(webhook["id"]),
        lambda found: sum(one["attempts"] for one in found) == len(receiver.messages) > 0,
    )
    for one in log:
        if one["attempts"]:
            at, again_at = map(datetime.fromisoformat, (one["last_attempt_at"], one["next_attempt_at"]))
            assert again_at - at >= timedelta(hours=1)
    await desk.write("E")
    await shown(lambda: desk.deliveries(webhook["id"]), lambda found: len(found) == len(names) + 1)
    assert len(receiver.messages) <= 4, "those that were under way when it asked"
    receiver.decide = Receiver().decide
    await desk.operator.patch(f"/webhooks/{webhook['id']}", {"enabled": True})
    await receiver.until(lambda: len(receiver.taken()) == len(names) + 1)


async def test_a_slow_receiver_does_not_hold_another_one(desk: Desk, receiver: Receiver) -> None:
    never = asyncio.Event()

    async def decide(_: Any) -> int:
        await never.wait()
        return 200

    names = [f"CP-{number}" for number in range(6)]
    for name in names:
        await desk.register(name)
    async with receiving() as slow:
        slow.decide = decide
        await desk.webhook(slow.url)
        await desk.webhook(receiver.url)
        await desk.write(*names)
        await receiver.until(lambda: len(receiver.taken()) == len(names))
        assert slow.most_under_way == 4
        never.set()


async def test_another_worker_goes_on_after_a_clean_end(desk: Desk, receiver: Receiver) -> None:
    await desk.register("A")
    await desk.webhook(receiver.url)
    await desk.write("A")
    await receiver.until(lambda: len(receiver.taken()) == 1)
    dispatcher = desk.server.app.state.services.get(WebhookDispatcher)
    await dispatcher.close()
    await desk.write("A", "A")
    dispatcher.start()
    await receiver.until(lambda: len(receiver.taken()) == 3)
    assert len({one.id for one in receiver.taken()}) == 3
