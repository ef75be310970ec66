-- A connection keeps the number of its session when that is forgotten; numbers are never given again. And its box has its
-- router, with which both go. So neither is looked up for each connection that is booked, and no index over all that ever
-- was has to find the connections of a session that goes: it was changed at another place for each, a page to be written.
-- This is the way that SQLite documents to take a foreign key away without writing the table anew
-- (https://www.sqlite.org/lang_altertable.html#otheralter); the indexes after it tell other connections of it.
pragma writable_schema = on;
update sqlite_schema set sql = replace(replace(sql,
    'router_id integer not null references routers (id) on delete cascade', 'router_id integer not null'),
    'session_id integer references sessions (id) on delete set null', 'session_id integer')
    where type = 'table' and name = 'connections';
pragma writable_schema = reset;
drop index connections_of_session;
create index connections_held on connections (session_id) where ended_at is null or fresh is not null;

-- What an account has yet to hear of is not looked for among all that it ever had.
create index connections_fresh_of on connections (account_id, id) where fresh is not null;
