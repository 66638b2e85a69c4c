"""The shape of the list of changes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.api_changes.records import ApiChange


class ApiChangeList(BaseModel):
    """The changes of the API, the newest first."""

    model_config = ConfigDict(frozen=True)

    count: Annotated[int, Field(description="Changes in the list.")]
    changes: tuple[ApiChange, ...]
