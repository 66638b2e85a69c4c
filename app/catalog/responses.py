"""The documented answers that every catalog route shares."""

from typing import Any

TAG = "Protocol catalog"
_PROBLEM_MEDIA_TYPE = "application/problem+json"


def answers(example: Any, *, not_found: str | None = None) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a document: 200 with this example, 304, and 404 when names are asked for.

    not_found: the name in the example of the 404; None when the path has no name in it.
    """
    found: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The document. Strong `ETag`; gzip by `Accept-Encoding`.",
            "content": {"application/json": {"example": example}},
            "headers": {
                "ETag": {"schema": {"type": "string"}, "description": "Hash of the content."},
                "Cache-Control": {"schema": {"type": "string"}, "example": "public, max-age=300"},
            },
        },
        304: {"description": "`If-None-Match` names the content that the client holds."},
    }
    if not_found is not None:
        detail = f"There is no message {not_found!r}. Did you mean BootNotification?"
        found[404] = problem(
            "not_found", 404, "Not found", detail, field="action", did_you_mean=["BootNotification"]
        )
    return found


def problem(code: str, status: int, title: str, detail: str, **further: Any) -> dict[str, Any]:
    """OpenAPI `responses` entry of an `application/problem+json` answer, with an example."""
    example = {
        "type": f"urn:stationmaster:error:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **further,
    }
    return {"description": title, "content": {_PROBLEM_MEDIA_TYPE: {"example": example}}}
