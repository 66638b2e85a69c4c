"""Says the facts of an entry as its page does: section titles, badges, level words."""

from collections.abc import Iterable, Iterator

from app.catalog import schemas
from app.catalog.entry import ECOSYSTEM, Entry
from app.catalog.facts import MatrixRow


def matrix_row(row: MatrixRow) -> schemas.MatrixRowServed:
    """Add the words of the level to a row of the capability matrix."""
    words = f"{schemas.LEVEL_MARKS[row.level]} {schemas.LEVEL_WORDS[row.level]}"
    return schemas.MatrixRowServed(**dict(row), level_text=words)


def count_levels(rows: Iterable[MatrixRow]) -> schemas.CapabilityCounts:
    """Count the rows of each level."""
    levels = [row.level for row in rows]
    return schemas.CapabilityCounts(
        supported=levels.count("supported"),
        partial=levels.count("partial"),
        not_supported=levels.count("not_supported"),
        not_applicable=levels.count("not_applicable"),
        unknown=levels.count("unknown"),
    )


def sections_of(entry: Entry) -> Iterator[schemas.SectionServed]:
    """Yield the sections of the page, in their order. A section without facts is left out."""
    section = schemas.SectionServed
    if entry.adoption is not None:
        yield section(key="adoption", title="Adoption")
    yield section(key="capabilities", title="Capability matrix", note=_level_note(entry))
    if entry.migration is not None:
        yield section(key="migration", title="Migration intelligence")
    yield section(key="security", title="Security layer")
    if entry.message_flow:
        note = f"{len(entry.message_flow)} message types"
        yield section(key="message_flow", title="Message flow", note=note)
    if entry.deployments is not None:
        yield section(key="deployments", title="Deployment examples", note=entry.deployments.note)
    yield section(key="transport", title="Transport and encoding")
    yield section(key="text_access", title="Text, licence and certification")
    yield section(key="versions", title="Versions")
    yield section(key="schema_sets", title="Schemas of other publishers")
    yield section(key="spoken", title="Who speaks it to whom")
    yield section(key="relations", title="Related protocols")
    yield section(key="sources", title="Sources")
    yield section(key="api", title="Developer API")


def _level_note(entry: Entry) -> str:
    counts = dict(count_levels(entry.capabilities))
    words = ((counts[level], words.lower()) for level, words in schemas.LEVEL_WORDS.items())
    return " · ".join(f"{number} {level}" for number, level in words if number)


def page_texts_of(entry: Entry, docs: str, protocols: str) -> schemas.PageTexts:
    """Return the texts that put several facts together.

    Args:
        entry: the facts.
        docs: the path of the documentation of the API.
        protocols: the path of the page with all protocols.
    """
    version = f"{entry.version} ({entry.edition})" if entry.edition else entry.version
    status = (entry.status,) if entry.status else ()
    parties = " ↔ ".join(entry.parties)
    return schemas.PageTexts(
        breadcrumb=f"{ECOSYSTEM} / {entry.name}",
        badges=(entry.family, *status, f"Released {entry.released}", version),
        parties=parties,
        footer=f"{entry.name} · {parties}",
        links=(
            schemas.PageLink(text="View API docs →", href=docs),
            schemas.PageLink(text="← All protocols", href=protocols),
        ),
    )
