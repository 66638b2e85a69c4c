"""Calls a running server with the generated Python client. Runs in the environment of the generator."""

import json
import sys

from stationmaster_client import AuthenticatedClient  # type: ignore[import-not-found]
from stationmaster_client.api.id_tags import create_id_tag, get_id_tag, list_id_tags  # type: ignore[import-not-found]
from stationmaster_client.api.protocol_catalog import list_protocols  # type: ignore[import-not-found]
from stationmaster_client.models import IdTagCreate  # type: ignore[import-not-found]


def main() -> None:
    """Arguments: the URL of the server, and a key."""
    url, token = sys.argv[1:]
    client = AuthenticatedClient(base_url=url, token=token)
    protocols = list_protocols.sync(client=client)
    tag = create_id_tag.sync(client=client, body=IdTagCreate(id_tag="SMOKE-PY"))
    page = list_id_tags.sync(client=client, limit=5)
    missing = get_id_tag.sync(client=client, id_tag="NONE")
    found = [
        next(each.slug for each in protocols.protocols if each.slug == "ocpp-16j"),
        tag.id_tag,
        any(each.id_tag == "SMOKE-PY" for each in page.items),
        missing.code,
    ]
    sys.stdout.write(json.dumps(found))


main()
