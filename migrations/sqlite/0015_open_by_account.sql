-- A connection keeps the number of its account when that is deleted after its end; numbers are never given again. By account only
-- what is open is looked for: the index over all that ever was had another place for each that was booked, since accounts dial in
-- no order, and with a million of them each was a page to be read, written into the log, and written back.
-- The way is that of migration 14.
pragma writable_schema = on;
update sqlite_schema set sql = replace(sql,
    'account_id integer references accounts (id) on delete set null', 'account_id integer')
    where type = 'table' and name = 'connections';
pragma writable_schema = reset;
drop index connections_account;
create index connections_account on connections (account_id) where ended_at is null;
