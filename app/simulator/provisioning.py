"""Creates the charge points and id tags of a fleet in the central system before they connect."""

from collections.abc import Sequence, Set

from app.simulator.credentials import CredentialFile
from app.simulator.persona import Persona
from app.simulator.rest import RestClient

TAG_PREFIX = "SIM-TAG-"
# A crash in between may lose a few passwords, not all of them.
_REMEMBER_EVERY = 50


def provision(
    api: RestClient, tenant: str, personas: Sequence[Persona], id_tags: Sequence[str], file: CredentialFile
) -> None:
    """Create what is missing. A charge point without a known password gets a new one.

    Raises:
        SimulatorError: the API refuses, or its key belongs to another tenant.
    """
    existing = {identity for prefix in _prefixes(personas) for identity in api.names(prefix)}
    missing = [row for row in personas if row.identity not in existing or file.password(row.identity) is None]
    if missing:
        api.require_tenant(tenant)
    for start in range(0, len(missing), _REMEMBER_EVERY):
        batch = missing[start : start + _REMEMBER_EVERY]
        file.remember({persona.identity: _password(api, persona, existing) for persona in batch})
    known = {id_tag.upper() for id_tag in api.id_tags(TAG_PREFIX)}
    for id_tag in id_tags:
        if id_tag.upper() not in known:
            api.create_id_tag(id_tag)


def _prefixes(personas: Sequence[Persona]) -> set[str]:
    return {persona.identity.rpartition("-")[0] + "-" for persona in personas}


def _password(api: RestClient, persona: Persona, existing: Set[str]) -> str:
    if persona.identity in existing:
        credential = api.replace_credential(persona.identity)
    else:
        name = f"{persona.vendor} {persona.model} (simulated)"
        credential = api.create_charge_point(persona.identity, name)
    password: str = credential["password"]
    return password
