-- Who is refused for a while because of too many wrong passwords: every instance holds to it, and operators see and lift it.
create table guess_locks (
    id integer primary key autoincrement,
    kind text not null check (kind in ('caller', 'box', 'name')),
    router_id integer not null references routers (id) on delete cascade,
    subject text not null,
    name text not null,
    wrong integer not null,
    since integer not null,
    until integer not null
) strict;
create index guess_locks_subject on guess_locks (kind, subject);
create index guess_locks_until on guess_locks (until);
