-- Accounting records on disk as they came, answered and not booked yet (SQLite: a file beside the database).
create table spool (
    id integer primary key,
    at integer not null,
    format integer not null,
    records blob not null
) strict;
