"""The ledger's SQL: one statement for each step of a batch, whatever the number of records.

Arrays go in by `unnest`, meter values as JSON. `digest` is a hash of the content: it is what a retry runs
into.
"""

# The f-strings join constants of this module only; every value is a parameter.
# ruff: noqa: S608

# Rows that name no transaction belong to the one that ran when the sample was taken (OCPP 1.6 errata 3.16).
# One without a readable time is stored under that of its arrival, which differs in a retry: for a day the
# same sample with the same text in the place of its time counts as one.
INSERT_METER_VALUES = """
    insert into meter_values (tenant_id, charge_point_id, connector_id, transaction_id, sampled_at,
        received_at, context, sampled_values, digest)
    select record.tenant_id, record.charge_point_id, record.connector_id,
        coalesce(running.id, record.transaction_id), reading.sampled_at, record.received_at, record.context,
        reading.sampled_values, reading.digest
    from json_to_recordset($1::json) as record (tenant_id bigint, charge_point_id bigint,
            connector_id bigint, transaction_id bigint, received_at timestamptz, context text,
            readings json)
    cross join lateral json_to_recordset(record.readings)
        as reading (sampled_at timestamptz, sampled_values json, digest bigint, is_timeless boolean)
    left join lateral (
        select id from transactions
        where tenant_id = record.tenant_id and charge_point_id = record.charge_point_id
            and connector_id = record.connector_id and started_at <= reading.sampled_at
            and (stopped_at is null or stopped_at >= reading.sampled_at)
        order by started_at desc, id desc limit 1
    ) as running
        on record.connector_id > 0 and record.context = 'periodic' and coalesce(record.transaction_id, 0) <= 0
    where not reading.is_timeless or not exists (
        select from meter_values as known
        where known.charge_point_id = record.charge_point_id and known.digest = reading.digest
            and known.sampled_at between reading.sampled_at - interval '1 day' and reading.sampled_at
    )
    on conflict do nothing
"""

FIND_STARTS = """
    select key.number, known.id, known.id_tag_info
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[], $6::bigint[])
        with ordinality
        as key (tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh, number)
    join transactions as known
        using (tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh)
"""

FIND_ID_TAGS = """
    select tag.tenant_id, tag.id_tag, tag.id_tag_key, tag.status, tag.expires_at, tag.parent_id_tag,
        tag.max_active_transactions, tag.note, tag.created_at, tag.updated_at
    from id_tags as tag
    where (tag.tenant_id, tag.id_tag_key) in (select * from unnest($1::bigint[], $2::text[]))
"""

# In one order everywhere, so that two ledgers cannot wait for each other.
LOCK_ID_TAGS = """
    select from id_tags as tag
    where (tag.tenant_id, tag.id_tag_key) in (select * from unnest($1::bigint[], $2::text[]))
    order by tag.tenant_id, tag.id_tag_key
    for update of tag
"""

FIND_RUNNING = """
    select tenant_id, id_tag_key, charge_point_id, connector_id, started_at
    from transactions
    where stopped_received_at is null and id_tag_info ->> 'status' = 'Accepted'
        and (tenant_id, id_tag_key) in (select * from unnest($1::bigint[], $2::text[]))
"""

FIND_REMOTE_STARTS = """
    select id, tenant_id, charge_point_id, payload ->> 'idTag' as id_tag,
        payload ->> 'connectorId' as connector_id, created_at
    from commands
    where charge_point_id = any($1::bigint[]) and created_at >= $2
        and action = 'RemoteStartTransaction' and effect is null
        and state in ('queued', 'sent', 'accepted', 'timed_out')
    order by id
    for update
"""

INSERT_STARTS = """
    insert into transactions (id, tenant_id, charge_point_id, connector_id, id_tag, id_tag_key, started_at,
        started_key, started_received_at, meter_start_wh, reservation_id, id_tag_info, flags,
        remote_start_command_id)
    select nextval('transaction_id_seq'), tenant_id, charge_point_id, connector_id, id_tag, id_tag_key,
        started_at, started_key, received_at, meter_start_wh, reservation_id, id_tag_info::jsonb,
        string_to_array(flags, ','), command_id
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[],
            $7::timestamptz[], $8::timestamptz[], $9::bigint[], $10::bigint[], $11::text[], $12::text[],
            $13::uuid[])
        as new (tenant_id, charge_point_id, connector_id, id_tag, id_tag_key, started_at, started_key,
            received_at, meter_start_wh, reservation_id, id_tag_info, flags, command_id)
    order by tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh
    on conflict do nothing
    returning id, tenant_id, charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh
"""

SET_EFFECTS = """
    update commands set effect = new.effect::jsonb
    from unnest($1::uuid[], $2::text[]) as new (id, effect)
    where commands.id = new.id
"""

SET_REMOTE_STOP_EFFECTS = """
    update commands
    set effect = jsonb_build_object('observed', 'transaction_stopped', 'transactionId', ended.transaction_id)
    from unnest($1::bigint[], $2::bigint[], $3::int[]) as ended (tenant_id, charge_point_id, transaction_id)
    where commands.tenant_id = ended.tenant_id and commands.charge_point_id = ended.charge_point_id
        and commands.action = 'RemoteStopTransaction' and commands.effect is null
        and commands.payload ->> 'transactionId' = ended.transaction_id::text
        and commands.state in ('queued', 'sent', 'accepted', 'timed_out')
"""

_STOP_COLUMNS = """
    id, tenant_id, charge_point_id, connector_id, started_at, meter_start_wh, stopped_at, stopped_received_at,
    meter_stop_wh, stop_reason, stop_id_tag, stop_id_tag_info
"""

FIND_STOPPING = f"""
    select {_STOP_COLUMNS}
    from transactions
    where (tenant_id, charge_point_id, id) in (select * from unnest($1::bigint[], $2::bigint[], $3::bigint[]))
    order by id
    for update
"""

# A stop without a valid id that was matched before: the row that bears exactly this stop.
FIND_STOPPED_ALIKE = f"""
    select {_STOP_COLUMNS}
    from transactions
    where tenant_id = $1 and charge_point_id = $2 and meter_stop_wh = $4
        and (stopped_at = $3 or ($6 and 'time_unreadable' = any(flags)))
        and stop_raw ->> 'transactionId' = $5::text
    order by id desc limit 1
"""

FIND_LATEST_OPEN = f"""
    select {_STOP_COLUMNS}
    from transactions
    where tenant_id = $1 and charge_point_id = $2 and started_at <= $3 and stopped_received_at is null
        and ($4::text is null or id_tag_key = $4)
    order by started_at desc, id desc limit 1
    for update
"""

CLOSE_TRANSACTIONS = """
    update transactions set stopped_at = ended.stopped_at, stopped_received_at = ended.received_at,
        meter_stop_wh = ended.meter_stop_wh, stop_reason = ended.reason, stop_id_tag = ended.id_tag,
        stop_id_tag_info = ended.id_tag_info::jsonb, stop_raw = ended.raw::jsonb,
        flags = flags || string_to_array(ended.new_flags, ',')
    from unnest($1::int[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[],
            $7::text[], $8::text[], $9::text[])
        as ended (id, stopped_at, received_at, meter_stop_wh, reason, id_tag, id_tag_info, raw, new_flags)
    where transactions.id = ended.id
"""

INSERT_ORPHANS = """
    insert into orphan_records (tenant_id, charge_point_id, kind, action, payload, raw, received_at,
        stopped_at, transaction_id, digest)
    select tenant_id, charge_point_id, kind, action, payload::jsonb, raw, received_at, stopped_at,
        transaction_id, hashtextextended(concat_ws('/', kind, payload, raw), 0)
    from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::timestamptz[], $8::timestamptz[], $9::int[])
        as new (tenant_id, charge_point_id, kind, action, payload, raw, received_at, stopped_at,
            transaction_id)
    on conflict do nothing
"""

FIND_WAITING_STOPS = """
    select id, tenant_id, charge_point_id, payload, received_at, stopped_at
    from orphan_records
    where charge_point_id = any($1::bigint[]) and kind = 'stop_unknown_transaction'
        and transaction_id is null
    order by stopped_at, id
    for update
"""

JOIN_ORPHANS = """
    update orphan_records set transaction_id = joined.transaction_id
    from unnest($1::bigint[], $2::int[]) as joined (id, transaction_id)
    where orphan_records.id = joined.id
"""

# The transactionData of a stop that waited was stored under the id that the stop named.
JOIN_METER_VALUES = """
    update meter_values set transaction_id = joined.transaction_id
    from unnest($1::bigint[], $2::timestamptz[], $3::int[]) as joined (charge_point_id, received_at,
        transaction_id)
    where meter_values.charge_point_id = joined.charge_point_id and meter_values.context = 'stop'
        and meter_values.received_at = joined.received_at and meter_values.transaction_id <= 0
"""
