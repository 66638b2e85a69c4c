"""Commands that are issued while faults happen, and the judgement of their ends."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import asyncpg
import httpx

from app.commands.rules import OPEN_COMMAND_STATES
from app.tenants.records import TenantRecord
from tests.faults.judge import Finding, Kind

_COMES_AGAIN = (429, 503)
_PAUSE_S = 0.2
_ANSWER_S = 5.0
_NOTHING_WAS_SENT = ("offline", "expired", "cancelled")


@dataclass
class Issued:
    """A command that was asked for, perhaps several times with one Idempotency-Key.

    ids: of the commands that the answers named; refusals: answers that do not say "try again".
    """

    identity: str
    ids: set[str] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)


class Caller:
    """A program that issues commands by REST. It asks again with the same key until it is answered."""

    def __init__(self, url: str, token: str, identities: Sequence[str]) -> None:
        self.issued: list[Issued] = []
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._identities = identities
        self._chance = Random(url)

    async def call_until(self, end: asyncio.Event) -> None:
        """Issue one command after the other. The last one is answered, too."""
        async with httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=_ANSWER_S) as client:
            while not end.is_set():
                issued = Issued(self._chance.choice(self._identities))
                self.issued.append(issued)
                while not issued.ids and not issued.refusals:
                    await self._try(client, issued, f"faults-{len(self.issued)}")
                    await asyncio.sleep(self._chance.uniform(0, 2 * _PAUSE_S))

    async def _try(self, client: httpx.AsyncClient, issued: Issued, key: str) -> None:
        path = f"/v1/charge-points/{issued.identity}/commands/ClearCache"
        try:
            answer = await client.post(path, json={}, headers={"Idempotency-Key": key})
        except httpx.TransportError:
            return
        if answer.is_success:
            issued.ids.add(answer.json()["id"])
            # As if the answer had been lost.
            if self._chance.random() < 0.2:
                await self._try(client, issued, key)
        elif answer.status_code not in _COMES_AGAIN:
            issued.refusals.append(f"HTTP {answer.status_code}: {answer.text}")


def judge_commands(
    issued: Iterable[Issued], received: Mapping[str, int], states: Mapping[str, str]
) -> list[Finding]:
    """Judge the ends of commands.

    received: the CALLs that charge points got, by the id of the command; states: of all commands that are
    stored, after the last fault.
    """
    findings = []
    known: set[str] = set()
    for one in issued:
        known |= one.ids
        if len(one.ids) > 1:
            findings.append(Finding(Kind.DOUBLED, one.identity, f"one request, several commands: {one.ids}"))
        findings += [Finding(Kind.REFUSED, one.identity, text) for text in one.refusals]
        for command in one.ids:
            state, calls = states.get(command), received.get(command, 0)
            findings += (
                Finding(kind, one.identity, f"command {command}: {state}, {calls} CALLs")
                for kind in _wrong_ends(state, calls)
            )
    strays = (states.keys() | received.keys()) - known
    return findings + [Finding(Kind.INVENTED, "", f"command {command}") for command in sorted(strays)]


def _wrong_ends(state: str | None, calls: int) -> list[Kind]:
    wrong = []
    if state is None or state in OPEN_COMMAND_STATES:
        wrong.append(Kind.LOST)
    if calls > 1:
        wrong.append(Kind.DOUBLED)
    if state == "accepted" and not calls:
        wrong.append(Kind.INVENTED)
    if state in _NOTHING_WAS_SENT and calls:
        wrong.append(Kind.CHANGED)
    return wrong


async def states_of(url: str, tenant: TenantRecord) -> dict[str, str]:
    """Return the states of all commands of a tenant."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select id, state from commands where tenant_id = $1", tenant.id)
    finally:
        await connection.close()
    return {str(row["id"]): row["state"] for row in rows}
