-- The first schema. Times are Unix milliseconds (UTC), a flag is a nullable time or 0/1, sealed values begin with the
-- id of their key, `version` counts the changes of rows that are cached.

create table keys (
    id integer primary key,
    created_at integer not null,
    sealed_check blob not null
) strict;

create table meta (
    name text primary key,
    value integer not null
) strict;
insert into meta (name, value) values ('change', 0);

create table leaders (
    role text primary key,
    owner text not null,
    until integer not null
) strict;

create table changes (
    seq integer primary key,
    noun text not null,
    id integer not null,
    at integer not null
) strict;

create table users (
    id integer primary key autoincrement,
    telegram_id integer not null unique,
    name text not null,
    state text not null check (state in ('pending', 'approved', 'rejected', 'blocked')),
    reason text,
    language text not null,
    bot_blocked_at integer,
    created_at integer not null,
    decided_at integer,
    version integer not null default 1
) strict;
create index users_state on users (state, id);

create table groups (
    id integer primary key autoincrement,
    name text not null,
    name_key text not null unique,
    created_at integer not null,
    version integer not null default 1
) strict;

create table accounts (
    id integer primary key autoincrement,
    name text not null,
    name_key text not null unique,
    user_id integer references users (id) on delete set null,
    group_id integer references groups (id) on delete set null,
    enabled integer not null default 1,
    locked_at integer,
    machine integer not null default 0,
    source text not null default 'local',
    key_id integer,
    sealed_password blob,
    sealed_nt_hash blob,
    knocks_silent_until integer,
    created_at integer not null,
    version integer not null default 1
) strict;
create index accounts_user on accounts (user_id);

create table routers (
    id integer primary key autoincrement,
    name text not null,
    name_key text not null unique,
    address text not null unique,
    scheme text not null default 'radius',
    key_id integer,
    sealed_secret blob not null,
    coa_port integer not null,
    message_authenticator text not null default 'auto',
    coa_session_timeout text not null default 'off',
    hold_seconds integer,
    api_address text,
    api_user text,
    sealed_api_password blob,
    created_at integer not null,
    version integer not null default 1
) strict;

create table nas (
    id integer primary key autoincrement,
    router_id integer not null references routers (id) on delete cascade,
    address text not null,
    identifier text not null,
    signs_since integer,
    reboot_digit text,
    server_address text,
    created_at integer not null,
    unique (router_id, address, identifier)
) strict;

create table attributes (
    id integer primary key autoincrement,
    level text not null check (level in ('router', 'group', 'account')),
    subject_id integer not null,
    position integer not null,
    name text not null,
    value text not null
) strict;
create index attributes_subject on attributes (level, subject_id, position);

create table settings (
    name text not null,
    level text not null check (level in ('system', 'group', 'user', 'account')),
    subject_id integer not null,
    value text not null,
    changed_at integer not null,
    primary key (name, level, subject_id)
) strict;

create table sessions (
    id integer primary key autoincrement,
    account_id integer not null references accounts (id) on delete cascade,
    user_id integer references users (id) on delete set null,
    origin text not null check (origin in ('request', 'knock', 'grant')),
    active_since integer,
    created_at integer not null,
    until integer not null,
    ends_at integer,
    extensions integer not null default 0,
    reminded_for integer,
    due_at integer not null,
    reason text,
    ended_at integer,
    version integer not null default 1
) strict;
create unique index sessions_open on sessions (account_id) where ended_at is null;
create index sessions_due on sessions (due_at) where ended_at is null;
create index sessions_ended on sessions (ended_at);
create index sessions_user on sessions (user_id, created_at);

create table callers (
    session_id integer not null references sessions (id) on delete cascade,
    router_id integer not null references routers (id) on delete cascade,
    station text not null,
    standing text not null check (standing in ('admitted', 'confirmed', 'refused')),
    at integer not null,
    primary key (session_id, router_id, station)
) strict;

create table connections (
    id integer primary key autoincrement,
    nas_id integer not null references nas (id) on delete cascade,
    router_id integer not null references routers (id) on delete cascade,
    acct_session_id text not null,
    user_name blob not null,
    account_id integer references accounts (id) on delete set null,
    session_id integer references sessions (id) on delete set null,
    station text,
    nas_ip text,
    framed_ip text,
    authentic text not null,
    classed integer not null default 0,
    started_at integer not null,
    seen_at integer not null,
    seconds integer not null default 0,
    input_octets integer not null default 0,
    output_octets integer not null default 0,
    input_packets integer not null default 0,
    output_packets integer not null default 0,
    presence text not null default 'not_asked' check (presence in ('not_asked', 'asked', 'confirmed')),
    presence_at integer,
    fresh integer,
    kept integer not null default 0,
    ended_at integer,
    cause text
) strict;
create unique index connections_open on connections (nas_id, acct_session_id) where ended_at is null;
create index connections_account on connections (account_id, ended_at);
create index connections_session on connections (session_id) where ended_at is null;
create index connections_fresh on connections (id) where fresh is not null;
create index connections_ended on connections (ended_at, seen_at);
create index connections_id on connections (nas_id, acct_session_id, started_at);

create table attempts (
    id integer primary key autoincrement,
    at integer not null,
    router_id integer,
    nas_address text not null,
    nas_identifier text not null,
    nas_ip text,
    server_address text,
    user_name blob not null,
    account_id integer,
    user_id integer,
    session_id integer,
    station text,
    method text not null,
    verdict text not null check (verdict in ('accept', 'reject', 'silence')),
    reason text,
    acct_session_id text
) strict;
create index attempts_at on attempts (at);
create index attempts_accepts on attempts (session_id, at) where verdict = 'accept';

create table prompts (
    id integer primary key autoincrement,
    user_id integer not null references users (id) on delete cascade,
    account_id integer not null references accounts (id) on delete cascade,
    kind text not null check (kind in ('knock', 'presence', 'reminder', 'caller')),
    state text not null check (state in ('pending', 'answered', 'withdrawn', 'lapsed')),
    session_id integer references sessions (id) on delete cascade,
    connection_id integer references connections (id) on delete cascade,
    router_id integer references routers (id) on delete cascade,
    station text,
    deadline integer not null,
    resend_at integer,
    resends integer not null default 0,
    chat_id integer not null,
    message_id integer,
    question text not null,
    outcome text,
    answer text,
    answered_at integer,
    created_at integer not null
) strict;
create unique index prompts_pending on prompts (account_id, kind) where state = 'pending';
create index prompts_deadline on prompts (deadline) where state = 'pending';
create index prompts_knocks on prompts (account_id, kind, created_at);

create table buttons (
    token text primary key,
    telegram_id integer not null,
    action text not null,
    prompt_id integer references prompts (id) on delete cascade,
    account_id integer references accounts (id) on delete cascade,
    session_id integer references sessions (id) on delete cascade,
    used_at integer,
    created_at integer not null
) strict;
create index buttons_created on buttons (created_at);

create table dialogues (
    telegram_id integer primary key,
    state text not null,
    at integer not null
) strict;

create table outbox (
    id integer primary key autoincrement,
    chat_id integer not null,
    prompt_id integer references prompts (id) on delete cascade,
    edits integer,
    priority integer not null,
    text text not null,
    keyboard text not null,
    created_at integer not null,
    due_at integer not null,
    expires_at integer,
    tries integer not null default 0,
    done_at integer,
    outcome text
) strict;
create index outbox_due on outbox (priority, due_at, id) where done_at is null;
create index outbox_done on outbox (done_at);

create table cuts (
    id integer primary key autoincrement,
    nas_id integer not null references nas (id) on delete cascade,
    connection_id integer references connections (id) on delete cascade,
    session_id integer references sessions (id) on delete set null,
    acct_session_id text not null,
    user_name blob not null,
    nas_ip text,
    framed_ip text,
    why text not null,
    created_at integer not null,
    due_at integer not null,
    tries integer not null default 0,
    outcome text,
    done_at integer
) strict;
create unique index cuts_open on cuts (nas_id, acct_session_id) where done_at is null;
create index cuts_due on cuts (due_at) where done_at is null;

create table alarms (
    id integer primary key autoincrement,
    kind text not null,
    subject text not null,
    text text not null,
    count integer not null default 1,
    first_at integer not null,
    last_at integer not null,
    acknowledged_at integer,
    acknowledged_by text
) strict;
create unique index alarms_open on alarms (kind, subject) where acknowledged_at is null;

create table operators (
    id integer primary key autoincrement,
    name text not null,
    name_key text not null unique,
    role text not null check (role in ('owner', 'operator', 'viewer')),
    password_hash text not null,
    key_id integer,
    sealed_totp blob,
    created_at integer not null,
    version integer not null default 1
) strict;

create table logins (
    token_hash text primary key,
    operator_id integer references operators (id) on delete cascade,
    data text not null,
    expires_at integer not null
) strict;
create index logins_expires on logins (expires_at);

create table audit (
    id integer primary key autoincrement,
    at integer not null,
    actor text not null,
    actor_id integer,
    actor_name text not null,
    action text not null,
    noun text not null,
    subject_id integer not null,
    detail text not null
) strict;
create index audit_at on audit (at);
create index audit_subject on audit (noun, subject_id);
