//! What is typed at the simulated router: who dials, who hangs up.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::sim::router::{Cause, Dial, DialOutcome, SimRouter};

/// What can be typed.
pub(super) const HELP: &str = "type: dial NAME PASSWORD [CALLER], hangup NAME, list, reboot, quit";

/// One line, understood.
pub(super) enum Typed {
    Nothing,
    Dial(Box<Dial>),
    HangUp(String),
    List,
    Reboot,
    Quit,
}

/// What follows.
pub(super) enum Next {
    GoOn,
    Quit,
}

impl Typed {
    /// Understands a line; what can be typed, if it cannot be.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => Ok(Self::Nothing),
            ["dial", name, password] => Ok(Self::Dial(Box::new(Dial::new(name, password)))),
            ["dial", name, password, caller] => match caller.parse::<IpAddr>() {
                Ok(caller) => {
                    Ok(Self::Dial(Box::new(Dial { caller: caller.to_string(), ..Dial::new(name, password) })))
                }
                Err(_) => Err(format!("{caller} is not an address")),
            },
            ["hangup", name] => Ok(Self::HangUp((*name).to_owned())),
            ["list"] => Ok(Self::List),
            ["reboot"] => Ok(Self::Reboot),
            ["quit"] => Ok(Self::Quit),
            _ => Err(HELP.to_owned()),
        }
    }

    /// Begins what is asked for; what comes of it goes to `answers`.
    pub(super) fn start(self, router: &Arc<SimRouter>, answers: &mpsc::Sender<String>) -> Next {
        let router = router.clone();
        let answers = answers.clone();
        match self {
            Self::Quit => return Next::Quit,
            Self::Nothing => {}
            Self::Dial(dial) => {
                tokio::spawn(async move { answer(&answers, dialled(&router, *dial).await).await });
            }
            Self::HangUp(name) => {
                tokio::spawn(async move { answer(&answers, hung_up(&router, &name).await).await });
            }
            Self::List => {
                tokio::spawn(async move { answer(&answers, listed(&router)).await });
            }
            Self::Reboot => router.reboot(),
        }
        Next::GoOn
    }
}

async fn answer(answers: &mpsc::Sender<String>, text: String) {
    let _ = answers.send(text).await; // the program may be over
}

async fn dialled(router: &SimRouter, dial: Dial) -> String {
    let user = dial.user.clone();
    match router.dial(dial).await {
        DialOutcome::Connected(tunnel) => {
            format!("{user}: connected as {}, {}", tunnel.address(), tunnel.acct_session_id())
        }
        DialOutcome::Rejected { reply_message, .. } => {
            format!("{user}: rejected, {}", reply_message.as_deref().unwrap_or("without a word"))
        }
        DialOutcome::Timeout => format!("{user}: no server answered"),
        DialOutcome::ClientHungUp { why } => format!("{user}: accepted, but the client hung up: {why:?}"),
        DialOutcome::Failed(failure) => format!("{user}: failed: {failure:?}"),
    }
}

async fn hung_up(router: &SimRouter, name: &str) -> String {
    let mut count = 0;
    for tunnel in router.tunnels().into_iter().filter(|tunnel| tunnel.user() == name) {
        tunnel.hang_up(Cause::UserRequest).await;
        count += 1;
    }
    format!("{name}: {count} hung up")
}

fn listed(router: &SimRouter) -> String {
    let mut lines = vec!["connections:".to_owned()];
    for tunnel in router.tunnels() {
        let traffic = if tunnel.passes() { "passes" } else { "is shut" };
        lines.push(format!(
            "  {} {} from {}: traffic {traffic}",
            tunnel.interface(),
            tunnel.address(),
            tunnel.caller()
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_understood_or_answered_with_what_can_be_typed() {
        let dial = Typed::parse(" dial ann geheim 192.0.2.7 ");
        assert!(matches!(dial, Ok(Typed::Dial(dial)) if dial.user == "ann" && dial.caller == "192.0.2.7"));
        assert!(matches!(Typed::parse("hangup ann"), Ok(Typed::HangUp(name)) if name == "ann"));
        assert!(matches!(Typed::parse(""), Ok(Typed::Nothing)));
        assert!(matches!(Typed::parse("quit"), Ok(Typed::Quit)));
        assert_eq!(Typed::parse("dial ann").err().as_deref(), Some(HELP));
        assert_eq!(Typed::parse("dial ann x home").err().as_deref(), Some("home is not an address"));
    }
}
