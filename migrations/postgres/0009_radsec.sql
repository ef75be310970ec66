-- RadSec: the certificate that a router is known by, and how each box last called.
alter table routers add column radsec_fingerprint text;
alter table routers add column radsec_name text;
create unique index routers_radsec_fingerprint on routers (radsec_fingerprint) where radsec_fingerprint is not null;
create unique index routers_radsec_name on routers (radsec_name) where radsec_name is not null;

alter table nas add column radsec_certificate text;
alter table nas add column radsec_name text;
alter table nas add column radsec_address text;
alter table nas add column radsec_at bigint;
