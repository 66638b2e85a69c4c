"""The public routes of the differences between protocols, of the mapping, and of translated frames."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Annotated, Any, Final

from fastapi import Body, Path
from pydantic import TypeAdapter
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.catalog.catalog import API_ROOT, Catalog, ProtocolCatalog
from app.catalog.definition import Definition
from app.catalog.routes.answers import answers, refusal
from app.catalog.routes.documents import (
    document_route,
    misspelt_protocol,
    no_such_protocol,
    operation,
    slug_parameter,
)
from app.catalog.routes.questions import RawQuestion, read_object
from app.catalog.routes.validation import ComputedRoute, ValidationLimit
from app.clock import SystemClock
from app.errors import FieldViolation, InvalidInput
from app.migration.mapping import load_mapping
from app.migration.rules.differences import compare
from app.migration.schemas import (
    TRANSLATION_EXAMPLES,
    DifferenceCounts,
    MigrationMap,
    ProtocolDifferences,
    TranslationFound,
    TranslationQuestion,
)
from app.migration.translation import FrameTranslator
from app.web.document_routes import DocumentRoute
from app.web.documents import Document, DocumentResponse, json_document
from app.web.problems import documented

OLD: Final = "ocpp-16j"
NEW: Final = "ocpp-201"
MIGRATION_BELOW: Final = f"/{OLD}/migration/{NEW}"
"""The path of the mapping below that of all protocols."""

_QUESTION: Final = TypeAdapter(TranslationQuestion)


def differences_of(old: ProtocolCatalog, new: ProtocolCatalog) -> ProtocolDifferences:
    """Return what differs between two described protocols."""
    found = compare(_definition(old), _definition(new))
    counts = DifferenceCounts(
        added=len(found.added),
        removed=len(found.removed),
        changed=len(found.changed),
        same=len(found.same),
    )
    return ProtocolDifferences.model_validate(
        {"protocol": old.entry.slug, "other": new.entry.slug, "counts": counts, **asdict(found)}
    )


def _definition(protocol: ProtocolCatalog) -> Definition:
    if protocol.definition is None:
        raise ValueError(f"{protocol.entry.slug} has no definition")
    return protocol.definition


def migration_map(catalog: Catalog) -> MigrationMap:
    """Return the mapping from OCPP 1.6 to 2.0.1, with the messages that have no counterpart."""
    mapping = load_mapping()
    mapped = {target for message in mapping.messages.values() for target in message.to}
    shared = MigrationMap.model_fields.keys() & type(mapping).model_fields.keys()
    return MigrationMap(
        protocol=OLD,
        other=NEW,
        only_new=tuple(action for action in catalog.described[NEW].actions if action not in mapped),
        **{name: getattr(mapping, name) for name in shared},
    )


def migration_routes(catalog: Catalog, limit: ValidationLimit) -> list[BaseRoute]:
    """Make the routes, for an application whose catalog describes the protocols that they name."""
    mapped = migration_map(catalog)
    return [
        document_route(
            f"{API_ROOT}{MIGRATION_BELOW}",
            mapped,
            name="show_migration",
            example=_first_entries(mapped.model_dump(mode="json")),
            summary="Show the migration from OCPP 1.6J to OCPP 2.0.1",
            description="Each message, field, value, key and code of 1.6 with its counterpart, "
            "with what is lost, what must be made up and what becomes possible.",
        ),
        _translate_route(catalog, limit),
        _differences_route(catalog),
    ]


def _first_entries(content: dict[str, Any]) -> dict[str, Any]:
    """Return an example: of each table its first entry, but the whole overview."""
    overview = content["overview"]
    short = {
        name: dict([*table.items()][:1]) if isinstance(table, dict) else table
        for name, table in content.items()
    }
    return {**short, "overview": overview}


def _differences_route(catalog: Catalog) -> DocumentRoute:
    described = catalog.described

    @cache
    def compared(slug: str, other: str) -> Document:
        return json_document(differences_of(described[slug], described[other]).model_dump(mode="json"))

    async def show_differences(
        slug: Annotated[str, slug_parameter(described)],
        other: Annotated[
            str,
            Path(
                description="Name of the protocol to compare with.",
                json_schema_extra={"enum": list(described)},
                examples=[NEW],
            ),
        ],
    ) -> Response:
        for name in (slug, other):
            if name not in described:
                raise no_such_protocol(catalog, name, described)
        return DocumentResponse(compared(slug, other))

    example = differences_of(described[OLD], described[NEW]).model_dump(mode="json")
    example["changed"] = [{**example["changed"][0], "changes": example["changed"][0]["changes"][:2]}]
    nothing: Mapping[str, Document] = {}
    return DocumentRoute(
        f"{API_ROOT}/{{slug}}/diff/{{other}}",
        show_differences,
        documents=nothing,
        response_model=ProtocolDifferences,
        responses=answers(example, not_found=misspelt_protocol(catalog)),
        summary="Compare two protocols",
        description="Which messages, fields, limits and values the other protocol adds, removes or changes. "
        "Messages are compared by their names; `customData`, which every object of 2.x has, is left out.",
        **operation("compare_protocols"),
    )


def _translate_route(catalog: Catalog, limit: ValidationLimit) -> ComputedRoute:
    old, new = catalog.described[OLD].core, catalog.described[NEW].core
    if old is None or new is None:
        raise ValueError("both versions need a core")
    translator = FrameTranslator(old, new, load_mapping(), SystemClock())

    def translate(
        question: Annotated[TranslationQuestion, Body(openapi_examples=TRANSLATION_EXAMPLES)],
    ) -> TranslationFound:
        return translator.answer(question)

    def answer(raw: RawQuestion) -> bytes:
        return translate(read_object(raw, _QUESTION)).model_dump_json().encode()

    return ComputedRoute(
        f"{API_ROOT}{MIGRATION_BELOW}/translate",
        translate,
        limit=limit,
        answer=answer,
        methods=["POST"],
        response_model=TranslationFound,
        summary="Translate a frame of OCPP 1.6 to OCPP 2.0.1",
        description="Returns the messages of 2.0.1 that say the same, valid by its definition, with a "
        "report: what is lost, what was made up and why, and which state one frame does not have. Input that "
        "deviates is repaired first, as the running system would; what 1.6 refuses is refused.",
        responses=_refusals(),
        **operation("translate_frame"),
    )


def _refusals() -> dict[int | str, dict[str, Any]]:
    example = InvalidInput(
        [
            FieldViolation(
                "/action", "missing", "A CALLRESULT does not name its action: give that of its CALL."
            )
        ]
    )
    return {
        400: documented(400),
        415: documented(415),
        413: {"description": "The body is larger than 256 KiB."},
        422: refusal(example),
        429: documented(429),
    }
