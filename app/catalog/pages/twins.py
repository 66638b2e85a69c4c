"""The pages in the form for programs: a Markdown twin of each, and `/llms.txt`, which lists them."""

from collections.abc import Callable, Mapping

from starlette.types import Scope, Send

from app.catalog.catalog import PAGE_ROOT, Catalog
from app.catalog.pages.markdown import MARKDOWN, markdown_of
from app.web.documents import Document, Headers
from app.web.negotiation import prefers

SUFFIX = ".md"
_VARYING: Headers = ((b"vary", b"Accept"),)


class PageDocument(Document):
    """A page that is sent as Markdown to a client that prefers it.

    twin: makes the Markdown; it is called at each such request, and should remember its result.
    """

    def __init__(self, text: str, headers: Headers, twin: Callable[[], Document]) -> None:
        super().__init__(text.encode(), b"text/html; charset=utf-8", extra=(*_VARYING, *headers))
        self._twin = twin

    async def send(self, scope: Scope, send: Send) -> None:
        """Answer one HTTP request with the form that `Accept` asks for."""
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
        if "markdown" in accept and prefers(accept, "text/markdown", "text/html"):
            await self._twin().send(scope, send)
        else:
            await super().send(scope, send)


def markdown_document(page: Document, is_page: Callable[[str], bool]) -> Document:
    """Make the twin of a page. is_page: whether a path is that of a page, which then has a twin, too."""

    def link(target: str) -> str:
        path, mark, anchor = target.partition("#")
        return f"{path}{SUFFIX}{mark}{anchor}" if is_page(path) else target

    text = markdown_of(page.body.decode(), link)
    return Document(text.encode(), MARKDOWN, extra=_VARYING)


def llms_document(catalog: Catalog, further: Mapping[str, str]) -> Document:
    """Make `/llms.txt`: what is here, and where the Markdown and the API are (llmstxt.org).

    further: titles of the pages of other packages, by path.
    """
    lines = [
        "# Stationmaster",
        "",
        "> A central system for charge points, and a public catalog of the protocols that they speak. "
        "Pages are Markdown with `.md` behind their path, or by `Accept: text/markdown`. Below "
        "`/v1/protocols` the same facts are JSON. None of this needs a key.",
        "",
        "## Protocols",
        "",
        f"- [All protocols]({PAGE_ROOT}{SUFFIX}): the list, with a card for each",
    ]
    for protocol in catalog.protocols.values():
        entry = protocol.entry
        lines.append(f"- [{entry.name}]({protocol.page}{SUFFIX}): {entry.tagline}")
        if protocol.definition is not None:
            lines.append(f"- [Messages of {entry.name}]({protocol.page}/messages{SUFFIX}): fields and limits")
        lines += [
            f"- [{entry.name}: {title}]({path}{SUFFIX})"
            for path, title in further.items()
            if path.startswith(f"{protocol.page}/")
        ]
    lines += [
        "",
        "## API",
        "",
        "- [OpenAPI](/openapi.json): every operation, of the catalog and of a tenant",
        "- [Changes](/v1/changes): what has changed in the API, the newest first",
    ]
    for protocol in catalog.protocols.values():
        if protocol.core is not None:
            lines.append(
                f"- [Validate]({protocol.href}/validate): POST a frame of {protocol.entry.name}, "
                "and read each broken rule"
            )
    return Document(("\n".join(lines) + "\n").encode(), b"text/plain; charset=utf-8")
