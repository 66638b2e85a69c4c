"""`/docs`: Swagger UI, from files that are installed with the server. Nothing is loaded from elsewhere."""

from functools import cache
from importlib.resources import files

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from app.web.documents import Document, DocumentResponse

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Stationmaster API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/page.css">
</head>
<body>
<nav aria-label="Site"><a href="protocols">← Protocols</a></nav>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. It shows <a href="openapi.json">/openapi.json</a>.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
# Swagger UI is dark below an element of this class. Its own style leaves the page white.
_STYLE = """:root { color-scheme: light dark; }
body { margin: 0; background: #ffffff; }
nav { padding: 0.9rem 1.25rem; font: 1rem/1.5 system-ui, sans-serif; }
nav a { color: #0b6e66; }
.dark-mode body { background: #0e1519; color: #e4ecf0; }
.dark-mode nav a { color: #5fd6c6; }
"""
_START = """const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  operationsSorter: "alpha",
  persistAuthorization: false,
  validatorUrl: null,
});
"""
_MEDIA_TYPES = {".js": b"text/javascript", ".css": b"text/css", ".png": b"image/png"}
_ASSET_MAX_AGE_S = 86_400
_PACKAGED = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")


@cache
def _assets() -> dict[str, Document]:
    """Read and compress the files of the page, by name. Those of Swagger UI come from its package."""
    distribution = files("fastapi_swagger.resources")
    contents = {name: distribution.joinpath(name).read_bytes() for name in _PACKAGED}
    contents |= {"start.js": _START.encode(), "page.css": _STYLE.encode()}
    return {
        name: Document(
            content,
            _MEDIA_TYPES[name[name.rindex(".") :]],
            extra=((b"referrer-policy", b"no-referrer"),),
            max_age_s=_ASSET_MAX_AGE_S,
        )
        for name, content in contents.items()
    }


def install_documentation(app: FastAPI) -> None:
    """Serve the page at `/docs` and its files below it."""
    page_headers = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    }

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE, headers=page_headers)

    async def asset(request: Request) -> Response:
        document = _assets().get(request.path_params["name"])
        return Response(status_code=404) if document is None else DocumentResponse(document)

    app.add_route("/docs", page, methods=["GET"], include_in_schema=False)
    app.add_route("/docs/{name}", asset, methods=["GET"], include_in_schema=False)
