"""The answer to the command of a job, whenever it comes."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.commands.rules import Outcome
from app.diagnostics.handlers import DiagnosticsEffect
from app.diagnostics.records import JobFilter
from app.diagnostics.rules import command_key
from app.diagnostics.store import DiagnosticsStore
from app.settings import Settings
from tests.support.api import NOW, Api
from tests.support.recorded import put_diagnostics_job

ACCEPTED = Outcome("accepted", {"fileName": "a.zip"}, answered=True)


@pytest.mark.parametrize("is_known", [True, False])
async def test_an_answer_finds_its_job_although_the_job_gets_to_know_its_command_meanwhile(
    api: Api, settings: Settings, is_known: bool
) -> None:
    tenant = await api.tenant()
    point = await api.charge_point(tenant)
    database = api.services.storage.database
    async with database.tenant(tenant.id) as work:
        job_id = await put_diagnostics_job(work, point, NOW)
        store = DiagnosticsStore(work)
        job = await store.get(job_id)
        assert job is not None
        await store.save(replace(job, state="requested", ended_at=None))
    command = await api.command(
        tenant,
        point,
        action="GetDiagnostics",
        payload={"location": "https://a.example/"},
        state="accepted",
        idempotency_key=command_key(job_id),
    )

    async def answer() -> None:
        async with database.tenant(tenant.id) as work:
            await DiagnosticsEffect(settings).apply(work, command, ACCEPTED, NOW)

    async with database.tenant(tenant.id) as work:
        # The issuer has locked the job, and writes its command.
        locked = await DiagnosticsStore(work).get(job_id, to_change=True)
        assert locked is not None
        answering = asyncio.create_task(answer())
        await _until_it_waits(api)
        if is_known:
            await DiagnosticsStore(work).save(replace(locked, command_id=command.id))
    await answering
    async with database.tenant(tenant.id) as work:
        (only,) = await DiagnosticsStore(work).page(10, None, JobFilter())
    assert (only.id, only.state, only.command_id) == (job_id, "accepted", command.id)


async def test_a_key_that_names_the_job_of_another_command_is_of_no_use(api: Api, settings: Settings) -> None:
    tenant = await api.tenant()
    point = await api.charge_point(tenant)
    database = api.services.storage.database
    async with database.tenant(tenant.id) as work:
        job_id = await put_diagnostics_job(work, point, NOW)
        job = await DiagnosticsStore(work).get(job_id)
        assert job is not None
        await DiagnosticsStore(work).save(replace(job, command_id=uuid4()))
    command = await api.command(
        tenant,
        point,
        action="GetDiagnostics",
        payload={"location": "https://a.example/"},
        state="accepted",
        idempotency_key=command_key(job_id),
    )
    async with database.tenant(tenant.id) as work:
        await DiagnosticsEffect(settings).apply(work, command, ACCEPTED, NOW)
        jobs = await DiagnosticsStore(work).page(10, None, JobFilter())
    assert {job.id: job.state for job in jobs}[job_id] == "timed_out"
    assert {job.state for job in jobs if job.id != job_id} == {"accepted"}


async def _until_it_waits(api: Api) -> None:
    """Wait until a statement waits for a lock."""
    waiting: Any = text(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
        "and datname = current_database()"
    )
    async with asyncio.timeout(20):
        while True:
            async with api.services.storage.database.platform() as work:
                if (await work.connection.execute(waiting)).scalar_one():
                    return
