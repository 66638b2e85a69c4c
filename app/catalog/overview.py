"""The catalog of all protocols at once: the list with its filters, the map and the matrix."""

from app.catalog import schemas
from app.catalog.catalog import API_ROOT, Catalog, ProtocolCatalog
from app.catalog.ecosystem import Edge, load_ecosystem
from app.catalog.entry import ECOSYSTEM
from app.catalog.facts import CAPABILITIES, MatrixRow

_HAS: frozenset[str] = frozenset(("supported", "partial"))


def list_protocols(catalog: Catalog, wanted: schemas.ProtocolFilter | None = None) -> schemas.ProtocolList:
    """List the protocols that match every given filter.

    Args:
        catalog: all protocols.
        wanted: party: the key of a party that speaks it. capability: supported wholly or in part. q: text in
            what the card says, in any case.
    """
    wanted = wanted or schemas.ProtocolFilter()
    found = tuple(protocol.summary for protocol in catalog.protocols.values() if _matches(protocol, wanted))
    return schemas.ProtocolList(ecosystem=ECOSYSTEM, filter=wanted, count=len(found), protocols=found)


def _matches(protocol: ProtocolCatalog, wanted: schemas.ProtocolFilter) -> bool:
    summary = protocol.summary
    return (
        (wanted.family is None or summary.family == wanted.family)
        and (wanted.party is None or wanted.party in summary.party_keys)
        and (wanted.depth is None or summary.depth == wanted.depth)
        and (wanted.capability is None or protocol.row(wanted.capability).level in _HAS)
        and (wanted.q is None or wanted.q.casefold() in protocol.searchable_card)
    )


def make_map(catalog: Catalog) -> schemas.ProtocolMap:
    """Return who speaks what to whom."""
    ecosystem = load_ecosystem()
    return schemas.ProtocolMap(
        parties=tuple(schemas.MapParty(key=key, name=name) for key, name in ecosystem.parties.items()),
        edges=tuple(_edge(catalog, number, edge) for number, edge in enumerate(ecosystem.edges, 1)),
    )


def _edge(catalog: Catalog, number: int, edge: Edge) -> schemas.MapEdge:
    spoken = [
        schemas.MapProtocol(
            name=catalog.protocols[known.slug].entry.name,
            slug=known.slug,
            note=known.note,
            confidence="read",
            href=f"{API_ROOT}/{known.slug}",
        )
        for known in edge.protocols
        if known.slug in catalog.protocols
    ]
    spoken += [
        schemas.MapProtocol(name=name, slug=None, note=None, confidence="known", href=None)
        for name in edge.general_knowledge
    ]
    return schemas.MapEdge(
        number=number, source=edge.source, targets=edge.targets, protocols=tuple(spoken), passes=edge.passes
    )


def make_matrix(catalog: Catalog) -> schemas.ProtocolMatrix:
    """Return the capability matrices of all protocols as one."""
    return schemas.ProtocolMatrix(
        capabilities=tuple(
            schemas.MatrixCapability(key=key, name=name) for key, name in CAPABILITIES.items()
        ),
        protocols=tuple(
            schemas.MatrixProtocol(
                slug=protocol.entry.slug,
                name=protocol.entry.name,
                family=protocol.entry.family,
                href=protocol.href,
                capabilities={row.key: _cell(row) for row in protocol.entry.capabilities},
            )
            for protocol in catalog.protocols.values()
        ),
    )


def _cell(row: MatrixRow) -> schemas.MatrixCell:
    return schemas.MatrixCell(level=row.level, reason=row.reason, confidence=row.confidence)
