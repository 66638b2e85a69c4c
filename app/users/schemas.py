"""The shapes of REST requests and answers about users."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from app.types import USER_NAME_PATTERN
from app.users.records import UserRecord
from app.web.inputs import Change, Input
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

UserName = Annotated[str, StringConstraints(pattern=rf"^{USER_NAME_PATTERN}$")]
_ROLES = "viewer reads; operator sends commands and changes records, too; admin manages users as well."
RoleField = Annotated[Literal["viewer", "operator", "admin"], Field(description=_ROLES)]


class User(Resource):
    """A person of the tenant, who uses the console."""

    name: str = Field(description="For example a mail address, in lower case.")
    role: RoleField
    locked: bool = Field(description="Whether the person is kept out.")
    has_password: bool
    created_at: Instant
    last_login_at: Instant | None

    example: ClassVar[Json] = {
        "name": "ann@example.com",
        "role": "operator",
        "locked": False,
        "has_password": True,
        "created_at": EXAMPLE_TIME,
        "last_login_at": EXAMPLE_TIME,
    }

    @classmethod
    def of(cls, record: UserRecord) -> "User":
        """Return a user as the API shows it."""
        return cls(
            name=record.name,
            role=record.role,
            locked=record.locked_at is not None,
            has_password=record.password_hash is not None,
            created_at=record.created_at,
            last_login_at=record.last_login_at,
        )


class NewUser(User):
    """A user who was just made, with the link for the first login."""

    login_link: str = Field(description="Logs in once. It is not shown again.")
    login_link_expires_at: Instant

    example: ClassVar[Json] = {
        **User.example,
        "has_password": False,
        "last_login_at": None,
        "login_link": "https://charge.example.com/console/links/3q2-7wP0bXQ",
        "login_link_expires_at": EXAMPLE_TIME,
    }


class UserCreate(Input):
    """A new user."""

    name: Annotated[UserName, Field(description="Lower case; unique within the tenant.")]
    role: RoleField

    example: ClassVar[Json] = {"name": "ann@example.com", "role": "operator"}


class UserChange(Change):
    """The fields of a user to change."""

    role: RoleField = "viewer"
    locked: Annotated[bool, Field(description="true: all sessions and links of the person end at once.")] = (
        False
    )

    example: ClassVar[Json] = {"locked": True}
