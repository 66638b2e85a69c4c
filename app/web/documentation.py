"""`/docs`: Swagger UI, from files that are installed with the server. Nothing is loaded from elsewhere."""

from importlib.resources import files

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from app.web.conditional import content_tag, matching_tag

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
<meta name="color-scheme" content="light">
<title>Stationmaster API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. It shows <a href="openapi.json">/openapi.json</a>.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
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
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}
_PACKAGED = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")


def _assets() -> dict[str, bytes]:
    """Read the files of the page, by name. Those of Swagger UI come from the package that has them."""
    distribution = files("fastapi_swagger.resources")
    packaged = {name: distribution.joinpath(name).read_bytes() for name in _PACKAGED}
    return {**packaged, "start.js": _START.encode()}


def install_documentation(app: FastAPI) -> None:
    """Serve the page at `/docs` and its files below it."""
    assets = _assets()
    tags = {name: content_tag(content) for name, content in assets.items()}
    guard = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE, headers={**guard, "Content-Security-Policy": CONTENT_SECURITY_POLICY})

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in assets:
            return Response(status_code=404)
        headers = {**guard, "ETag": tags[name], "Cache-Control": "public, max-age=86400"}
        if matching_tag(request.headers.get("if-none-match", ""), (tags[name],)):
            return Response(status_code=304, headers=headers)
        media_type = _MEDIA_TYPES[name[name.rindex(".") :]]
        return Response(assets[name], headers=headers, media_type=media_type)

    app.add_route("/docs", page, methods=["GET"], include_in_schema=False)
    app.add_route("/docs/{name}", asset, methods=["GET"], include_in_schema=False)
