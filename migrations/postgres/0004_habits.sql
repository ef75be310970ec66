-- A router may have settings of its own, too; and what is set for one subject is found without reading all.
alter table settings drop constraint settings_level_check;
alter table settings add constraint settings_level_check
    check (level in ('system', 'group', 'user', 'account', 'router'));
create index settings_subject on settings (level, subject_id);
