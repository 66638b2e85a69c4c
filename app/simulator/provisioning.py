"""Makes the charge points and id tags of a fleet known to the central system, before it connects."""

from collections.abc import Sequence

from app.simulator.credentials import CredentialFile
from app.simulator.errors import SimulatorError
from app.simulator.persona import Persona
from app.simulator.rest import RestClient

TAG_PREFIX = "SIM-TAG-"
# A crash in between may forget a few passwords, not all of them.
_REMEMBER_EVERY = 50


def provision(
    api: RestClient, tenant: str, personas: Sequence[Persona], id_tags: Sequence[str], file: CredentialFile
) -> None:
    """Create what is missing; a charge point whose password is not known here gets a new one.

    Raises:
        SimulatorError: the API refuses, or its key belongs to another tenant.
    """
    existing = {identity for prefix in _prefixes(personas) for identity in api.identities(prefix)}
    fresh: dict[str, str] = {}
    for persona in personas:
        identity = persona.identity
        if identity not in existing:
            name = f"{persona.vendor} {persona.model} (simulated)"
            fresh[identity] = _password(api.create_charge_point(identity, name), tenant)
        elif file.password(identity) is None:
            fresh[identity] = _password(api.replace_credential(identity), tenant)
        if len(fresh) >= _REMEMBER_EVERY:
            file.remember(fresh)
            fresh = {}
    if fresh:
        file.remember(fresh)
    known = {id_tag.upper() for id_tag in api.id_tags(TAG_PREFIX)}
    for id_tag in id_tags:
        if id_tag.upper() not in known:
            api.create_id_tag(id_tag)


def _prefixes(personas: Sequence[Persona]) -> set[str]:
    return {persona.identity.rpartition("-")[0] + "-" for persona in personas}


def _password(credential: dict[str, str], tenant: str) -> str:
    owner = credential["path"].strip("/").split("/")[1]
    if owner != tenant:
        raise SimulatorError(f"STATIONMASTER_API_KEY: the key belongs to tenant {owner}, not {tenant}")
    return credential["password"]
