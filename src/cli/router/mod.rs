//! `radgram router`: who may ask the RADIUS server, and what is done on routers over their API.

mod account;
mod accounts;
mod doctor;
mod home;
mod nas;
mod radsec;
mod reach;
mod secret;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::attribute::{self, Attribute};
use super::desk::{ACTOR, Desk};
use super::output::{Line, Out};
use super::{Failure, ListArgs, input};
use crate::domain::attribute::Subject;
use crate::domain::router::{COA_PORT, Demand, Router, shown_network, shown_origin, source_network};
use crate::store::router::RouterForm;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a router; its shared secret is one line on standard input.
    Add {
        /// A name for people.
        name: String,
        /// The address that its packets come from, or a network.
        #[arg(long, value_name = "IP/CIDR")]
        address: String,
        #[command(flatten)]
        habits: Habits,
    },
    /// Change what is said of a router.
    Set {
        /// The router's name.
        name: String,
        /// Its new name.
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// The address that its packets come from, or a network.
        #[arg(long, value_name = "IP/CIDR")]
        address: Option<String>,
        #[command(flatten)]
        habits: Habits,
    },
    /// Give a router another shared secret, one line on standard input.
    Secret(secret::Change),
    /// The boxes behind routers: which sign their requests, and which secret they use while one is being changed.
    #[command(subcommand)]
    Nas(nas::Command),
    /// Remove a router.
    Remove {
        /// The router's name.
        name: String,
    },
    /// What an Access-Accept says on a router, unless the account or its group says otherwise: list it, or change it.
    Attribute {
        /// The router's name.
        name: String,
        #[command(flatten)]
        change: attribute::Change,
    },
    /// Say how a router's RouterOS API is reached; the password is one line on standard input.
    Api(Box<reach::Reach>),
    /// Say which RADIUS server knows the passwords of accounts of source user_manager on a router, mostly its own User
    /// Manager; the secret that it shares with radgram is one line on standard input.
    Home(home::AtHome),
    /// Say by which certificate a router is known that asks over TLS (RadSec).
    Radsec(radsec::ByCertificate),
    /// Take the certificate that the router shows, after comparing its fingerprint.
    Trust {
        /// The router's name.
        name: String,
        /// SHA-256 of the certificate, as `router test` and /certificate print detail show it.
        fingerprint: String,
    },
    /// Greet a router over its API.
    Test {
        /// The router's name.
        name: String,
    },
    /// Look at everything on a router that radgram depends on: what is wrong, why it matters, what mends it.
    Doctor(doctor::Doctor),
    /// Print the script that prepares a router.
    Script(doctor::Prepare),
    /// Shut out somebody who is connected past radgram: the router's account of this name is disabled, then the
    /// connections are cut.
    ShutOut {
        /// The router's name.
        name: String,
        /// The user name, exactly as the router has it.
        username: String,
    },
    /// Compare the accounts that a router keeps itself with those of radgram.
    Accounts {
        /// The router's name.
        name: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Take over accounts that a router keeps itself: name, password, profile, addresses, limits.
    Adopt(accounts::Adopt),
    /// Change the accounts that a router keeps itself.
    #[command(subcommand)]
    Account(account::Command),
    /// List the routers.
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(super) struct Habits {
    /// Where it takes Disconnect-Requests: /radius/incoming port [default: 3799]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    coa_port: Option<u16>,
    /// Whether its Access-Requests must be signed; auto: for good once one was [default: auto]
    #[arg(long, value_parser = PossibleValuesParser::new(Demand::ALL.map(Demand::word)))]
    message_authenticator: Option<String>,
    /// The NAS-Identifier (RouterOS: /system identity) that tells it from other routers at the same address; an empty one
    /// takes it away
    #[arg(long, value_name = "IDENTITY")]
    nas_identifier: Option<String>,
}

impl Habits {
    fn demand(&self) -> Option<Demand> {
        self.message_authenticator.as_deref().and_then(Demand::from_word)
    }
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add { name, address, habits } => {
            let form = RouterForm {
                name,
                address: network(&address)?,
                nas_identifier: habits.nas_identifier.clone(),
                coa_port: habits.coa_port.unwrap_or(COA_PORT),
                message_authenticator: habits.demand().unwrap_or(Demand::Auto),
            };
            desk.gate.add_router(&ACTOR, &form, &input::secret("shared secret")?).await?;
            let origin = shown_origin(form.address, form.nas_identifier.as_deref());
            desk.say(&format!("router {} is added: {origin}", form.name.trim()))
        }
        Command::Set { name, rename, address, habits } => {
            let router = desk.router(&name).await?;
            let form = changed(&router, rename, address.as_deref(), &habits)?;
            desk.gate.change_router(&ACTOR, router.id, &form).await?;
            desk.say(&format!("router {} is changed", form.name.trim()))
        }
        Command::Secret(change) => secret::run(desk, &change).await,
        Command::Nas(command) => nas::run(desk, command).await,
        Command::Remove { name } => {
            let router = desk.router(&name).await?;
            desk.gate.remove_router(&ACTOR, router.id).await?;
            desk.say(&format!("router {} is removed", router.name))
        }
        Command::Attribute { name, change } => {
            let router = desk.router(&name).await?;
            let whose = format!("router {}", router.name);
            attribute::run(desk, Subject::Router(router.id), &whose, &change).await
        }
        Command::Api(reach) => reach::set(desk, &reach).await,
        Command::Home(args) => home::set(desk, &args).await,
        Command::Radsec(args) => radsec::set(desk, &args).await,
        Command::Trust { name, fingerprint } => reach::trust_router(desk, &name, &fingerprint).await,
        Command::Test { name } => reach::test(desk, &name).await,
        Command::Doctor(args) => doctor::doctor(desk, args).await,
        Command::Script(args) => doctor::script(desk, args).await,
        Command::ShutOut { name, username } => {
            let router = desk.router(&name).await?;
            let done = desk.gate.shut_out(&ACTOR, router.id, username.as_bytes()).await?;
            desk.say(&format!("{username} is shut out of {}: {} connections cut", router.name, done.removed))
        }
        Command::Accounts { name, list } => accounts::accounts(desk, &name, list).await,
        Command::Adopt(adopt) => accounts::adopt(desk, adopt).await,
        Command::Account(command) => account::run(desk, command).await,
        Command::List(args) => list(desk, args).await,
    }
}

fn network(typed: &str) -> Result<ipnet::IpNet, Failure> {
    source_network(typed).map_err(|message| Failure::because(format!("{typed:?} is {message}")))
}

fn changed(
    router: &Router,
    rename: Option<String>,
    address: Option<&str>,
    habits: &Habits,
) -> Result<RouterForm, Failure> {
    let is_said = [rename.is_some(), address.is_some(), habits.coa_port.is_some(), habits.nas_identifier.is_some()];
    if !is_said.contains(&true) && habits.message_authenticator.is_none() {
        return Err(Failure::because(
            "nothing to change: give --rename, --address, --nas-identifier, --coa-port or --message-authenticator",
        ));
    }
    Ok(RouterForm {
        name: rename.unwrap_or_else(|| router.name.clone()),
        address: address.map_or(Ok(router.address), network)?,
        nas_identifier: habits.nas_identifier.clone().or_else(|| router.nas_identifier.clone()),
        coa_port: habits.coa_port.unwrap_or(router.coa_port),
        message_authenticator: habits.demand().unwrap_or(router.message_authenticator),
    })
}

async fn list(desk: &Desk, args: ListArgs) -> Result<(), Failure> {
    let routers = desk.reader().routers().await?.routers;
    let boxes = desk.reader().nas_lines().await?;
    let lines: Vec<RouterLine> = routers
        .into_iter()
        .map(|router| RouterLine {
            shown_address: shown_origin(router.address, router.nas_identifier.as_deref()),
            address: shown_network(router.address),
            nas_identifier: router.nas_identifier,
            coa_port: router.coa_port,
            message_authenticator: router.message_authenticator.word(),
            seen: boxes
                .iter()
                .filter(|line| line.nas.key.router == router.id)
                .map(|line| format!("{} {}", line.nas.key.address, line.nas.key.identifier).trim_end().to_owned())
                .collect(),
            scheme: router.scheme.word(),
            api: router.api.as_ref().map(|api| api.address.to_string()),
            leases: router.leases.word(),
            home: router.home.as_ref().map(|home| home.address.to_string()),
            radsec: router.radsec.as_ref().map(|known_by| radsec::line(known_by, router.id, &boxes)),
            attributes: attribute::lines(&router.attributes),
            name: router.name,
        })
        .collect();
    Out::standard().list(&lines, args)
}

#[derive(Serialize)]
struct RouterLine {
    name: String,
    address: String,
    nas_identifier: Option<String>,
    #[serde(skip)]
    shown_address: String,
    coa_port: u16,
    message_authenticator: &'static str,
    seen: Vec<String>,
    scheme: &'static str,
    api: Option<String>,
    leases: &'static str,
    home: Option<String>,
    radsec: Option<radsec::RadsecLine>,
    attributes: Vec<Attribute>,
}

impl Line for RouterLine {
    const HEADS: &'static [&'static str] =
        &["NAME", "ADDRESS", "COA PORT", "MESSAGE-AUTHENTICATOR", "SCHEME", "API", "RADSEC", "SEEN"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.shown_address.clone(),
            self.coa_port.to_string(),
            self.message_authenticator.to_owned(),
            self.scheme.to_owned(),
            self.api.clone().unwrap_or_default(),
            self.radsec.as_ref().map(ToString::to_string).unwrap_or_default(),
            self.seen.join(", "),
        ]
    }
}
