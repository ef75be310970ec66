-- An Interim changes `seen_at` alone, and no index has it any more; what is silent is looked for among the open ones. The
-- other index is a part of `connections_of_session`.
drop index connections_ended;
create index connections_ended on connections (ended_at);
drop index connections_session;
