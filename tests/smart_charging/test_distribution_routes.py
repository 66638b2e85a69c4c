"""`POST /v1/smart-charging/distribute`: the worked distributions, and every refusal by its pointer."""

import json
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from app.smart_charging.routes import distribution as site_distribution
from app.smart_charging.schemas.distribution import SiteQuestion
from app.smart_charging.schemas.site_distributed import SiteDistributed
from tests.support.api import Api

PATH = "/v1/smart-charging/distribute"
Json = dict[str, Any]


def node(name: str, amperes: Any, parent: str | None = None, **members: Any) -> Json:
    return {"id": name, "parent": parent, "limit_a": dict.fromkeys(("L1", "L2", "L3"), amperes), **members}


def car(name: str, **members: Any) -> Json:
    return {"id": name, "node": "site", "maximum_a": 32, "phase_rotation": "RST", **members}


def question(amperes: Any, *sessions: Json, **members: Any) -> Json:
    return {"nodes": [node("site", amperes)], "sessions": list(sessions), **members}


async def ask(api: Api, token: str, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    headers = {"Content-Type": "application/json"}
    return await api.call("POST", PATH, token, content=content, headers=headers)


async def limits(api: Api, token: str, body: Json) -> list[float]:
    response = await ask(api, token, body)
    assert response.status_code == 200, response.text
    return [session["limit_a"] for session in response.json()["sessions"]]


CARS = [car(f"car-{number}") for number in (1, 2, 3, 4)]


async def test_d1_equal_cars_share_equally(api: Api, token: str) -> None:
    assert await limits(api, token, question(80, *CARS)) == [20, 20, 20, 20]


async def test_d2_what_one_car_cannot_take_the_others_get(api: Api, token: str) -> None:
    body = question(80, {**CARS[0], "maximum_a": 10}, *CARS[1:])
    assert await limits(api, token, body) == [10, 23.4, 23.3, 23.3]


async def test_d3_the_car_whose_minimum_does_not_fit_waits(api: Api, token: str) -> None:
    response = await ask(api, token, question(20, *CARS))
    sessions = response.json()["sessions"]
    assert [session["limit_a"] for session in sessions] == [6.7, 6.7, 6.6, 0]
    assert sessions[3]["reason"] == {
        "kind": "waiting",
        "node": "site",
        "quantity": "L1",
        "session": None,
        "remaining_s": None,
    }


async def test_d4_each_phase_is_shared_by_those_who_load_it(api: Api, token: str) -> None:
    one_phase = {"phases": ["L1"]}
    sessions = [car("a", **one_phase), car("b", **one_phase), car("c"), car("d", phases=["L2"])]
    response = await ask(api, token, question(40, *sessions))
    answer = response.json()
    assert [session["limit_a"] for session in answer["sessions"]] == [13.4, 13.3, 13.3, 26.7]
    (site,) = answer["nodes"]
    assert [site[phase]["allocated"] for phase in ("L1", "L2", "L3")] == [40, 40, 13.3]


async def test_the_example_of_the_document_is_answered_as_it_says(api: Api, token: str) -> None:
    response = await ask(api, token, SiteQuestion.example)
    assert response.json() == SiteDistributed.example


async def test_every_reason_names_what_it_is_about(api: Api, token: str) -> None:
    sessions = [
        car("charging", charging_for_s=100),
        car("over", charging_for_s=1000),
        car("large", minimum_a=16, paused_for_s=900),
        car("resting", paused_for_s=100),
        car("small", maximum_a=8, charging_for_s=50, priority=1),
    ]
    response = await ask(api, token, question(27, *sessions))
    reasons = {session["id"]: session["reason"] for session in response.json()["sessions"]}
    assert {name: reason["kind"] for name, reason in reasons.items()} == {
        "charging": "node_limit",
        "over": "kept_for_another",
        "large": "waiting",
        "resting": "resting",
        "small": "own_maximum",
    }
    assert (reasons["over"]["session"], reasons["resting"]["remaining_s"]) == ("large", 200)


async def test_watts_margins_loads_and_reserves_count(api: Api, token: str) -> None:
    body = question(40, car("a"))
    body["nodes"][0] |= {"limit_w": 27_600, "margin_a": 1.5, "margin_w": 690}
    body["nodes"][0]["uncontrolled_a"] = {"L1": 3.1, "L2": 0, "L3": 0}
    body["reserves"] = [
        {"id": "cp-7", "node": "site", "current_a": 16, "phases": ["L1"], "phase_rotation": "STR"}
    ]
    response = await ask(api, token, body)
    answer = response.json()
    # Power: 27 600 - 690 - 3.1 x 230 - 16 x 230 = 22 517 W; L2: 40 - 1.5 - 16 = 22.5 A binds first.
    assert answer["sessions"][0]["limit_a"] == 22.5
    assert answer["sessions"][0]["reason"]["quantity"] == "L2"
    assert answer["nodes"][0]["L2"]["reserved"] == 16
    assert answer["nodes"][0]["power"] == {
        "limit": 27_600,
        "margin": 690,
        "uncontrolled": 713,
        "reserved": 3_680,
        "allocated": 15_525,
        "free": 6_992,
    }


async def test_a_session_that_cannot_charge_costs_nobody_else_an_answer(api: Api, token: str) -> None:
    body = question(
        40, car("low", maximum_a=5), car("coarse", minimum_a=6.1, maximum_a=6.9, step_a=1), car("a")
    )
    answer = (await ask(api, token, body)).json()
    assert [session["limit_a"] for session in answer["sessions"]] == [0, 0, 32]
    assert [session["reason"]["kind"] for session in answer["sessions"]] == [
        "cannot_charge",
        "cannot_charge",
        "own_maximum",
    ]


async def test_turns_are_fair_over_hours_if_states_are_sent_back(api: Api, token: str) -> None:
    cars = [car(f"car-{number}") for number in range(5)]
    minutes = dict.fromkeys((each["id"] for each in cars), 0)
    # 12 hours, one decision in five minutes.
    for _ in range(144):
        answer = (await ask(api, token, question(12, *cars, elapsed_s=300))).json()
        for each, share in zip(cars, answer["sessions"], strict=True):
            minutes[share["id"]] += 5 if share["limit_a"] else 0
            each |= {"state": share["state"], "present_a": share["limit_a"]}
    assert max(minutes.values()) - min(minutes.values()) <= 0.1 * max(minutes.values()), minutes
    assert sum(minutes.values()) == 2 * 12 * 60


async def test_present_limits_are_kept_if_they_fit_and_are_close(api: Api, token: str) -> None:
    body = question(40.6, car("a", present_a=20), car("b", present_a=20))
    answer = (await ask(api, token, body)).json()
    assert [session["limit_a"] for session in answer["sessions"]] == [20, 20]
    assert {session["reason"]["kind"] for session in answer["sessions"]} == {"held"}
    assert await limits(api, token, {**body, "steadiness": {"dead_band_a": 0, "dead_band_percent": 0}}) == [
        20.3,
        20.3,
    ]
    body = question(63, car("a", present_a=20), car("b", present_a=20), steadiness={"rise_a": 2.5})
    assert await limits(api, token, body) == [22.5, 22.5]


async def test_a_limit_below_6_a_is_marked(api: Api, token: str) -> None:
    answer = (await ask(api, token, question(5, car("a", minimum_a=4), car("b")))).json()
    assert [session["warning"] for session in answer["sessions"]] == ["below_signalled_minimum", None]


async def test_solar_power_is_shared_and_limits_that_are_exceeded_are_named(api: Api, token: str) -> None:
    body = {"nodes": [node("site", 20), node("feeder", 10, "site")], "sessions": [car("a", node="feeder")]}
    body["nodes"][1]["uncontrolled_a"] = {"L1": -6, "L2": -6.5, "L3": -13.5}
    answer = (await ask(api, token, body)).json()
    assert answer["sessions"][0]["limit_a"] == 16
    assert answer["overloads"] == [{"node": "feeder", "quantity": "L3", "excess": 3.5}]
    assert answer["nodes"][1]["L1"]["uncontrolled"] == -6


async def test_one_phase_exceeds_the_others_by_the_unbalance_limit_at_most(api: Api, token: str) -> None:
    body = question(80, car("a", phases=["L1"]), car("b"))
    body["nodes"][0] |= {"unbalance_a": 20, "uncontrolled_a": {"L1": 4, "L2": 0, "L3": 1}}
    answer = (await ask(api, token, body)).json()
    assert [session["limit_a"] for session in answer["sessions"]] == [16, 32]
    assert answer["sessions"][0]["reason"]["quantity"] == "unbalance_L1"
    unbalance = answer["nodes"][0]["unbalance"]
    assert (unbalance["L1"]["allocated"], unbalance["L1"]["free"], unbalance["L3"]["free"]) == (16, 0, 19)


async def test_a_session_is_switched_to_one_phase_where_it_can_be(api: Api, token: str) -> None:
    body = question(30, car("a", can_switch_phases=True), car("b"))
    body["nodes"][0]["limit_a"] |= {"L2": 5}
    answer = (await ask(api, token, body)).json()
    first, second = answer["sessions"]
    assert (first["limit_a"], first["phases"], first["state"]["single_phase_for_s"]) == (30, ["L1"], 0)
    assert (second["limit_a"], second["phases"]) == (0, ["L1", "L2", "L3"])
    # It stays there for some time, although all phases are free.
    body = question(30, {**body["sessions"][0], "state": first["state"]}, elapsed_s=599)
    (share,) = (await ask(api, token, body)).json()["sessions"]
    assert (share["phases"], share["state"]["single_phase_for_s"]) == (["L1"], 599)
    (share,) = (await ask(api, token, {**body, "elapsed_s": 600})).json()["sessions"]
    assert share["phases"] == ["L1", "L2", "L3"]


async def test_a_state_can_always_be_sent_back(api: Api, token: str) -> None:
    year = 31_622_400
    state = {"activity": "charging", "for_s": year, "connected_for_s": year, "served_s": year}
    state |= {"single_phase_for_s": year}
    body = question(30, car("a", state=state, can_switch_phases=True), car("b", state=state), elapsed_s=year)
    body["nodes"][0]["limit_a"] |= {"L2": 5}
    for _ in range(2):
        response = await ask(api, token, body)
        assert response.status_code == 200, response.text
        for each, share in zip(body["sessions"], response.json()["sessions"], strict=True):
            each["state"] = share["state"]


async def test_what_is_observed_counts_more_than_the_state(api: Api, token: str) -> None:
    state = {"activity": "charging", "for_s": 10, "connected_for_s": 20, "served_s": 0}
    state |= {"single_phase_for_s": None}
    body = question(30, car("a", state=state, paused_for_s=100))
    (share,) = (await ask(api, token, body)).json()["sessions"]
    assert share["reason"]["kind"] == "resting"
    assert (share["state"]["activity"], share["state"]["for_s"]) == ("paused", 100)


async def test_the_order_of_the_lists_does_not_matter(api: Api, token: str) -> None:
    body = {"nodes": [node("site", 50), node("feeder", 20, "site")], "sessions": [*CARS[:2]]}
    body["sessions"] += [car(f"fed-{number}", node="feeder") for number in (1, 2, 3)]
    straight = (await ask(api, token, body)).json()
    turned = (await ask(api, token, {name: [*reversed(each)] for name, each in body.items()})).json()
    assert straight == {name: [*reversed(each)] for name, each in turned.items()}


def _nodes(*nodes: Json) -> Json:
    return {"nodes": list(nodes), "sessions": []}


SITE = node("site", 80)
REFUSED: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("no nodes", _nodes(), [("/nodes", "too_short")]),
    ("two roots", _nodes(SITE, node("b", 1)), [("/nodes/1/parent", "second_root")]),
    ("cycle", _nodes(SITE, node("b", 1, "c"), node("c", 1, "b")), [("/nodes/1/parent", "cycle")]),
    ("cycle alone", _nodes(node("a", 1, "a")), [("/nodes/0/parent", "cycle")]),
    ("unknown parent", _nodes(SITE, node("b", 1, "x")), [("/nodes/1/parent", "unknown_node")]),
    ("same id", _nodes(SITE, node("site", 1, "site")), [("/nodes/1/id", "duplicate_id")]),
    (
        "missing phase",
        _nodes({"id": "site", "parent": None, "limit_a": {"L1": 1, "L3": 1}}),
        [("/nodes/0/limit_a/L2", "missing")],
    ),
    ("no limit", _nodes({"id": "site", "parent": None}), [("/nodes/0/limit_a", "missing")]),
    (
        "negative limit",
        _nodes(node("site", -1)),
        [(f"/nodes/0/limit_a/L{n}", "greater_than_equal") for n in (1, 2, 3)],
    ),
    ("text", _nodes({**SITE, "limit_w": "80"}), [("/nodes/0/limit_w", "number_type")]),
    ("true", _nodes({**SITE, "margin_a": True}), [("/nodes/0/margin_a", "number_type")]),
    ("huge", _nodes({**SITE, "margin_a": 10**30}), [("/nodes/0/margin_a", "less_than_equal")]),
    ("too many nodes", _nodes(*[SITE] * 1001), [("/nodes", "too_long")]),
    ("too many sessions", question(80, *[CARS[0]] * 5001), [("/sessions", "too_long")]),
    ("unknown member", question(80, car("a", limit=5)), [("/sessions/0/limit", "extra_forbidden")]),
    (
        "negative present limit",
        question(80, car("a", present_a=-1)),
        [("/sessions/0/present_a", "greater_than_equal")],
    ),
    (
        "state of nothing",
        question(80, car("a", state={"activity": "idle"})),
        [
            ("/sessions/0/state/activity", "literal_error"),
            *(
                (f"/sessions/0/state/{name}", "missing")
                for name in ("for_s", "connected_for_s", "served_s", "single_phase_for_s")
            ),
        ],
    ),
    ("no rise", question(80, steadiness={"rise_a": 0}), [("/steadiness/rise_a", "greater_than_equal")]),
    (
        "negative unbalance",
        _nodes({**SITE, "unbalance_a": -1}),
        [("/nodes/0/unbalance_a", "greater_than_equal")],
    ),
    ("same session", question(80, CARS[0], CARS[0]), [("/sessions/1/id", "duplicate_id")]),
    ("unknown node", question(80, car("a", node="x")), [("/sessions/0/node", "unknown_node")]),
    ("no phases", question(80, car("a", phases=[])), [("/sessions/0/phases", "too_short")]),
    ("phase twice", question(80, car("a", phases=["L1", "L1"])), [("/sessions/0/phases", "unique_items")]),
    ("L4", question(80, car("a", phases=["L4"])), [("/sessions/0/phases/0", "literal_error")]),
    (
        "rotation",
        question(80, car("a", phase_rotation="RRR")),
        [("/sessions/0/phase_rotation", "literal_error")],
    ),
    ("weight of nothing", question(80, car("a", weight=0)), [("/sessions/0/weight", "greater_than_equal")]),
    ("class", question(80, car("a", priority=256)), [("/sessions/0/priority", "less_than_equal")]),
    ("class by halves", question(80, car("a", priority=0.5)), [("/sessions/0/priority", "int_type")]),
    (
        "charging and paused",
        question(80, car("a", charging_for_s=1, paused_for_s=1)),
        [("/sessions/0/paused_for_s", "not_beside_charging_for_s")],
    ),
    (
        "reserve",
        question(80, reserves=[{"id": "r", "node": "x", "current_a": 1}]),
        [("/reserves/0/node", "unknown_node")],
    ),
    (
        "turn shorter than its minimum",
        question(80, rotation={"quantum_s": 60}),
        [("/rotation/minimum_on_s", "above_quantum")],
    ),
]


@pytest.mark.parametrize(("body", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_what_is_no_site_is_refused_by_its_place(
    api: Api, token: str, body: Json, expected: list[tuple[str, str]]
) -> None:
    response = await ask(api, token, body)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == expected


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("6.25", "too_many_decimals"),
        ("6.0000000000000000000000000000000001", "too_many_decimals"),
        ("625e-2", "too_many_decimals"),
        ("1e-999999", "too_many_decimals"),
        ("NaN", "finite_number"),
        ("Infinity", "finite_number"),
        ("-Infinity", "finite_number"),
        ("1e400", "less_than_equal"),
        ("1e99999999999999999999", "finite_number"),
        ("9" * 5000, "less_than_equal"),
        ("-0.1", "greater_than_equal"),
        ("null", "number_type"),
        ("[6]", "number_type"),
    ],
)
async def test_a_bad_number_is_refused_by_its_place(api: Api, token: str, number: str, code: str) -> None:
    body = json.dumps(question(80, car("a", minimum_a="*"))).replace('"*"', number)
    response = await ask(api, token, body)
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/sessions/0/minimum_a", code)


@pytest.mark.parametrize(
    "number", ["16.4", "16.40", "164e-1", "0.164e2", "16.400000000000000000000000000000"]
)
async def test_a_decimal_is_taken_exactly(api: Api, token: str, number: str) -> None:
    body = json.dumps(question(80, car("a", maximum_a="*"))).replace('"*"', number)
    response = await ask(api, token, body)
    assert response.json()["sessions"][0]["limit_a"] == 16.4


@pytest.mark.parametrize("number", ["-6.5", "-6.50", "-65e-1", "-0.65e1"])
async def test_a_negative_decimal_keeps_its_sign(api: Api, token: str, number: str) -> None:
    body = question(10, car("a"))
    body["nodes"][0]["uncontrolled_a"] = dict.fromkeys(("L1", "L2", "L3"), "*")
    response = await ask(api, token, json.dumps(body).replace('"*"', number))
    assert response.json()["sessions"][0]["limit_a"] == 16.5


async def test_half_a_character_in_a_name_is_refused_by_its_place(api: Api, token: str) -> None:
    text = json.dumps(question(80, car("half"))).replace("half", "\\ud800")
    response = await ask(api, token, text)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["/sessions/0/id"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"\xff", 400, "malformed_json"),
        (b"[" * 100_000, 400, "malformed_json"),
        (b"[]", 422, "invalid_input"),
        (b'{"nodes": [{"id": "\\ud800"}], "sessions": []}', 422, "invalid_input"),
        (b'{"\\ud800": 1, "nodes": [], "sessions": []}', 422, "invalid_input"),
        (b'{"nodes": [{"id": "\\u0000", "parent": null}], "sessions": []}', 422, "invalid_input"),
        (b" " * (2 * 1024 * 1024 + 1), 413, "content_too_large"),
    ],
)
async def test_what_is_no_json_is_refused(
    api: Api, token: str, content: bytes, status: int, code: str
) -> None:
    response = await ask(api, token, content)
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_the_largest_question_is_answered(api: Api, token: str) -> None:
    nodes = [node("site", 9000), *(node(f"feeder-{index}", 40, "site") for index in range(999))]
    sessions = [car(f"car-{index}", node=f"feeder-{index % 999}") for index in range(5000)]
    found = await limits(api, token, {"nodes": nodes, "sessions": sessions})
    assert sum(found) == 9000


async def test_a_large_question_leaves_the_event_loop_alone(
    api: Api, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    def note(step: Callable[..., object], *arguments: object) -> object:
        threads.add(threading.current_thread())
        return step(*arguments)

    for name in ("_answer", "read_exactly"):
        monkeypatch.setattr(site_distribution, name, partial(note, getattr(site_distribution, name)))
    await limits(api, token, question(80, *CARS))
    assert len(threads) == 1
    assert threading.current_thread() not in threads
