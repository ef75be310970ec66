//! The firewall's side of the set-up script: a profile whose connections it knows, and the rules that shut them.

use super::{COMMENT, NAME, once, remark};
use crate::domain::router::Leases;
use crate::gate::router_api::{Command, LEASE_LIST, Step, Verb};

/// The comment of the rule that lets through who has a lease.
pub const ACCEPT_RULE: &str = "radgram: confirmed connections pass";
/// The comment of the rule that stops who has none.
pub const DROP_RULE: &str = "radgram: all other VPN connections wait";
/// The comment of the rule that shows what a bound rule looks like.
pub const EXAMPLE_RULE: &str = "2FA example";

/// A profile whose connections are in an interface list.
///
/// `interface-list` of a profile is in every command tree of version 7, and in exports of late version 6; which version has
/// it first is not documented.
pub fn profile() -> Vec<Step> {
    let list = Command::new("/interface/list", Verb::Add).with("name", NAME).with("comment", COMMENT);
    let add = Command::new("/ppp/profile", Verb::Add)
        .with("name", NAME)
        .with("interface-list", NAME)
        .with("change-tcp-mss", "yes")
        .with("comment", COMMENT);
    // Version 6 without its ipv6 package does not know use-ipv6.
    let without_ipv6 = Command::new("/ppp/profile", Verb::Set).whose("name", NAME).with("use-ipv6", "no");
    vec![
        remark(
            "5. A profile whose connections are in the interface list radgram, so that the firewall knows them. It speaks no\n\
             IPv6, which the rules below do not see. Say which addresses it gives, and let the servers that are on use\n\
             it, with MS-CHAPv2:\n\
             /ppp profile set [find where name=\"radgram\"] local-address=10.255.0.1 remote-address=POOL\n\
             /interface l2tp-server server set default-profile=radgram authentication=mschap2\n\
             /interface sstp-server server set default-profile=radgram authentication=mschap2",
        ),
        once("/interface/list", "name", NAME, vec![Step::Do(list)]),
        once("/ppp/profile", "name", NAME, vec![Step::Do(add), Step::Try(without_ipv6)]),
    ]
}

/// Rules that shut a connection until somebody said yes. Each is made off and put on top, the one that drops first, so that
/// the others come to stand before it and nothing that accepts everything does; then the two are switched together.
pub fn rules(leases: Leases) -> Vec<Step> {
    let (switch, state) = match leases {
        Leases::On => (Verb::Enable, "They are on, since leases are on\nfor this router in radgram."),
        Leases::Off => {
            (Verb::Disable, "They are off, since leases are off\nfor this router in radgram; both go together.")
        }
    };
    let forward = || filter(Verb::Add).with("chain", "forward").with("in-interface-list", NAME);
    let drop = forward().with("action", "drop");
    let accept = forward().with("src-address-list", LEASE_LIST).with("action", "accept");
    let example = forward().with("src-address", "10.255.0.2").with("action", "accept");
    let switched = |comment| Step::Do(filter(switch).whose("comment", comment));
    vec![
        remark(format!(
            "6. Extra protection: a connection of the interface list radgram is up but shut, until its address is in the\n\
             address list {LEASE_LIST}, where radgram puts it after the yes. {state}",
        )),
        rule(DROP_RULE, drop),
        rule(ACCEPT_RULE, accept),
        switched(ACCEPT_RULE),
        switched(DROP_RULE),
        remark(
            "The other way: a rule of its own for each account, found by 2FA in its comment. Bind it to the account in\n\
             radgram, which then switches it. This one is an example, and stays off.",
        ),
        rule(EXAMPLE_RULE, example),
    ]
}

fn filter(verb: Verb) -> Command {
    Command::new("/ip/firewall/filter", verb)
}

/// A rule that is off, on top, unless one has this comment.
fn rule(comment: &str, rule: Command) -> Step {
    let add = rule.with("disabled", "yes").with("comment", comment);
    let top = filter(Verb::MoveFirst).whose("comment", comment);
    once("/ip/firewall/filter", "comment", comment, vec![Step::Do(add), Step::Try(top)])
}
