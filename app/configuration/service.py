"""The use cases of configuration: what charge points have, and what they should have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from app.charge_points.records import ChargePointFilter, ChargePointRecord
from app.charge_points.service import existing_charge_point
from app.clock import Clock
from app.commands.rules import REDACTED
from app.configuration.records import (
    ConfigurationRecord,
    ConfigurationTemplate,
    DesiredKey,
    KeyView,
    StoredTemplate,
)
from app.configuration.rules import KeyTypes, key_views, require_settable, resolve
from app.configuration.sealing import ValueSeal
from app.configuration.store import ConfigurationStore, DesiredStore, KeyStateStore, TenantReviewStore
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import Conflict, NotFound
from app.ocpp import is_secret_name
from app.types import TenantId

TEMPLATES_LIMIT: Final = 200
"""The most templates of a tenant: each review reads all of them."""


@dataclass(frozen=True, slots=True)
class ConfigurationService:
    """The use cases of configuration keys."""

    database: Database
    clock: Clock
    types: KeyTypes
    seal: ValueSeal

    async def of_charge_point(self, tenant_id: TenantId, identity: str) -> list[KeyView]:
        """Return the keys that a charge point has reported or should have, without secrets, by their names.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            known = await ConfigurationStore(work).for_charge_point(charge_point.id)
            desired = await desired_of(work, charge_point)
            states = await KeyStateStore(work).of_charge_point(charge_point.id)
        return key_views([_without_secret(key) for key in known], desired, states)

    async def own_keys(self, tenant_id: TenantId, identity: str) -> dict[str, str]:
        """Return the keys that a charge point should have by itself, without secrets.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            return await DesiredStore(work).own_keys(charge_point.id)

    async def put_own_keys(
        self, tenant_id: TenantId, identity: str, keys: Mapping[str, str]
    ) -> dict[str, str]:
        """Replace the keys that a charge point should have by itself.

        Raises:
            NotFound: the tenant has no charge point of this identity.
            InvalidInput: a key cannot be set.
        """
        require_settable(self.types, keys)
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity, to_change=True)
            store = DesiredStore(work)
            stored = self.seal.sealed(tenant_id, keys, await store.own_keys(charge_point.id))
            await store.put_own_keys(charge_point.id, stored)
            await TenantReviewStore(work).soon(self.clock.now(), [charge_point.id])
        return stored

    async def templates(self, tenant_id: TenantId) -> list[StoredTemplate]:
        """Return all templates of a tenant in the order of their names."""
        async with self.database.tenant(tenant_id) as work:
            return await DesiredStore(work).templates()

    async def template(self, tenant_id: TenantId, name: str) -> StoredTemplate:
        """Return one template.

        Raises:
            NotFound: there is none of this name.
        """
        async with self.database.tenant(tenant_id) as work:
            return _found(await DesiredStore(work).template(name))

    async def put_template(
        self,
        tenant_id: TenantId,
        name: str,
        priority: int,
        selector: Mapping[str, Any],
        keys: Mapping[str, str],
    ) -> tuple[StoredTemplate, bool]:
        """Create a template, or replace the one of this name. Return it, and whether it is new.

        Raises:
            InvalidInput: a key cannot be set.
            Conflict: the tenant has as many templates as it may have.
        """
        require_settable(self.types, keys)
        async with self.database.tenant(tenant_id) as work:
            store = DesiredStore(work)
            await store.lock()
            known = {template.name: template for template in await store.templates()}
            before = known.get(name)
            if before is None and len(known) >= TEMPLATES_LIMIT:
                raise Conflict(f"There are {TEMPLATES_LIMIT} templates already.")
            stored = self.seal.sealed(tenant_id, keys, {} if before is None else before.keys)
            await store.put_template(name, priority, selector, stored)
            await TenantReviewStore(work).soon(self.clock.now())
            return _found(await store.template(name)), before is None

    async def delete_template(self, tenant_id: TenantId, name: str) -> None:
        """Delete a template. Charge points keep the values that they have.

        Raises:
            NotFound: there is none of this name.
        """
        async with self.database.tenant(tenant_id) as work:
            if not await DesiredStore(work).delete_template(name):
                raise NotFound("There is no such configuration template.", "template_name")
            await TenantReviewStore(work).soon(self.clock.now())

    async def labels_changed(self, work: TenantWork, charge_point_ids: Sequence[int]) -> None:
        """Have charge points reviewed that are new or have other labels."""
        await TenantReviewStore(work).soon(self.clock.now(), charge_point_ids)


async def desired_of(work: TenantWork, charge_point: ChargePointRecord) -> dict[str, DesiredKey]:
    """Return what a charge point should have, by key in lower case; secret values are sealed."""
    store = DesiredStore(work)
    templates = [_with_filters(template) for template in await store.templates()]
    return resolve(templates, await store.own_keys(charge_point.id), charge_point)


def _with_filters(template: StoredTemplate) -> ConfigurationTemplate:
    filters = ChargePointFilter.of(template.selector)
    return ConfigurationTemplate(template.name, template.priority, template.keys, filters)


def _found(template: StoredTemplate | None) -> StoredTemplate:
    if template is None:
        raise NotFound("There is no such configuration template.", "template_name")
    return template


def _without_secret(key: ConfigurationRecord) -> ConfigurationRecord:
    is_hidden = key.value is not None and is_secret_name(key.key)
    return replace(key, value=REDACTED) if is_hidden else key
