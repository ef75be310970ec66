//! `radgram router radsec`: by which certificate a router is known that asks over TLS.

use std::fmt;

use clap::Args;
use serde::Serialize;

use super::super::Failure;
use super::super::desk::{ACTOR, Desk, rfc3339};
use crate::domain::id::RouterId;
use crate::domain::radsec::{KnownBy, certificate_name};
use crate::store::router::NasLine;

#[derive(Debug, Args)]
pub(in crate::cli) struct ByCertificate {
    /// The router's name.
    name: String,
    /// By one certificate alone: its SHA-256 fingerprint, as /certificate print detail shows it.
    #[arg(long, value_name = "FINGERPRINT", required_unless_present_any = ["by_name", "none"], conflicts_with_all = ["by_name", "none"])]
    fingerprint: Option<String>,
    /// By every certificate of the client authority that has this name (common name or subject-alt-name), so that a renewed
    /// one needs no change here.
    #[arg(long = "name", value_name = "NAME", id = "by_name", conflicts_with = "none")]
    by_name: Option<String>,
    /// By none (any more): the router asks over UDP alone, and its connections are closed.
    #[arg(long)]
    none: bool,
}

pub(super) async fn set(desk: &Desk, args: &ByCertificate) -> Result<(), Failure> {
    let router = desk.router(&args.name).await?;
    let wrong = |option: &str, typed: &str, why: &str| Failure::because(format!("{option} {typed:?}: {why}"));
    let known_by = match (&args.fingerprint, &args.by_name) {
        (Some(typed), _) => {
            Some(KnownBy::Fingerprint(typed.parse().map_err(|why| wrong("--fingerprint", typed, why))?))
        }
        (None, Some(typed)) => Some(KnownBy::Name(certificate_name(typed).map_err(|why| wrong("--name", typed, why))?)),
        (None, None) => None,
    };
    desk.gate.set_router_radsec(&ACTOR, router.id, known_by.as_ref()).await?;
    match known_by {
        Some(known_by) => desk.say(&format!("router {} is known over RadSec by the {}", router.name, known_by.shown())),
        None => desk.say(&format!("router {} is not taken over RadSec", router.name)),
    }
}

/// How a router stands with RadSec, in the list.
#[derive(Serialize)]
pub(super) struct RadsecLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The newest call of each of its boxes.
    called: Vec<Called>,
}

#[derive(Serialize)]
struct Called {
    identifier: String,
    certificate: Option<String>,
    certificate_name: String,
    address: String,
    at: String,
}

pub(super) fn line(known_by: &KnownBy, router: RouterId, boxes: &[NasLine]) -> RadsecLine {
    let (fingerprint, name) = match known_by {
        KnownBy::Fingerprint(fingerprint) => (Some(fingerprint.to_string()), None),
        KnownBy::Name(name) => (None, Some(name.clone())),
    };
    let called = |line: &NasLine| {
        let call = line.radsec.as_ref()?;
        Some(Called {
            identifier: line.nas.key.identifier.clone(),
            certificate: line.nas.certificate.map(|fingerprint| fingerprint.to_string()),
            certificate_name: call.name.clone(),
            address: call.address.to_string(),
            at: rfc3339(call.at),
        })
    };
    let called = boxes.iter().filter(|line| line.nas.key.router == router).filter_map(called).collect();
    RadsecLine { fingerprint, name, called }
}

impl fmt::Display for RadsecLine {
    /// What it is known by, short, and when it last called.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.fingerprint) {
            (Some(name), _) => formatter.write_str(name)?,
            (None, Some(fingerprint)) => write!(formatter, "{:.12}…", fingerprint)?,
            (None, None) => {}
        }
        match self.called.iter().map(|called| called.at.as_str()).max() {
            Some(at) => write!(formatter, " (called {at})"),
            None => formatter.write_str(" (never called)"),
        }
    }
}
