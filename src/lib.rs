//! radgram: a RADIUS server that lets a MikroTik VPN log-in through only after a yes in Telegram.
//!
//! The router asks over RADIUS, the person answers in Telegram, the operator rules from a web UI or the command line, and
//! what was granted ends on the router when it ends here. Read on from here: every module's first sentence says what it is
//! for, and imports run one way, down this table (`tests/layers.rs` keeps it).
//!
//! | layer | modules | what is in it |
//! |---|---|---|
//! | ground | [`clock`] [`entropy`] [`secret`] [`metrics`] [`crypto`] [`dictionary`] [`text`] | time and randomness as arguments, counters, pure algorithms by RFC, attribute names, what people read |
//! | pure | [`proto`] | the codecs of RADIUS and of the RouterOS API, no I/O |
//! | | [`domain`] | the rules: session, presence, door, policy; no I/O, no wire, no SQL |
//! | state | [`config`] | `radius.toml` as already valid values |
//! | | [`store`] | SQL, one file per noun; `Store` changes (for `gate` alone), `Reader` only reads |
//! | cases | [`gate`] | the use cases; owns the caches and the outward ports |
//! | edges | [`radius`] | UDP server and RadSec, duplicate table, packet ↔ domain, Disconnect and CoA client, forwarding to home servers |
//! | | [`routeros`] | one kept connection per router to its RouterOS API: its menus, the doctor, the set-up script |
//! | | [`telegram`] | messages out, updates in |
//! | | [`web`] | pages for operators, log-in, health and metrics |
//! | | [`sim`] | a simulated router and a simulated Bot API, for tests and trying by hand |
//! | wiring | [`app`] [`cli`] [`open`] | builds everything in one function, runs it, stops it |
//!
//! # The journeys, each down once and up once
//!
//! * **Access-Request**: `radius::server` reads a datagram → router by address → [`proto::radius::Packet`] checks length and
//!   attributes → Message-Authenticator → `radius::duplicate` → `radius::decode` → [`gate::Gate::access_now`] (memory alone,
//!   proven fresh by [`gate::directory`]) or [`gate::Gate::access`] → the rules in [`domain::access`] and
//!   [`domain::credential`] → `radius::reply` → signed, out, and into the duplicate table. EAP (IKEv2) takes several: `radius::eap`
//!   keeps what is under way, and the request with the proof goes this way.
//!   Over RadSec a connection takes the place of the socket (`radius::radsec`): the router is its certificate, and from there on
//!   the way is the same.
//!   Where a home server knows the password: `radius::forward` and `radius::home` ask it, then [`gate::Gate::access_forwarded`].
//! * An **Accounting-Request** goes by the same first steps to [`gate::Gate::report_then`], and is answered when it is on disk: booked by
//!   `gate::bookkeeper`, or, when many come, put down as it came (`gate::spool`) and booked from there, many at once.
//! * **Telegram answer**: [`telegram::Poller`] → [`gate::ports::Updates::handle`]: one transaction with the update's id →
//!   `gate::update` → `gate::answer` → [`domain::session::Session::apply`] → the outbox edits the message ([`telegram::Sender`] delivers).
//! * **Expiry**: `gate::lifecycle` lets sessions hear of what accounting booked (`gate::hear`), sleeps to the next due time or to a wake-up → apply → what is wanted on the router is
//!   stored → `gate::enforce` sends Disconnect-Requests ([`radius::Cutters`]) until accounting proves the end. What a running
//!   connection is to be changed to goes the same way, as an order (`gate::order`, CoA-Request).
//! * **Operator's click**: route in [`web`] (or [`cli`]) → role and origin are checked → `gate::admin`, where every change is
//!   audited → 303 with a flash. Pages read through [`store::Reader`] and never write.
//!
//! What is wanted on a router (a rule on, a lease, its own account off) follows in the same transaction, from
//! `gate::wanted`; `gate::fulfil` does it over the API until it is proven, and `gate::watch` holds what routers say of
//! themselves against it. All three ask [`gate::router_api::RouterApi`], which [`routeros::Fleet`] answers.
//!
//! # Invariants
//!
//! One function, `gate::session::apply`, changes a session: it loads the row, applies the pure rule, and writes the result
//! with its audit line, its messages and what is wanted on routers in one transaction. (Where a connection comes or goes and
//! nothing else follows, `gate::hear` applies the same rule and writes what changed for many accounts at once.) So a crash at any point loses
//! nothing and doubles no change; a message may be delivered twice, never not at all.
//!
//! No sequence of events permits without an approval; `Ended` absorbs everything; bytes from the network never panic; every
//! queue, cache and wait has a named limit; a secret cannot be printed.
//!
//! # Deliberately absent
//!
//! Backup and restore: their tables and rooms are here, their work is not.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod dictionary;
pub mod domain;
pub mod entropy;
pub mod gate;
pub mod metrics;
pub mod open;
pub mod proto;
pub mod radius;
pub mod routeros;
pub mod secret;
pub mod sim;
pub mod store;
pub mod telegram;
pub mod text;
pub mod web;
