"""Logging in over a real socket: the exact HTTP answer, and what is tolerated. OCPP-J 3"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from app.charge_points.credentials import Credentials
from app.charge_points.records import Login
from app.charge_points.store import ChargePointStore
from app.errors import StoreUnavailable
from app.gateway.admission import Admission
from app.gateway.sockets import WorkerSockets
from app.live import take_overs
from app.main import create_app
from app.ocpp.v16 import RegistrationStatus
from app.tenants.store import TenantStore
from app.types import TenantId
from tests.support.gateway import KEY, GatewayServer, serve
from tests.support.raw_client import RawClient, close_last, frame_bytes

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}


@pytest.fixture
def server(own_gateway_server: GatewayServer) -> GatewayServer:
    """A server that has counted no refused login yet."""
    return own_gateway_server


async def assert_alive(client: RawClient) -> None:
    answer = await client.call("Heartbeat", {})
    assert answer[0] == 3


async def test_login_with_the_key_as_bytes(server: GatewayServer) -> None:
    await server.register("CP1")
    client = await server.attempt("CP1", password=KEY)
    assert client.response.status == 101
    assert client.response.headers["sec-websocket-protocol"] == "ocpp1.6"
    await assert_alive(client)


@pytest.mark.parametrize("password", [KEY.hex().encode(), KEY.hex().upper().encode()])
async def test_login_with_the_key_as_hexadecimal_text(server: GatewayServer, password: bytes) -> None:
    await server.register("CP1")
    assert (await server.attempt("CP1", password=password)).response.status == 101


async def test_a_key_may_hold_a_colon(server: GatewayServer) -> None:
    key = b"with:colon:in:it:0123"
    hashed = Credentials(server.settings.credential_pepper).hash(key)
    await server.register("CP1", credential_hash=hashed)
    assert (await server.attempt("CP1", password=key)).response.status == 101


@pytest.mark.parametrize(
    ("options", "deviation"),
    [
        ({"user": ""}, "user_name_absent"),
        ({"user": "cp1"}, "user_name_case"),
        ({"subprotocol": None}, "subprotocol_absent"),
        ({"subprotocol": "OCPP1.6"}, "subprotocol_spelling"),
        ({"subprotocol": "ocpp1.6j"}, "subprotocol_spelling"),
        ({"subprotocol": "ocpp1.6, ocpp1.5"}, None),
        ({"headers": {"Connection": "keep-alive, Upgrade"}}, None),
        ({"headers": {"Connection": "upgrade", "Upgrade": "WebSocket"}}, None),
        ({"headers": {"Connection": None}}, None),
        ({"headers": {"Sec-WebSocket-Extensions": "permessage-deflate"}}, None),
        (
            {
                "subprotocol": None,
                "extra": b"Sec-WebSocket-Protocol: ocpp2.0.1\r\nsec-websocket-protocol: ocpp1.6\r\n",
            },
            None,
        ),
    ],
)
async def test_habits_of_chargers_are_tolerated(
    server: GatewayServer, options: dict[str, Any], deviation: str | None
) -> None:
    await server.register("CP1")
    client = await server.attempt("CP1", password=KEY, **options)
    assert client.response.status == 101
    offered = options.get("subprotocol", "ocpp1.6")
    expected = None if offered is None else offered.split(",")[0]
    if "extra" in options:
        expected = "ocpp1.6"
    assert client.response.headers.get("sec-websocket-protocol") == expected
    assert "sec-websocket-extensions" not in client.response.headers
    await assert_alive(client)


@pytest.mark.parametrize(
    "form", ["{0}/", "{0}//", "/{0}", "{0}?token=x", "{0}/?a=b", "CP%201", "%43P%201", "{0}/{0}"]
)
async def test_forms_of_the_path_are_tolerated(server: GatewayServer, form: str) -> None:
    await server.register("CP 1")
    client = await server.attempt(form.format("CP%201"), password=KEY, user="CP 1")
    assert client.response.status == 101
    await assert_alive(client)


@pytest.mark.parametrize(
    "path", ["CP1%2F..", "AA%3ABB", "RDAM%2520123", "CP1%00", "CP1%0A", "%D0%A1P1", "x" * 49, "CP%ZZ"]
)
async def test_an_impossible_identity_is_a_bad_request(server: GatewayServer, path: str) -> None:
    response = (await server.attempt(path, password=KEY)).response
    assert response.status == 400
    assert response.problem["code"] == "invalid_path"
    assert response.problem["field"] == "path"


async def test_a_missing_identity_is_a_bad_request(server: GatewayServer) -> None:
    client = await RawClient.open(server.port, f"/ocpp/{server.tenant.slug}/")
    assert client.response.status == 400


@pytest.mark.parametrize(
    "path", ["/", "/ocpp", "/OCPP/demo/CP1", "/demo/CP1", "/CP1", "/v1/charge-points/CP1", "/console"]
)
async def test_another_path_is_refused_with_the_right_one(server: GatewayServer, path: str) -> None:
    client = await RawClient.open(server.port, path, user="CP1", password=KEY)
    assert client.response.status == 400
    assert client.response.problem["detail"] == "The path is not /ocpp/{tenant}/{identity}."


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"password": b""},
        {"password": b"wrong"},
        {"password": KEY[:-1]},
        {"password": KEY, "user": "CP2"},
        {"headers": {"Authorization": "Bearer abc"}},
        {"headers": {"Authorization": "Basic ???"}},
    ],
)
async def test_a_wrong_credential_is_unauthorized(server: GatewayServer, options: dict[str, Any]) -> None:
    record = await server.register("CP1")
    response = (await server.attempt("CP1", **options)).response
    assert response.status == 401
    assert response.headers["www-authenticate"] == 'Basic realm="ocpp"'
    assert response.problem["code"] == "unauthorized"
    async with server.database.tenant(server.tenant.id) as work:
        after = await ChargePointStore(work).get("CP1")
    assert after == record


async def test_an_unknown_identity_looks_exactly_like_a_wrong_password(server: GatewayServer) -> None:
    await server.register("CP1")
    known = (await server.attempt("CP1", password=b"wrong")).response
    unknown = (await server.attempt("CP2", password=b"wrong")).response
    foreign = (await RawClient.open(server.port, "/ocpp/unknown/CP1", user="CP1", password=KEY)).response
    for response in (known, unknown, foreign):
        response.headers.pop("date")
    assert known == unknown == foreign


async def test_the_key_of_another_charge_point_does_not_open(server: GatewayServer) -> None:
    await server.register("CP1")
    await server.register("CP2", credential_hash=None)
    assert (await server.attempt("CP2", password=KEY)).response.status == 401


async def test_the_same_identity_in_another_tenant_is_another_charge_point(server: GatewayServer) -> None:
    await server.register("CP1")
    async with server.database.platform() as work:
        other = await TenantStore(work).create(f"other-{server.tenant.id}", "Other")
    async with server.database.tenant(other.id) as tenant_work:
        await ChargePointStore(tenant_work).create("CP1", credential_hash=None)
    client = await RawClient.open(server.port, f"/ocpp/{other.slug}/CP1", user="CP1", password=KEY)
    assert client.response.status == 401


async def test_a_revealed_unknown_identity_is_not_found(server: GatewayServer) -> None:
    settings = server.settings.model_copy(update={"reveal_unknown_identity": True})
    await server.register("CP1")
    async with serve(create_app(settings), settings) as port:
        unknown = await RawClient.open(port, f"/ocpp/{server.tenant.slug}/CP2", user="CP2", password=KEY)
        wrong = await RawClient.open(port, f"/ocpp/{server.tenant.slug}/CP1", user="CP1", password=b"x")
    assert unknown.response.status == 404
    assert unknown.response.problem["code"] == "not_found"
    assert wrong.response.status == 401


async def test_a_credential_may_follow_at_the_second_try(server: GatewayServer) -> None:
    await server.register("CP1")
    for _ in range(30):
        assert (await server.attempt("CP1")).response.status == 401
        client = await server.connect("CP1")
        await client.close()


async def test_a_charge_point_without_credential_needs_the_operators_word(server: GatewayServer) -> None:
    await server.register("OPEN", credential_hash=None, no_credential=True)
    assert (await server.attempt("OPEN")).response.status == 101
    assert (await server.attempt("OPEN", password=b"any")).response.status == 101
    assert (await server.attempt("OPEN", password=b"any", user="OTHER")).response.status == 401


async def test_failed_logins_have_a_limit_per_address(server: GatewayServer) -> None:
    # Two a minute: a slow machine cannot earn a third one within this test.
    settings = server.settings.model_copy(update={"login_failures_per_minute": 2})
    path = f"/ocpp/{server.tenant.slug}/"
    await server.register("CP1")
    async with serve(create_app(settings), settings) as port:
        known = await RawClient.open(port, path + "CP1", user="CP1", password=KEY)
        for n in range(2):
            # Whatever the client says of its address: no proxy is trusted.
            forged: dict[str, str | None] = {"X-Forwarded-For": f"192.0.2.{n}"}
            guess = await RawClient.open(port, path + "X", user="X", password=b"x", headers=forged)
            assert guess.response.status == 401
        limited = (await RawClient.open(port, path + "X", user="X", password=b"x")).response
        assert limited.status == 429
        assert 1 <= int(limited.headers["retry-after"]) <= 30
        assert limited.problem["code"] == "too_many_requests"
        # It logged in from this address before, so it does not pay for its neighbour.
        again = await RawClient.open(port, path + "CP1", user="CP1", password=KEY)
        assert again.response.status == 101
        assert await known.close_code() == 4009


ORIGINS = ["https://example.com", "null", "file://", ""]


@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_valid_credential_with_an_origin_gets_in(server: GatewayServer, origin: str) -> None:
    """WebSocket libraries of microcontrollers send it. A web page cannot send the credential."""
    await server.register("CP1")
    before = REGISTRY.get_sample_value("stationmaster_deviations_total", {"kind": "origin"}) or 0.0
    await assert_alive(await server.connect("CP1", headers={"Origin": origin}))
    assert REGISTRY.get_sample_value("stationmaster_deviations_total", {"kind": "origin"}) == before + 1
    wrong = await server.attempt("CP1", password=b"wrong", headers={"Origin": origin})
    assert wrong.response.status == 401


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("options", [{}, {"password": b"any"}])
async def test_an_origin_is_refused_where_no_credential_protects(
    server: GatewayServer, origin: str, options: dict[str, Any]
) -> None:
    await server.register("OPEN", credential_hash=None, no_credential=True)
    client = await server.attempt("OPEN", headers={"Origin": origin}, **options)
    assert client.response.status == 403
    assert client.response.problem["code"] == "origin_refused"
    await server.register("BOTH", no_credential=True)
    await server.connect("BOTH", headers={"Origin": origin})


@pytest.mark.parametrize(
    "path",
    ["//ocpp/{0}/CP1", "/ocpp//{0}/CP1", "/ocpp/{0}///CP1//", "//ocpp//{0}//CP1/", "http://x//ocpp/{0}/CP1"],
)
async def test_surplus_slashes_are_ignored_in_every_place(server: GatewayServer, path: str) -> None:
    await server.register("CP1")
    client = await RawClient.open(server.port, path.format(server.tenant.slug), user="CP1", password=KEY)
    assert client.response.status == 101
    plain: dict[str, str | None] = {"Upgrade": None, "Connection": None, "Sec-WebSocket-Key": None}
    client = await RawClient.open(server.port, path.format(server.tenant.slug), headers=plain)
    assert client.response.status == 426


async def test_a_plain_request_is_told_to_upgrade(server: GatewayServer) -> None:
    client = await server.attempt(
        "CP1", headers={"Upgrade": None, "Connection": "close", "Sec-WebSocket-Key": None}
    )
    assert client.response.status == 426
    assert client.response.headers["upgrade"] == "websocket"
    assert client.response.problem["code"] == "upgrade_required"


@pytest.mark.parametrize("connection", ["Upgrade", None])
async def test_what_is_sent_right_behind_the_handshake_is_answered(
    server: GatewayServer, connection: str | None
) -> None:
    await server.register("CP1")
    beats = [frame_bytes(f'[2,"{number}","Heartbeat",{{}}]'.encode()) for number in range(2)]
    client = await server.connect("CP1", headers={"Connection": connection}, behind=b"".join(beats))
    assert [json.loads(await client.text())[:2] for _ in beats] == [[3, "0"], [3, "1"]]
    await assert_alive(client)


@pytest.mark.parametrize("connection", ["Upgrade", None])
async def test_what_is_sent_behind_a_handshake_that_fails_does_no_harm(
    server: GatewayServer, connection: str | None
) -> None:
    beat = frame_bytes(b'[2,"1","Heartbeat",{}]')
    client = await server.attempt("CP1", headers={"Connection": connection}, behind=beat)
    assert client.response.status == 401
    assert await client.reader.read() == b""


async def test_a_plain_request_may_follow_a_plain_request(server: GatewayServer) -> None:
    client = await server.attempt(
        "CP1", headers={"Upgrade": None, "Connection": None, "Sec-WebSocket-Key": None}
    )
    assert client.response.status == 426
    client.writer.write(b"GET /v1/protocols HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await client.read_response()).status == 200


async def test_another_websocket_version_is_refused(server: GatewayServer) -> None:
    await server.register("CP1")
    client = await server.attempt("CP1", password=KEY, headers={"Sec-WebSocket-Version": "8"})
    assert client.response.status == 400


@pytest.mark.parametrize("subprotocol", ["ocpp0.1", "ocpp2.0.1", "ocpp1.5,ocpp2.0"])
async def test_no_common_subprotocol_opens_without_one_and_closes(
    server: GatewayServer, subprotocol: str
) -> None:
    record = await server.register("CP1")
    client = await server.attempt("CP1", password=KEY, subprotocol=subprotocol)
    assert client.response.status == 101
    assert "sec-websocket-protocol" not in client.response.headers
    assert await client.close_code() == 1002
    async with server.database.tenant(server.tenant.id) as work:
        assert await ChargePointStore(work).get("CP1") == record


@pytest.mark.parametrize(
    ("options", "path", "status", "close_code"),
    [
        ({"subprotocol": None}, "CP1", 101, 1002),
        ({"subprotocol": "OCPP1.6"}, "CP1", 101, 1002),
        ({"user": "cp1"}, "CP1", 401, None),
        ({"user": ""}, "CP1", 401, None),
        ({}, "CP1/", 400, None),
        ({}, "/CP1", 400, None),
        ({}, "CP1/CP1", 400, None),
    ],
)
async def test_a_strict_tenant_tolerates_nothing(
    server: GatewayServer, options: dict[str, Any], path: str, status: int, close_code: int | None
) -> None:
    async with server.database.platform() as work:
        await TenantStore(work).update(server.tenant.slug, strict_protocol=True)
    await server.register("CP1")
    client = await server.attempt(path, **{"password": KEY, "user": "CP1", **options})
    assert client.response.status == status
    if close_code is not None:
        assert await client.close_code() == close_code
    await assert_alive(await server.connect("CP1"))


async def test_without_the_store_a_login_is_asked_to_come_again(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.register("CP1")
    before = await server.connect("CP1")

    async def unavailable(*asked: str) -> None:
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(server.services.storage.login_batcher, "find", unavailable)
        response = (await server.attempt("CP1", password=KEY)).response
    assert response.status == 503
    assert int(response.headers["retry-after"]) > 0
    assert response.problem["code"] == "store_unavailable"
    await assert_alive(before)


async def test_the_newest_connection_wins_and_the_older_one_is_told(server: GatewayServer) -> None:
    await server.register("CP1")
    first = await server.connect("CP1")
    second = await server.connect("CP1")
    assert await first.close_code() == 4009
    await assert_alive(second)


async def test_failed_logins_do_not_touch_the_live_session(server: GatewayServer) -> None:
    await server.register("CP1")
    client = await server.connect("CP1")
    attempts = (server.attempt("CP1", password=b"wrong") for _ in range(50))
    responses = [attempt.response for attempt in await asyncio.gather(*attempts)]
    assert {response.status for response in responses} <= {401, 429}
    await assert_alive(client)


async def test_a_new_key_of_unknown_fate_works_beside_the_old_one_until_it_is_used(
    server: GatewayServer,
) -> None:
    record = await server.register("CP1")
    new = Credentials(server.settings.credential_pepper).hash(b"0123456789abcdef")
    async with server.database.tenant(server.tenant.id) as work:
        until = datetime.now(UTC) + timedelta(hours=24)
        await ChargePointStore(work).set_pending_credential(record.id, new, until)
    assert (await server.attempt("CP1", password=KEY)).response.status == 101
    assert (await server.attempt("CP1", password=b"0123456789abcdef")).response.status == 101
    assert (await server.attempt("CP1", password=KEY)).response.status == 401
    assert (await server.attempt("CP1", password=b"0123456789abcdef")).response.status == 101


async def test_a_login_promotes_no_other_key_than_the_one_it_proved(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await server.register("CP1")
    hashed = Credentials(server.settings.credential_pepper).hash
    proved, newer = hashed(b"0123456789abcdef"), hashed(b"fedcba9876543210")
    until = datetime.now(UTC) + timedelta(hours=24)
    promote = Admission._promote

    async def replaced_before(admission: Admission, login: Login, credential_hash: bytes) -> None:
        async with server.database.tenant(server.tenant.id) as work:
            await ChargePointStore(work).set_pending_credential(record.id, newer, until)
        await promote(admission, login, credential_hash)

    monkeypatch.setattr(Admission, "_promote", replaced_before)
    async with server.database.tenant(server.tenant.id) as work:
        await ChargePointStore(work).set_pending_credential(record.id, proved, until)
    assert (await server.attempt("CP1", password=b"0123456789abcdef")).response.status == 101
    async with server.database.tenant(server.tenant.id) as work:
        point = await ChargePointStore(work).get("CP1")
    assert point is not None
    assert point.credential_hash == record.credential_hash
    assert point.pending_credential_hash == newer


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_a_reconnect_keeps_the_registration_without_a_boot(
    server: GatewayServer, status: RegistrationStatus
) -> None:
    await server.register("NEW", registration_status=status)
    await server.register("OLD")
    new, old = await server.connect("NEW"), await server.connect("OLD")
    assert (await new.call("Heartbeat", {}))[:3] == [4, "1", "SecurityError"]
    await assert_alive(old)
    assert (await new.call("BootNotification", BOOT, "2"))[2]["status"] == status


async def test_connections_that_replace_each_other_are_delayed_and_never_refused(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take_overs, "FLAPPING_FROM", 2)
    monkeypatch.setattr(take_overs, "_LONGEST_PAUSE_S", 0.3)
    before = REGISTRY.get_sample_value("stationmaster_handshakes_delayed_total") or 0.0
    await server.register("CP1")
    await server.register("CP2")
    opened = [await server.connect("CP1") for _ in range(3)]
    for client in opened[:2]:
        assert await client.close_code() == 4009
    delayed = asyncio.create_task(server.connect("CP1"))
    # Others do not wait, and the present one is served meanwhile.
    await assert_alive(await server.connect("CP2"))
    await assert_alive(opened[2])
    await assert_alive(await delayed)
    assert await opened[2].close_code() == 4009
    assert REGISTRY.get_sample_value("stationmaster_handshakes_delayed_total") == before + 1


async def test_one_that_leaves_while_it_waits_replaces_none(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take_overs, "FLAPPING_FROM", 1)
    monkeypatch.setattr(take_overs, "_LONGEST_PAUSE_S", 0.3)
    decided: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    wait_for_calm = Admission._wait_for_calm

    async def noticed(admission: Admission, *asked: Any) -> bool:
        is_there = await wait_for_calm(admission, *asked)
        decided.set_result(is_there)
        return is_there

    await server.register("CP1")
    await server.connect("CP1")
    present = await server.connect("CP1")
    monkeypatch.setattr(Admission, "_wait_for_calm", noticed)
    monkeypatch.setattr("tests.support.raw_client.WAIT_S", 0.05)
    with pytest.raises(TimeoutError):
        await server.connect("CP1")
    await close_last()
    monkeypatch.setattr("tests.support.raw_client.WAIT_S", 20.0)
    assert await asyncio.wait_for(decided, 10) is False
    await assert_alive(present)


def at(address: str) -> dict[str, str | None]:
    return {"X-Forwarded-For": address}


async def test_a_right_credential_gets_in_while_others_guess_its_password(server: GatewayServer) -> None:
    changes = {"login_failures_per_minute": 2, "trusted_proxies": ["127.0.0.0/8"]}
    settings = server.settings.model_copy(update=changes)
    for identity in ("CP1", "CP2", "CP3"):
        await server.register(identity)
    app = create_app(settings)
    async with serve(app, settings) as port:
        limited = GatewayServer(port, app, server.database, server.tenant, settings)
        await limited.connect("CP2", headers=at("203.0.113.1"))

        def guess(number: int) -> "asyncio.Task[RawClient]":
            headers = at(f"203.0.113.{number % 20}")
            return asyncio.create_task(limited.attempt("CP1", password=b"guess", headers=headers))

        # They overlap, so these are judged before the first one is counted.
        await asyncio.gather(*(guess(number) for number in range(40)))
        guesses = [guess(number) for number in range(100)]
        # At an address of its own, at that of an attacker, and there where it was in before.
        for identity, address in (("CP1", "198.51.100.1"), ("CP3", "203.0.113.2"), ("CP2", "203.0.113.1")):
            await assert_alive(await limited.connect(identity, headers=at(address)))
        assert {wrong.response.status for wrong in await asyncio.gather(*guesses)} == {429}


async def test_a_session_whose_socket_cannot_be_handed_over_ends(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no descriptor is left")

    record = await server.register("CP1")
    with monkeypatch.context() as patch:
        patch.setattr(WorkerSockets, "take_over", fail)
        client = await server.attempt("CP1", password=KEY)
        assert await client.reader.read() == b""
    await server.endpoint.drain()
    assert await server.services.presence.find(TenantId(record.tenant_id), "CP1") is None
    await assert_alive(await server.connect("CP1"))
