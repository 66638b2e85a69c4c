"""The changes of the API, read from the file that has them."""

import tomllib
from datetime import date
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

_FILE = "changes.toml"


class ApiChange(BaseModel):
    """One change of the API."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: Annotated[date, Field(description="Day of the release that has it.")]
    kind: Literal["added", "changed", "deprecated", "removed"]
    operation: Annotated[
        str | None,
        Field(
            pattern=r"^(GET|POST|PUT|PATCH|DELETE) /\S+$",
            description="Method and path, as in the OpenAPI document. null: it is one of all operations.",
        ),
    ] = None
    text: Annotated[str, Field(min_length=1, description="What a client notices.")]


_CHANGES = TypeAdapter(tuple[ApiChange, ...])


def api_changes() -> tuple[ApiChange, ...]:
    """Read the changes, the newest first.

    Raises:
        ValueError: the file breaks its model, or its order.
    """
    content = tomllib.loads(files("app.api_changes").joinpath(_FILE).read_text("utf-8"))
    changes = _CHANGES.validate_python(content["change"])
    dates = [change.date for change in changes]
    if dates != sorted(dates, reverse=True):
        raise ValueError(f"{_FILE}: the newest change must come first")
    return changes
