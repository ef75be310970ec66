-- Accounting records on disk as they came, answered and not booked yet (SQLite: a file beside the database). An id is never given
-- again: the database keeps up to which of them it has booked.
create table spool (
    id integer primary key autoincrement,
    at integer not null,
    format integer not null,
    records blob not null
) strict;
