//! `radgram router home`: the RADIUS server that knows the passwords of a router's accounts of source `user_manager`.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::super::desk::{ACTOR, Desk};
use super::super::{Failure, input};
use crate::domain::home::{Home, TRY, TRY_MS, home_address};
use crate::domain::router::Demand;
use crate::gate::HomeForm;

#[derive(Debug, Args)]
pub(in crate::cli) struct AtHome {
    /// The router's name.
    name: String,
    /// Where the home server is; the port is 1812 if it is not given.
    #[arg(long, value_name = "IP[:PORT]", required_unless_present = "none", conflicts_with = "none")]
    address: Option<String>,
    /// How long each of two tries is waited for, in milliseconds [default: 1000, or as it was]
    #[arg(long, value_name = "N", conflicts_with = "none", value_parser = clap::value_parser!(u32).range(i64::from(*TRY_MS.start())..=i64::from(*TRY_MS.end())))]
    timeout_ms: Option<u32>,
    /// Whether its answers must carry a Message-Authenticator; auto: once one did [default: auto, or as it was]
    #[arg(long, conflicts_with = "none", value_parser = PossibleValuesParser::new(Demand::ALL.map(Demand::word)))]
    message_authenticator: Option<String>,
    /// Keep the secret that there is; otherwise it is one line on standard input.
    #[arg(long, conflicts_with = "none")]
    keep_secret: bool,
    /// The router has no home server (any more).
    #[arg(long)]
    none: bool,
}

pub(super) async fn set(desk: &Desk, args: &AtHome) -> Result<(), Failure> {
    let router = desk.router(&args.name).await?;
    let Some(typed) = &args.address else {
        desk.gate.set_router_home(&ACTOR, router.id, None).await?;
        return desk.say(&format!("router {} has no home server", router.name));
    };
    let address = home_address(typed).map_err(|why| Failure::because(format!("--address {typed:?}: {why}")))?;
    let before = router.home.as_deref();
    let demand = args.message_authenticator.as_deref().and_then(Demand::from_word);
    let form = HomeForm {
        address,
        secret: if args.keep_secret { None } else { Some(input::secret("secret of the home server")?) },
        timeout: args.timeout_ms.map_or_else(
            || before.map_or(TRY, |before| before.timeout),
            |ms| std::time::Duration::from_millis(ms.into()),
        ),
        message_authenticator: demand
            .unwrap_or_else(|| before.map_or(Demand::Auto, |before: &Home| before.message_authenticator)),
    };
    desk.gate.set_router_home(&ACTOR, router.id, Some(&form)).await?;
    desk.say(&format!(
        "router {}: home server {}, {} ms for each of two tries, Message-Authenticator {}",
        router.name,
        form.address,
        form.timeout.as_millis(),
        form.message_authenticator.word()
    ))
}
