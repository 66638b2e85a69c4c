"""The two routes that search: the list of protocols with its filters, and the search over everything."""

from collections.abc import Collection
from functools import lru_cache
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from app.catalog import schemas
from app.catalog.catalog import API_ROOT, Catalog
from app.catalog.ecosystem import load_ecosystem
from app.catalog.facts import CapabilityKey
from app.catalog.overview import list_protocols
from app.catalog.routes.answers import answers, misspelt, refusal
from app.catalog.routes.documents import operation
from app.catalog.search import SearchIndex
from app.errors import FieldViolation, InvalidInput
from app.near_names import hint, near_names
from app.web.document_routes import DocumentRoute
from app.web.documents import Document, DocumentResponse, json_document

_KEPT_LISTS = 256
LONGEST_TEXT = 64


def list_route(catalog: Catalog) -> DocumentRoute:
    """Make the route of the list of protocols."""
    ecosystem = load_ecosystem()

    @lru_cache(maxsize=_KEPT_LISTS)
    def listed(wanted: schemas.ProtocolFilter) -> Document:
        return json_document(list_protocols(catalog, wanted).model_dump(mode="json"))

    async def list_all(
        family: Annotated[
            str | None,
            Query(description="Key of a family.", json_schema_extra={"enum": list(ecosystem.families)}),
        ] = None,
        party: Annotated[
            str | None,
            Query(
                description="Key of a party that speaks it, as on the map.",
                json_schema_extra={"enum": list(ecosystem.parties)},
            ),
        ] = None,
        depth: Annotated[schemas.Depth | None, Query(description="How much the catalog says of it.")] = None,
        capability: Annotated[
            CapabilityKey | None, Query(description="Key of a capability that it has, wholly or in part.")
        ] = None,
        q: Annotated[
            str | None,
            Query(max_length=LONGEST_TEXT, description="Text to find in what the card says, in any case."),
        ] = None,
    ) -> Response:
        _require_known("family", family, ecosystem.families)
        _require_known("party", party, ecosystem.parties)
        wanted = schemas.ProtocolFilter(
            family=family, party=party, depth=depth, capability=capability, q=q or None
        )
        return DocumentResponse(listed(wanted))

    return DocumentRoute(
        API_ROOT,
        list_all,
        documents={API_ROOT: listed(schemas.ProtocolFilter())},
        response_model=schemas.ProtocolList,
        responses={
            **answers(list_protocols(catalog).model_dump(mode="json")),
            422: refusal(_unknown_value("family", misspelt("CP2CSMS"), ecosystem.families)),
        },
        summary="List the protocols",
        description="The protocols of the ecosystem that match every given filter, with the facts of their "
        "cards.",
        **operation("list_protocols"),
    )


def search_route(catalog: Catalog) -> DocumentRoute:
    """Make the route that searches protocols, messages, fields, configuration keys and error codes."""
    index = SearchIndex(catalog)

    @lru_cache(maxsize=_KEPT_LISTS)
    def found(wanted: schemas.SearchFilter) -> Document:
        return json_document(index.find(wanted).model_dump(mode="json"))

    async def search(
        q: Annotated[
            str,
            Query(
                min_length=1,
                max_length=LONGEST_TEXT,
                description="Text to find in names and summaries, in any case.",
                examples=["idTag"],
            ),
        ],
        protocol: Annotated[
            str | None,
            Query(
                description="Slug of the protocol to search.",
                json_schema_extra={"enum": list(catalog.protocols)},
            ),
        ] = None,
        kind: Annotated[schemas.SearchKind | None, Query(description="What to find.")] = None,
    ) -> Response:
        _require_known("protocol", protocol, catalog.protocols)
        return DocumentResponse(found(schemas.SearchFilter(q=q, protocol=protocol, kind=kind)))

    example = index.find(schemas.SearchFilter(q="HeartbeatInterval")).model_dump(mode="json")
    slug = next(iter(catalog.protocols))
    return DocumentRoute(
        "/v1/search",
        search,
        documents={},
        response_model=schemas.SearchResult,
        responses={
            **answers(example),
            422: refusal(_unknown_value("protocol", misspelt(slug), catalog.protocols)),
        },
        summary="Search the catalog",
        description="Protocols, messages, fields, configuration keys and error codes with a text in their "
        "name or summary. Exact names come first.",
        **operation("search_protocols"),
    )


def _require_known(field: str, value: str | None, known: Collection[str]) -> None:
    """Refuse a value that is not known.

    Raises:
        InvalidInput: it names the parameter, and near values.
    """
    if value is not None and value not in known:
        raise _unknown_value(field, value, known)


def _unknown_value(field: str, value: str, known: Collection[str]) -> InvalidInput:
    detail = f"There is no such {field}.{hint(near_names(value, known))}"
    return InvalidInput([FieldViolation(field, f"unknown_{field}", detail)])
