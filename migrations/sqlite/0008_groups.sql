-- The accounts of a group, by name: a page of them, how many there are, and whose right changes with it.
create index accounts_group on accounts (group_id, name_key);
