-- What has not ended is no part of these any more: SQLite took them for the way to all that is open, and read every open
-- session at each look for what is due.
drop index sessions_ended;
create index sessions_ended on sessions (ended_at) where ended_at is not null;
drop index connections_ended;
create index connections_ended on connections (ended_at) where ended_at is not null;
