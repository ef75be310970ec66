-- A connection keeps the number of its session when that is forgotten; numbers are never given again. And its box has its
-- router, with which both go. So neither is looked up for each connection that is booked, and no index over all that ever
-- was has to find the connections of a session that goes.
alter table connections drop constraint connections_session_id_fkey;
alter table connections drop constraint connections_router_id_fkey;
drop index connections_of_session;
create index connections_held on connections (session_id) where ended_at is null or fresh is not null;

-- What an account has yet to hear of is not looked for among all that it ever had.
create index connections_fresh_of on connections (account_id, id) where fresh is not null;
