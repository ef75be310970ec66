-- A connection keeps the number of its account when that is deleted after its end; numbers are never given again. By account only
-- what is open is looked for: the index over all that ever was had another place for each that was booked, since accounts dial in
-- no order; and for each the row of its account was locked.
alter table connections drop constraint connections_account_id_fkey;
drop index connections_account;
create index connections_account on connections (account_id) where ended_at is null;

-- What is open of a number is looked for by `cuts_open` alone: neither of these can serve that any more. While PostgreSQL takes the
-- table for nearly empty, any index of what is open is as good to it, and one without the number is read whole for each.
drop index cuts_due;
create index cuts_due on cuts (due_at) where done_at is null and due_at is not null;
drop index cuts_done;
create index cuts_done on cuts (done_at) where done_at is not null;
