-- A router may have settings of its own, too; and what is set for one subject is found without reading all.
create table settings_new (
    name text not null,
    level text not null check (level in ('system', 'group', 'user', 'account', 'router')),
    subject_id integer not null,
    value text not null,
    changed_at integer not null,
    primary key (name, level, subject_id)
) strict;
insert into settings_new (name, level, subject_id, value, changed_at)
    select name, level, subject_id, value, changed_at from settings;
drop table settings;
alter table settings_new rename to settings;
create index settings_subject on settings (level, subject_id);
