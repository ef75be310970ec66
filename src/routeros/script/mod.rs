//! The set-up script: what makes a router ask radgram, hear it, and show itself to it.
//!
//! Whatever it makes is looked for first, so it can be run again; what an admin has arranged is not overruled: VPN servers,
//! the firewall's own rules and other API services stay as they are, with remarks that say what to look at.

mod api;
mod firewall;

use std::net::IpAddr;

pub use self::firewall::{ACCEPT_RULE, DROP_RULE, EXAMPLE_RULE};

use crate::domain::router::{Router, Scheme};
use crate::gate::router_api::{Command, Expected, Generation, Script, Step, Verb};

/// What stands for the shared secret of RADIUS.
pub const RADIUS_SECRET: &str = "radiusSecret";
/// The rights that the API user needs (manual, User: policies). To adopt passwords it needs `sensitive`, too.
pub const SERVICE_POLICY: &str = "api,read,write";
/// The comment of what the script makes; what has it is found again.
const COMMENT: &str = "radgram";
/// The names of the user group, the profile and the interface list.
const NAME: &str = "radgram";
/// The script for a router. Nothing is asked of the router.
pub fn script(router: &Router, expected: &Expected, generation: Generation) -> Script {
    let mut steps = opening(generation);
    match router.scheme {
        Scheme::Radius => {
            steps.extend(radius(router, expected, generation));
            steps.extend(incoming(expected));
            steps.extend(aaa(expected));
        }
        Scheme::Api => steps.push(remark(
            "1. This router decides by its own accounts (/ppp secret, User Manager), which radgram switches over the API:\n\
             nothing of RADIUS is set here.",
        )),
    }
    steps.extend(api::user(router, expected));
    steps.extend(firewall::profile());
    steps.extend(firewall::rules(router.leases));
    // Last, since it may have to wait for the certificate.
    steps.extend(api::service(router, expected));
    Script(steps)
}

/// One address as a network.
pub fn alone(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

/// The entry of `/radius` that names us.
pub fn entry_of(router: &Router, expected: &Expected) -> Command {
    // RouterOS asks three times, `timeout` apart, and takes no answer that comes later.
    Command::new("/radius", Verb::Add)
        .with("service", "ppp")
        .with("address", &expected.server.to_string())
        .with_secret("secret", RADIUS_SECRET, &router.secret)
        .with("authentication-port", &expected.auth_port.to_string())
        .with("accounting-port", &expected.acct_port.to_string())
        .with("timeout", "3s")
        .with("comment", COMMENT)
}

fn remark(text: impl Into<String>) -> Step {
    Step::Remark(text.into())
}

/// Makes rows unless one has this name, comment, …
fn once(menu: &str, property: &str, value: &str, then: Vec<Step>) -> Step {
    Step::Once { unless: Command::new(menu, Verb::Find).whose(property, value), then }
}

fn opening(generation: Generation) -> Vec<Step> {
    let (line, question_mark) = match generation {
        // Typed there, it shows help, wherever it stands.
        Generation::V6 => ("RouterOS 6.49", "A question mark is written as \\3F.\n"),
        Generation::V7 => ("RouterOS 7", ""),
    };
    vec![remark(format!(
        "radgram: prepares a router with {line}.\n\
         Fill in the variables between the double quotes. A double quote, dollar or backslash in a secret needs a\n\
         backslash before it. {question_mark}\
         Then paste everything into a terminal of the router, or upload it as radgram.rsc and type:\n\
         /import radgram.rsc\n\
         It can be run again: what is there already is kept or brought up to date.\n\
         Make a backup first: /system backup save name=before-radgram"
    ))]
}

fn radius(router: &Router, expected: &Expected, generation: Generation) -> Vec<Step> {
    if router.radsec.is_some() {
        return vec![remark(
            "1. The router asks radgram over TLS (RadSec). Its entry in /radius needs certificates and is made by hand, as\n\
             docs/radsec.md says; nothing of it is changed here.",
        )];
    }
    let ours = || Command::new("/radius", Verb::Set).whose("comment", COMMENT);
    let refresh = ours()
        .with("address", &expected.server.to_string())
        .with_secret("secret", RADIUS_SECRET, &router.secret)
        .with("authentication-port", &expected.auth_port.to_string())
        .with("accounting-port", &expected.acct_port.to_string())
        .with("disabled", "no");
    let mut steps = vec![
        remark(
            "1. The router asks radgram about VPN log-ins. If /radius has other entries for ppp, this one must stand\n\
             before them: /radius print",
        ),
        once("/radius", "comment", COMMENT, vec![Step::Do(entry_of(router, expected))]),
        Step::Do(refresh),
    ];
    match generation {
        // Version 6 has no such property.
        Generation::V6 => {}
        Generation::V7 => steps.extend([
            remark(
                "The router takes only signed answers (BlastRADIUS, CVE-2024-3596). Known from 7.15 on, where it is the\n\
                 default; before that the line does nothing.",
            ),
            Step::Try(ours().with("require-message-auth", "yes-for-request-resp")),
        ]),
    }
    steps
}

fn incoming(expected: &Expected) -> [Step; 2] {
    let port = expected.coa_port.to_string();
    [
        remark(format!(
            "2. The router hears radgram when a connection is to end. If the input chain drops what it does not know, let\n\
             this through, above the rule that drops:\n\
             /ip firewall filter add chain=input protocol=udp dst-port={port} src-address={} action=accept comment=\"radgram: Disconnect\"",
            expected.server
        )),
        Step::Do(Command::new("/radius/incoming", Verb::Set).with("accept", "yes").with("port", &port)),
    ]
}

fn aaa(expected: &Expected) -> [Step; 2] {
    let interim = format!("{}s", expected.interim.as_secs());
    [
        remark(
            "3. PPP asks RADIUS and reports its connections. A name in /ppp secret still goes first, and needs no yes in\n\
             Telegram: remove each there that radgram is to decide about.",
        ),
        Step::Do(
            Command::new("/ppp/aaa", Verb::Set)
                .with("use-radius", "yes")
                .with("accounting", "yes")
                .with("interim-update", &interim),
        ),
    ]
}

#[cfg(test)]
mod tests;
