-- Accounting records on disk as they came, answered and not booked yet. An owner is one run of an instance.
create table spool (
    id integer primary key autoincrement,
    owner text not null,
    at integer not null,
    format integer not null,
    records blob not null,
    refused_at integer
) strict;
