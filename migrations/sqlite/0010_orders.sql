-- What running connections are to be changed to by CoA, until the router has it so; and until when each runs there.
alter table connections add column runs_until integer;

create table orders (
    id integer primary key autoincrement,
    connection_id integer not null unique references connections (id) on delete cascade,
    until integer,
    attributes integer not null default 0,
    why text not null,
    version integer not null default 1,
    created_at integer not null,
    due_at integer,
    tries integer not null default 0,
    outcome text,
    warned_at integer,
    state text not null default 'pending' check (state in ('pending', 'acknowledged', 'refused', 'void')),
    done_at integer
) strict;
create index orders_due on orders (due_at) where due_at is not null;

-- The secret that a router had before, as long as it is taken; and which of both a box was last seen to use.
alter table routers add column sealed_old_secret blob;
alter table routers add column old_secret_until integer;
alter table nas add column secret text check (secret in ('current', 'old'));
alter table nas add column secret_at integer;

-- It is a setting of the router now.
alter table routers drop column coa_session_timeout;
