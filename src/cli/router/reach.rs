//! `radgram router api`, `trust` and `test`: how a router's RouterOS API is reached, and whether it is.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::super::desk::{ACTOR, Desk};
use super::super::{Failure, input};
use crate::domain::api::{Api, Fingerprint, OldLogIn, Trust};
use crate::domain::router::{Leases, Router, Scheme};
use crate::gate::router_api::{ApiFault, ApiState};
use crate::gate::{ApiForm, ReachForm, Refused};

/// The most bytes of a file of certificates: more than the use case takes, so that it says so.
const AUTHORITY_BYTES: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(in crate::cli) struct Reach {
    /// The router's name.
    pub(super) name: String,
    /// Where its API is; the port is 8729, or 8728 with `--tls plain`, if it is not given.
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "remove")]
    address: Option<String>,
    /// The API user, as in /user on the router.
    #[arg(long, value_name = "NAME", conflicts_with = "remove")]
    user: Option<String>,
    /// No TLS, TLS with one known certificate, or TLS with a certificate of an authority [default: pinned]
    #[arg(long, value_enum, conflicts_with = "remove")]
    tls: Option<Tls>,
    /// With `--tls pinned`: the SHA-256 fingerprint of the router's certificate. Without it, `router test` shows what the
    /// router has, and `router trust` takes it.
    #[arg(long, value_name = "FINGERPRINT", conflicts_with_all = ["remove", "authority_file"])]
    fingerprint: Option<String>,
    /// With `--tls authority`: the authority's certificates, PEM.
    #[arg(long, value_name = "PEM", conflicts_with = "remove")]
    authority_file: Option<PathBuf>,
    /// Give the log-in of RouterOS before 6.43 to a router that asks for it.
    #[arg(long, conflicts_with = "remove")]
    old_log_in: bool,
    /// Keep the password that there is; otherwise it is one line on standard input.
    #[arg(long, conflicts_with = "remove")]
    keep_password: bool,
    /// Who decides about a dial: radgram over RADIUS, or the router by its own accounts, which radgram switches.
    #[arg(long, value_enum)]
    scheme: Option<SchemeWord>,
    /// Whether confirmed connections are put into the address list `radgram`, for the router's firewall.
    #[arg(long, value_enum)]
    leases: Option<LeasesWord>,
    /// Forget the log-in to the API.
    #[arg(long)]
    remove: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tls {
    Plain,
    Pinned,
    Authority,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemeWord {
    Radius,
    Api,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LeasesWord {
    On,
    Off,
}

pub(super) async fn set(desk: &Desk, reach: &Reach) -> Result<(), Failure> {
    let router = desk.router(&reach.name).await?;
    let scheme = reach.scheme.map_or(router.scheme, |word| match word {
        SchemeWord::Radius => Scheme::Radius,
        SchemeWord::Api => Scheme::Api,
    });
    let leases = reach.leases.map_or(router.leases, |word| match word {
        LeasesWord::On => Leases::On,
        LeasesWord::Off => Leases::Off,
    });
    let api = if reach.remove { None } else { Some(api(reach, router.api.as_ref())?) };
    let shown = api.as_ref().map(|api| format!("{}@{} ({})", api.user, api.address, api.trust.word()));
    desk.gate.set_router_reach(&ACTOR, router.id, &ReachForm { scheme, leases, api }).await?;
    match shown {
        Some(api) => {
            desk.say(&format!("router {}: API {api}, scheme {}, leases {}", router.name, scheme.word(), leases.word()))
        }
        None => desk.say(&format!("router {} is not reached over its API any more", router.name)),
    }
}

fn api(reach: &Reach, before: Option<&Api>) -> Result<ApiForm, Failure> {
    let address = match (&reach.address, before) {
        (Some(typed), _) => {
            typed.parse().map_err(|expected| Failure::because(format!("--address {typed:?}: {expected}")))?
        }
        (None, Some(before)) => before.address.clone(),
        (None, None) => return Err(Failure::because("the router's API is not known yet: give --address and --user")),
    };
    let user = match (&reach.user, before) {
        (Some(user), _) => user.clone(),
        (None, Some(before)) => before.user.clone(),
        (None, None) => return Err(Failure::because("the API user is not known yet: give --user")),
    };
    let same_place = before.filter(|before| before.address == address);
    let trust = trust(reach, same_place.map(|before| &before.trust))?;
    let old_log_in = match (reach.old_log_in, same_place) {
        (true, _) => OldLogIn::Allowed,
        (false, Some(before)) => before.old_log_in,
        (false, None) => OldLogIn::Refused,
    };
    let password = if reach.keep_password { None } else { Some(input::secret("password of the API user")?) };
    Ok(ApiForm { address, user, password, trust, old_log_in })
}

/// TLS as it is asked for; else as it was for the same address; else pinned, which sends nothing to a stranger.
fn trust(reach: &Reach, before: Option<&Trust>) -> Result<Trust, Failure> {
    let implied = match (&reach.fingerprint, &reach.authority_file) {
        (Some(_), _) => Some(Tls::Pinned),
        (None, Some(_)) => Some(Tls::Authority),
        (None, None) => None,
    };
    let asked = reach.tls.or(implied);
    if let (Some(asked), Some(implied)) = (asked, implied)
        && asked != implied
    {
        return Err(Failure::because(
            "--fingerprint goes with --tls pinned, and --authority-file with --tls authority",
        ));
    }
    match (asked, before) {
        (None, Some(before)) => Ok(before.clone()),
        (Some(Tls::Plain), _) => Ok(Trust::Plain),
        (Some(Tls::Authority), before) => match (&reach.authority_file, before) {
            (Some(file), _) => Ok(Trust::Authority(certificates(file)?)),
            (None, Some(Trust::Authority(pem))) => Ok(Trust::Authority(pem.clone())),
            (None, _) => Err(Failure::because("--tls authority needs --authority-file")),
        },
        (Some(Tls::Pinned) | None, before) => match (&reach.fingerprint, before) {
            (Some(typed), _) => Ok(Trust::Pinned(Some(fingerprint(typed)?))),
            (None, Some(Trust::Pinned(known))) => Ok(Trust::Pinned(*known)),
            (None, _) => Ok(Trust::Pinned(None)),
        },
    }
}

fn certificates(file: &Path) -> Result<String, Failure> {
    let because = |error: std::io::Error| Failure::because(format!("{}: cannot be read: {error}", file.display()));
    let mut text = String::new();
    File::open(file).map_err(because)?.take(AUTHORITY_BYTES).read_to_string(&mut text).map_err(because)?;
    Ok(text)
}

fn fingerprint(typed: &str) -> Result<Fingerprint, Failure> {
    typed.parse().map_err(|expected| Failure::because(format!("{typed:?}: {expected}")))
}

pub(super) async fn trust_router(desk: &Desk, name: &str, typed: &str) -> Result<(), Failure> {
    let router = desk.router(name).await?;
    let fingerprint = fingerprint(typed)?;
    desk.gate.trust_router(&ACTOR, router.id, fingerprint).await?;
    desk.say(&format!("router {} is known by the certificate {fingerprint}", router.name))
}

/// Greets the router and says what it says.
pub(super) async fn test(desk: &Desk, name: &str) -> Result<(), Failure> {
    let router = desk.router(name).await?;
    match desk.gate.greet_router(router.id).await {
        Ok(ApiState::Up { version, identity, local, .. }) => {
            let local = local.map_or(String::new(), |address| format!("; it is reached from {address}"));
            desk.say(&format!("router {} answers: {identity}, RouterOS {version}{local}", router.name))
        }
        Ok(ApiState::Failing { fault, .. }) | Err(Refused::Router(fault)) => Err(unreached(&router, &fault)),
        Ok(ApiState::Off | ApiState::Connecting) => {
            Err(Failure::because(format!("router {} has not answered yet", router.name)))
        }
        Err(refused) => Err(refused.into()),
    }
}

fn unreached(router: &Router, fault: &ApiFault) -> Failure {
    let next = match fault {
        ApiFault::NotTrusted(seen) => format!("; if it is the same: radgram router trust {} {seen}", router.name),
        ApiFault::Off => format!("; radgram router api {} sets it", router.name),
        _ => String::new(),
    };
    Failure::because(format!("router {}: {fault}{next}", router.name))
}
