"""The metadata that all tables share, and the columns that many of them have."""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    Table,
    Text,
    and_,
    bindparam,
    column,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.sql.expression import ColumnElement, ScalarSelect

import app

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
TIME = TIMESTAMP(timezone=True)
CHARGE_POINTS: Final = table(
    "charge_points", column("id", BigInteger), column("tenant_id", BigInteger), column("identity", Text)
)
"""The charge points, to join rows of other capabilities with: these are shown with its identity."""
TENANTS: Final = table(
    "tenants", column("id", BigInteger), column("slug", Text), column("suspension_reason", Text)
)
"""The tenants, to join the users with: a person names the tenant by its slug."""


def is_charge_point_of(rows: Table) -> ColumnElement[bool]:
    """Return the condition that joins rows with the charge point that they belong to."""
    return and_(CHARGE_POINTS.c.tenant_id == rows.c.tenant_id, CHARGE_POINTS.c.id == rows.c.charge_point_id)


def charge_point_named(identity: object) -> ScalarSelect[int]:
    """Return the subquery for a charge point of the tenant `:tenant_id`. identity: a value or a parameter.

    Not a join: the planner keeps the order of an index only if the charge point is a constant to it.
    """
    found = select(CHARGE_POINTS.c.id).where(
        CHARGE_POINTS.c.tenant_id == bindparam("tenant_id"), CHARGE_POINTS.c.identity == identity
    )
    return found.scalar_subquery()


REGISTRATION_STATUS_VALUES: Final = "in ('Accepted', 'Pending', 'Rejected')"


def time_column(name: str, nullable: bool = False) -> Column[object]:
    """Return a column for an aware time."""
    return Column(name, TIME, nullable=nullable)


def tenant_column(primary_key: bool = True, nullable: bool = False) -> Column[object]:
    """Return the column that names the tenant of a row. It is the first one of the primary key."""
    reference = ForeignKey("tenants.id", ondelete="CASCADE")
    return Column("tenant_id", BigInteger, reference, primary_key=primary_key, nullable=nullable)


def charge_point_column(primary_key: bool = False) -> Column[object]:
    """Return the column that names the charge point of a row."""
    return Column("charge_point_id", BigInteger, nullable=False, primary_key=primary_key)


def charge_point_reference(ondelete: str = "CASCADE") -> ForeignKeyConstraint:
    """Return the constraint that a row belongs to a charge point of its tenant."""
    return ForeignKeyConstraint(
        ["tenant_id", "charge_point_id"], ["charge_points.tenant_id", "charge_points.id"], ondelete=ondelete
    )


def collect_tables() -> MetaData:
    """Import the module `tables` of each package, and return the metadata of all their tables."""
    for package in iter_modules(app.__path__, prefix="app."):
        if package.ispkg and find_spec(f"{package.name}.tables") is not None:
            import_module(f"{package.name}.tables")
    return metadata
