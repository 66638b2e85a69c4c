"""Tell the events of rows that many statements change by triggers: commands and registrations.

Each change of such a row writes its event in its own transaction, whichever statement makes it.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0041"
down_revision: str | None = "0040"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TRIGGERS = {
    "tell_command_added": "commands",
    "tell_command_state": "commands",
    "tell_command_effect": "commands",
    "tell_registration": "charge_points",
}


def upgrade() -> None:
    """Go to this revision."""
    # The form of times in the REST API.
    op.execute(
        """
        create function event_time(moment timestamptz) returns text language sql stable
        return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        """
    )
    op.execute(
        """
        create function tell_command() returns trigger language plpgsql as $$
        begin
            insert into events (type, version, tenant_id, charge_point_id, occurred_at, data)
            values (tg_argv[0], tg_argv[1]::smallint, new.tenant_id, new.charge_point_id, now(),
                json_build_object('id', new.id, 'action', new.action, 'state', new.state,
                    'created_at', event_time(new.created_at), 'sent_at', event_time(new.sent_at),
                    'finished_at', event_time(new.finished_at), 'issued_by', new.issued_by,
                    'error', new.error, 'effect', new.effect, 'bulk_id', new.bulk_id));
            return null;
        end $$
        """
    )
    op.execute(
        """
        create trigger tell_command_added after insert on commands for each row
        execute function tell_command('command.state_changed', '1')
        """
    )
    op.execute(
        """
        create trigger tell_command_state after update of state on commands for each row
        when (old.state is distinct from new.state)
        execute function tell_command('command.state_changed', '1')
        """
    )
    op.execute(
        """
        create trigger tell_command_effect after update of effect on commands for each row
        when (new.effect is not null and old.effect is distinct from new.effect)
        execute function tell_command('command.effect_observed', '1')
        """
    )
    op.execute(
        """
        create function tell_registration() returns trigger language plpgsql as $$
        begin
            insert into events (type, version, tenant_id, charge_point_id, occurred_at, data)
            values (tg_argv[0], tg_argv[1]::smallint, new.tenant_id, new.id, now(), json_build_object(
                'registration_status', new.registration_status, 'before', old.registration_status));
            return null;
        end $$
        """
    )
    op.execute(
        """
        create trigger tell_registration after update of registration_status on charge_points for each row
        when (old.registration_status is distinct from new.registration_status)
        execute function tell_registration('charge_point.registration_changed', '1')
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    for trigger, table in _TRIGGERS.items():
        op.execute(f"drop trigger {trigger} on {table}")
    op.execute("drop function tell_registration, tell_command, event_time")
