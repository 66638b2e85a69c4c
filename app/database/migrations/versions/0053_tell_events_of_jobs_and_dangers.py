"""Tell the events of jobs, reservations, security, refused logins, deviations and drift.

Triggers write them, as those of commands: each change of a row writes its event in its own transaction. The
server writes that of a drift itself: the new table knows which one was told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alembic import op

revision: str = "0053"
down_revision: str | None = "0051"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


@dataclass(frozen=True)
class _Told:
    """The events of the rows of a table.

    Attributes:
        type: Of the event.
        table: Whose rows tell.
        columns: The members of the payload that are columns.
        times: The members that are columns with a time.
        others: The other members, with their SQL.
        changes: The columns whose change tells an event.
        insert: SQL: whether a new row tells one.
        update: SQL: whether a change of `changes` tells one.
        known: SQL: whether what happened was told before.
        charge_point: SQL of the id of the charge point.
    """

    type: str
    table: str
    columns: str
    times: str
    others: Mapping[str, str] = field(default_factory=dict)
    changes: str = ""
    insert: str = "true"
    update: str = "true"
    known: str = "false"
    charge_point: str = "new.charge_point_id"

    @property
    def name(self) -> str:
        """Return the name of the function and of the triggers."""
        return "tell_" + self.table

    def members(self) -> str:
        """Return the SQL of the members of the payload."""
        values = {
            **{name: f"new.{name}" for name in self.columns.split()},
            **{name: f"event_time(new.{name})" for name in self.times.split()},
            **self.others,
        }
        return ", ".join(f"'{name}', {value}" for name, value in values.items())


_POINT = """(select id from charge_points
    where charge_points.tenant_id = new.tenant_id and charge_points.identity = new.identity)"""
_BITS = "length(ltrim({}.count::bit(32)::text, '0'))"

_TOLD = (
    _Told(
        "firmware_update.changed",
        "firmware_jobs",
        "id state reason status target_version firmware_version_before firmware_version_after command_id"
        " retry_of campaign_id created_by",
        "status_at created_at ended_at",
        changes="state reason status firmware_version_after",
    ),
    _Told(
        "firmware_campaign.changed",
        "firmware_campaigns",
        "id name state reason created_by",
        "created_at started_at ended_at ends_at",
        {"waves_begun": "(select count(*) from jsonb_object_keys(new.wave_began))"},
        changes="state reason wave_began",
        charge_point="null",
    ),
    _Told(
        "diagnostics_job.changed",
        "diagnostics_jobs",
        "id kind state reported_status file_id file_name command_id retry_of requested_by",
        "reported_at created_at ended_at",
        changes="state reported_status file_id",
    ),
    _Told(
        "local_list.changed",
        "local_list_states",
        "sync supported drifted failures status",
        "status_at",
        {"known_version": "new.version"},
        changes="sync supported version drifted failures status status_at",
        insert="false",
    ),
    _Told(
        "bulk_command.changed",
        "bulk_commands",
        "id action total issued_by",
        "created_at cancelled_at ended_at",
        {
            "state": "case when new.cancelled_at is not null then 'cancelled'"
            " when new.ended_at is null then 'running' else 'ended' end"
        },
        changes="cancelled_at ended_at",
        charge_point="null",
    ),
    # A row is made before its command, and deleted if that is refused at once.
    _Told(
        "reservation.changed",
        "reservations",
        "reservation_id connector_id id_tag parent_id_tag state status reason transaction_id conflicts"
        " issued_by command_id",
        "expires_at requested_at reserved_at ended_at",
        changes="command_id state status reason transaction_id conflicts",
        insert="new.command_id is not null",
    ),
    _Told(
        "security_event.recorded",
        "security_events",
        "id source critical is_time_plausible tech_info",
        "occurred_at received_at",
        {"identity": "nullif(new.identity, '')", "event_type": "new.type"},
        charge_point=f"coalesce(new.charge_point_id, {_POINT})",
    ),
    # The first, and each time that the number needs a bit more: 2, 4, 8 and so on.
    _Told(
        "login.refused",
        "login_attempts",
        "reason detail remote count",
        "first_at last_at",
        {"identity": "nullif(new.identity, '')"},
        changes="count",
        update=f"{_BITS.format('old')} < {_BITS.format('new')}",
        charge_point=_POINT,
    ),
    # A row is of one software: another firmware begins another row.
    _Told(
        "deviation.first_seen",
        "deviation_counts",
        "code",
        "first_at",
        {
            **{name: f"nullif(new.{name}, '')" for name in ("vendor", "model", "firmware_version")},
            **{name: f"new.example ->> '{name}'" for name in ("action", "message_id", "pointer")},
        },
        known="""exists (select from deviation_counts as other
            where other.tenant_id = new.tenant_id and other.charge_point_id = new.charge_point_id
                and other.code = new.code and (other.vendor, other.model, other.firmware_version)
                    <> (new.vendor, new.model, new.firmware_version))""",
    ),
)


def upgrade() -> None:
    """Go to this revision."""
    for told in _TOLD:
        _tell(told)
    op.execute(
        """
        create table charging_profile_drifts (
            tenant_id bigint not null,
            charge_point_id bigint not null,
            connector_id integer not null,
            pattern text not null,
            found_at timestamptz not null,
            constraint pk_charging_profile_drifts primary key (tenant_id, charge_point_id, connector_id),
            constraint fk_charging_profile_drifts_tenant_id_tenants foreign key (tenant_id)
                references tenants (id) on delete cascade,
            constraint fk_charging_profile_drifts_tenant_id_charge_points
                foreign key (tenant_id, charge_point_id)
                references charge_points (tenant_id, id) on delete cascade
        )
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("charging_profile_drifts")
    for told in _TOLD:
        op.execute(f"drop function {told.name} cascade")


def _tell(told: _Told) -> None:
    op.execute(
        f"""
        create function {told.name}() returns trigger language plpgsql as $$
        begin
            if {told.known} then
                return null;
            end if;
            insert into events (type, version, tenant_id, charge_point_id, occurred_at, data)
            values ('{told.type}', 1, new.tenant_id, {told.charge_point}, now(),
                json_build_object({told.members()}));
            return null;
        end $$
        """  # noqa: S608 - texts of this file
    )
    if told.insert != "false":
        op.execute(
            f"create trigger {told.name}_added after insert on {told.table} for each row"
            f" when ({told.insert}) execute function {told.name}()"
        )
    if told.changes:
        names = told.changes.split()
        old, new = (", ".join(f"{row}.{name}" for name in names) for row in ("old", "new"))
        op.execute(
            f"create trigger {told.name}_changed after update of {', '.join(names)} on {told.table}"
            f" for each row when (row({old}) is distinct from row({new}) and {told.update})"
            f" execute function {told.name}()"
        )
