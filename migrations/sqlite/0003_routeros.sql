-- What the RouterOS API needs: how it is reached, rules with `2FA`, and what is wanted on routers until it is proven.

alter table routers add column api_trust text not null default 'plain';
alter table routers add column api_fingerprint text;
alter table routers add column api_authority text;
alter table routers add column api_old_log_in integer not null default 0;
alter table routers add column leases integer not null default 0;

alter table accounts add column comment text not null default '';

alter table connections add column via text not null default 'radius' check (via in ('radius', 'api'));
create index connections_router on connections (router_id) where ended_at is null;

create table rules (
    id integer primary key autoincrement,
    router_id integer not null references routers (id) on delete cascade,
    account_id integer not null references accounts (id) on delete cascade,
    rule_id text not null,
    comment blob not null,
    created_at integer not null,
    unique (router_id, comment),
    unique (router_id, account_id)
) strict;
create index rules_account on rules (account_id);

create table wants (
    id integer primary key autoincrement,
    router_id integer not null references routers (id) on delete cascade,
    kind text not null check (kind in ('rule', 'lease', 'secret', 'user_manager')),
    target blob not null,
    hint text,
    state text not null check (state in ('on', 'off', 'retired', 'removed')),
    account_id integer references accounts (id) on delete set null,
    connection_id integer references connections (id) on delete set null,
    since integer not null,
    due_at integer,
    tries integer not null default 0,
    outcome text,
    proven_at integer,
    unique (router_id, kind, target)
) strict;
create index wants_due on wants (due_at) where due_at is not null;
create index wants_account on wants (account_id);
create index wants_connection on wants (connection_id);
