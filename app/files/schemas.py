"""The shapes of REST requests and answers about files."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.files.records import FileOrigin
from app.files.rules import NAME_LIMIT
from app.web.inputs import Identity, Line, Paging
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.wording import SHA256_PATTERN

FileName = Annotated[Line, Field(min_length=1, max_length=NAME_LIMIT)]


class File(Resource):
    """A file that the server keeps: yours, such as firmware, or one that a charge point has uploaded."""

    id: UUID
    name: str = Field(description="Safe as the name of a file.")
    media_type: str = Field(description="As its uploader called it; it is not checked.")
    size_bytes: int
    sha256: str = Field(description="SHA-256 of the content, in hexadecimal digits.")
    origin: FileOrigin
    charge_point: str | None = Field(description="Identity of the charge point that has uploaded it.")
    created_by: str
    created_at: Instant
    expires_at: Instant | None = Field(description="When it is deleted; null: not by itself.")

    example: ClassVar[Json] = {
        "id": "0d3c1f5e-4a55-4f0e-9b1c-6a2c2b6f7a10",
        "name": "acme-duo-4.2.bin",
        "media_type": "application/octet-stream",
        "size_bytes": 18_874_368,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "origin": "tenant",
        "charge_point": None,
        "created_by": "key:3f9c2a7d41be",
        "created_at": EXAMPLE_TIME,
        "expires_at": None,
    }


class FileQuery(Paging):
    """How to narrow the list of files."""

    origin: FileOrigin | SkipJsonSchema[None] = None
    charge_point: Annotated[
        Identity | SkipJsonSchema[None], Field(description="Identity of the charge point that uploaded it.")
    ] = None
    name: Annotated[FileName | SkipJsonSchema[None], Field(description="The whole name.")] = None


class FileUploadQuery(BaseModel):
    """The facts about a new file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[
        FileName | SkipJsonSchema[None], Field(description="Its name, unless a form tells it.")
    ] = None
    sha256: Annotated[
        str | SkipJsonSchema[None],
        Field(
            pattern=SHA256_PATTERN,
            description="SHA-256 of the content, in hexadecimal digits. Another content is refused.",
        ),
    ] = None
