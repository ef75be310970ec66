//! The menus of a router as its configuration wants them at the start.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::api::{Certificate, HiddenSecrets};
use super::config::{Protocol, RequireMessageAuth, RouterConfig, Server, UserManager};
use super::state::value::Value;
use super::state::{Package, State, path};
use crate::clock::Timestamp;
use crate::crypto::hex;

/// The pool that clients get addresses from unless something else is said.
pub(super) const POOL: &str = "vpn";
/// Its addresses.
const POOL_SIZE: u32 = 4096;

pub(super) fn state(config: &RouterConfig, now: Timestamp) -> State {
    let package = match config.user_manager {
        UserManager::Absent => Package::Absent,
        UserManager::Idle | UserManager::AnswersPpp => Package::Installed,
    };
    let mut state = State::new(config.version, package, now);
    state.put_single(path::IDENTITY, "name", Value::text(config.identity.clone()));
    for server in &config.servers {
        state.insert(path::RADIUS, entry(config, server));
    }
    state.put_single(path::AAA, "use-radius", Value::Flag(true));
    state.put_single(path::AAA, "interim-update", Value::Span(config.interim.unwrap_or(Duration::ZERO)));
    state.put_single(path::INCOMING, "accept", Value::Flag(config.incoming.is_some()));
    match config.user_manager {
        UserManager::AnswersPpp => state.put_single(path::UM, "enabled", Value::Flag(true)),
        UserManager::Absent | UserManager::Idle => {}
    }
    let last = Ipv4Addr::from(u32::from(config.pool_start).wrapping_add(POOL_SIZE - 1));
    let ranges = format!("{}-{last}", config.pool_start);
    state.insert(path::POOL, vec![("name", Value::text(POOL)), ("ranges", Value::text(ranges))]);
    state.veil = match config.api.hidden {
        HiddenSecrets::Absent => None,
        HiddenSecrets::Starred => Some("*****"),
    };
    users(&mut state, config);
    state
}

fn entry(config: &RouterConfig, server: &Server) -> Vec<(&'static str, Value)> {
    let require = match config.require_message_auth {
        RequireMessageAuth::YesForRequestResp => "yes-for-request-resp",
        RequireMessageAuth::No => "no",
    };
    let mut cells = vec![
        ("service", Value::text("ppp")),
        ("address", Value::text(server.auth.ip().to_string())),
        ("secret", Value::Secret(server.secret.clone())),
        ("authentication-port", Value::Number(server.auth.port().into())),
        ("accounting-port", Value::Number(server.acct.port().into())),
        ("timeout", Value::Span(config.timeout)),
        ("require-message-auth", Value::text(require)),
    ];
    if server.protocol == Protocol::Radsec {
        cells.extend([("protocol", Value::text("radsec")), ("certificate", Value::text("radsec"))]);
        cells.extend(config.radsec.as_ref().map(|radsec| ("radsec-timeout", Value::Span(radsec.timeout))));
    }
    cells
}

fn users(state: &mut State, config: &RouterConfig) {
    let user = |name: &str, group: &str| vec![("name", Value::text(name)), ("group", Value::text(group))];
    state.insert(path::USER, user("admin", "full"));
    let Some(policy) = state.menu(path::GROUP).and_then(|menu| menu.field("policy").copied()) else { return };
    for service in &config.api.users {
        // Policies that the version has not got are left out.
        let known: Vec<&str> = service
            .policies
            .iter()
            .map(String::as_str)
            .filter(|name| config.version.policies().contains(name))
            .collect();
        let value = policy.kind.parse(known.join(",").as_bytes(), Timestamp::default());
        let group = vec![("name", Value::text(service.name.clone())), ("policy", value.unwrap_or(Value::text("")))];
        state.insert(path::GROUP, group);
        let mut cells = user(&service.name, &service.name);
        cells.push(("password", Value::Secret(service.password.clone())));
        state.insert(path::USER, cells);
    }
    if let Some(certificate) = &config.api.certificate {
        let name = || Value::text("api");
        let cells = vec![
            ("name", name()),
            ("common-name", name()),
            ("private-key", Value::Flag(true)),
            ("trusted", Value::text("true")),
            ("fingerprint", Value::text(fingerprint(certificate).unwrap_or_default())),
        ];
        state.insert(path::CERTIFICATE, cells);
        if let Some((id, _)) = state.named(path::SERVICE, "api-ssl") {
            state.put(path::SERVICE, id, "certificate", name());
        }
    }
}

/// SHA-256 of the certificate itself, the first of the chain.
fn fingerprint(certificate: &Certificate) -> Option<String> {
    let leaf = CertificateDer::from_pem_slice(&certificate.chain).ok()?;
    Some(hex::encode(&Sha256::digest(&leaf)))
}

/// One range of `/ip/pool`: `10.8.0.2-10.8.0.254`, or a single address.
pub(super) fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (Ipv4Addr, Ipv4Addr) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    Some(u32::from(first)..=u32::from(last))
}
