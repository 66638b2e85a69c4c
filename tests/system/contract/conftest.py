"""Fixtures of the tests over all routes: the api with the real commands, and one of everything."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.charge_points.records import StatusReport
from app.charge_points.store import ChargePointStore
from app.configuration.store import ConfigurationStore, DesiredStore
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.local_lists.store import LocalListStore
from app.quirks.records import QuirkProfileRecord, StatedHabits
from app.quirks.store import QuirkProfileStore
from app.reservations.store import ReservationStore
from app.settings import Settings
from app.smart_charging.schemas.charging_profiles import EXAMPLE_PROFILE, CalendarInput
from app.smart_charging.store import ChargingProfileStore
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.tenants.store import ApiKeyStore
from app.users.store import UserStore
from tests.support.api import NOW, Api, build_app, open_api
from tests.support.firmware import make_firmware
from tests.support.operations import Operation, operations_of
from tests.support.recorded import put_diagnostics_job, put_file
from tests.support.statuses import record_status
from tests.support.store import local_list, new_reservation
from tests.support.stored_transfers import store_transfers
from tests.support.stored_webhooks import store_webhook


@dataclass(frozen=True)
class OwnedResources:
    """A tenant that owns one of everything.

    values: the value of each variable part of a path; named: those of members of bodies that name a row.
    """

    tenant: TenantRecord
    token: str
    values: dict[str, str]
    named: dict[str, Any]


@pytest.fixture(scope="session")
def operations() -> list[Operation]:
    """Every operation of the document.

    It is built here, before a test has connections: the second that it takes would look like an outage of
    Redis to them.
    """
    return list(operations_of(build_app().openapi()))


@pytest.fixture
async def api(storage: Storage, redis_url: str, settings: Settings) -> AsyncIterator[Api]:
    """The API over the real store, Redis and commands."""
    generous = settings.model_copy(update={"login_failures_per_minute": 100_000})
    async with open_api(storage, redis_url, generous) as opened:
        yield opened


@pytest.fixture
async def owned(api: Api) -> OwnedResources:
    """A tenant with one of everything."""
    return await make_owned(api)


async def make_owned(api: Api) -> OwnedResources:
    """Build one of everything for a new tenant."""
    tenant = await api.tenant()
    token = await api.key(tenant)
    identity = f"OWNED-{tenant.id}"
    charge_point = await api.charge_point(tenant, identity)
    async with api.services.storage.database.tenant(tenant.id) as work:
        report = StatusReport(1, "Available", "NoError", NOW, NOW, 1)
        await record_status(work.rows, work.tenant_id, charge_point, report, 64)
        await ChargePointStore(work).update(identity, labels={"site": identity})
        await DesiredStore(work).put_template(f"template-{tenant.id}", 0, {"labels": []}, {"AcmeKey": "1"})
        await IdTagStore(work).create(NewIdTag(f"TAG-{tenant.id}"))
        await ConfigurationStore(work).put(charge_point, "HeartbeatInterval", "300", False, NOW)
        profile = await ChargingProfileStore(work).create(
            "Less in the evening peak", calendar=CalendarInput.example
        )
        quirk = QuirkProfileRecord(f"quirk-{tenant.id}", "Acme", "*", "*", None, StatedHabits())
        await QuirkProfileStore(work).create(quirk, NOW)
        await LocalListStore(work).create(local_list(f"list-{tenant.id}", NOW))
        await UserStore(work).create(f"user-{tenant.id}", "viewer", NOW)
        reservation = new_reservation(charge_point, f"TAG-{tenant.id}", NOW)
        await ReservationStore(work).create(reservation)
        firmware = await make_firmware(work, charge_point, identity, NOW)
        job_id = await put_diagnostics_job(work, charge_point, NOW)
        transfers = await store_transfers(
            work, api.services.settings.credential_pepper, charge_point, NOW, "refused"
        )
        webhook = await store_webhook(work, api.services.settings.credential_pepper)
    services = api.services
    file = await put_file(services.storage.database, api.clock, services.settings, tenant.id)
    async with api.services.storage.database.platform() as platform:
        (key,) = await ApiKeyStore(platform).list(tenant.id)
    transaction = await api.transaction(tenant, charge_point)
    await api.meter_value(tenant, charge_point)
    orphan_record_id = await api.orphan_record(tenant, charge_point)
    await api.audit_entry(tenant)
    await api.refused_login(tenant, identity)
    await api.deviation(tenant, charge_point)
    await api.authorization_webhook(tenant, identity)
    certificates = await api.certificates(tenant, charge_point, identity)
    event_id, alarm_id = await api.security_alarm(tenant, identity)
    change_id = await api.security_change(tenant, charge_point)
    bulk_id = await api.bulk(tenant)
    # In doubt, so that an operator can settle it.
    command = await api.command(
        tenant,
        charge_point,
        identity=identity,
        action="SetChargingProfile",
        payload={"connectorId": 1, "csChargingProfiles": EXAMPLE_PROFILE},
        state="timed_out",
    )
    values = {
        "slug": tenant.slug,
        "identity": identity,
        "connector_id": "1",
        "id_tag": f"TAG-{tenant.id}",
        "transaction_id": str(transaction),
        "command_id": str(command.id),
        "charging_profile_id": str(profile.id),
        "profile_name": f"quirk-{tenant.id}",
        "list_name": f"list-{tenant.id}",
        "reservation_id": str(reservation.reservation_id),
        "event_id": str(event_id),
        "alarm_id": str(alarm_id),
        "change_id": str(change_id),
        "bulk_id": str(bulk_id),
        "job_id": str(job_id),
        "file_id": str(file.id),
        "user_name": f"user-{tenant.id}",
        "template_name": f"template-{tenant.id}",
        "key_id": str(uuid.UUID(str(key.id))),
        **certificates,
        **transfers,
        **webhook,
        "firmware_update_id": str(firmware.firmware_update_id),
        "campaign_id": str(firmware.campaign_id),
    }
    named = {
        "orphan_record_id": orphan_record_id,
        "command_id": str(command.id),
        "id_tag": f"TAG-{tenant.id}",
        "id_tags": [f"TAG-{tenant.id}"],
        "charge_points": [identity],
        "filter": {"prefix": identity},
        "targets": {"identities": [identity]},
    }
    return OwnedResources(tenant, token, values, named)
