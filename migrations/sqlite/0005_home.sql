-- The home server of a router: it knows the passwords of accounts of source `user_manager`.
alter table routers add column home_address text;
alter table routers add column sealed_home_secret blob;
alter table routers add column home_timeout_ms integer not null default 0;
alter table routers add column home_message_authenticator text not null default 'auto';
