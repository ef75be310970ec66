//! The API user: what it may do, and from where it can be used.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::command::{Row, is};
use super::super::script::{SERVICE_POLICY, alone};
use super::chart::Chart;
use super::inventory::{GROUP, Inventory, SERVICE, USER};
use super::value::{text, words};
use crate::domain::api::Trust;
use crate::domain::router::Router;
use crate::gate::router_api::{Command, Expected, Gravity, Verb};
use crate::text::one_line;

/// What the API user needs to do what we ask; `api` itself it has, or it would not be heard.
const NEEDED: [(&str, &str, &str); 2] = [
    ("read", "api_read", "The API user may not read: almost nothing here can be looked at or watched."),
    ("write", "api_write", "The API user may not write: no rule, lease, account or connection can be changed."),
];

/// Groups that every router has: what is changed there is changed for other users, too.
const STOCK: [&str; 3] = ["full", "read", "write"];

/// What may be there without harm.
const HARMLESS: [&str; 4] = ["api", "read", "write", "sensitive"];

/// Looks at the rights of the API user.
pub fn look_at_rights(seen: &Inventory, expected: &Expected, chart: &mut Chart) {
    let (Some(users), Some(groups)) = (seen.rows(USER), seen.rows(GROUP)) else { return };
    let shown = one_line(&expected.api_user);
    let Some(user) = users.iter().find(|user| text(user, "name") == expected.api_user) else {
        return chart.find(
            Gravity::Warning,
            "api_user_remote",
            format!("The API user {shown} is not in /user."),
            "The router asks a RADIUS server about it; if that is radgram, or is down, nothing can be mended over the API. \
             Make a local user.",
            Vec::new(),
        );
    };
    let group = text(user, "group");
    let Some(row) = groups.iter().find(|row| text(row, "name") == group) else {
        return chart.find(
            Gravity::Note,
            "api_rights_unknown",
            format!("The rights of the group {} of the API user {shown} are not known.", one_line(group)),
            "They were not looked at.",
            Vec::new(),
        );
    };
    let is_alone = users.iter().filter(|user| text(user, "group") == group).count() == 1 && !STOCK.contains(&group);
    let rights: Vec<&str> = words(row, "policy").into_iter().filter(|right| !right.starts_with('!')).collect();
    for (right, id, what) in NEEDED.iter().filter(|(right, ..)| !rights.contains(right)) {
        let fix =
            if is_alone { vec![group_with(group, &rights, right)] } else { least_rights(groups, &expected.api_user) };
        chart.find(Gravity::Warning, *id, *what, &format!("Its group has no policy {right}."), fix);
    }
    let too_many: Vec<&str> = rights.iter().copied().filter(|right| !HARMLESS.contains(right)).collect();
    if too_many.is_empty() {
        chart.pass(format!("the API user {shown} has no more rights than it needs"));
    } else {
        chart.find(
            Gravity::Note,
            "api_rights",
            format!("The API user {shown} may do more than it needs: {}.", one_line(&too_many.join(", "))),
            "Whoever gets hold of its password gets these rights, too.",
            least_rights(groups, &expected.api_user),
        );
    }
    if rights.contains(&"sensitive") {
        chart.pass("the API user may see passwords, so accounts can be adopted with theirs");
    } else {
        chart.pass("the API user may not see passwords (only the adoption of accounts would need it)");
    }
}

/// The group with one right more.
fn group_with(group: &str, rights: &[&str], right: &str) -> Command {
    let policy = [rights, &[right]].concat().join(",");
    Command::new(GROUP, Verb::Set).whose("name", group).with("policy", &policy)
}

/// A group of its own for the user: the one that it is in may have other users.
fn least_rights(groups: &[Row], user: &str) -> Vec<Command> {
    let name = "radgram";
    let add = Command::new(GROUP, Verb::Add).with("name", name).with("policy", SERVICE_POLICY);
    let set = Command::new(USER, Verb::Set).whose("name", user).with("group", name);
    if groups.iter().any(|group| text(group, "name") == name) { vec![set] } else { vec![add, set] }
}

/// Looks at the API service that is used.
pub fn look_at_service(seen: &Inventory, router: &Router, server: IpAddr, chart: &mut Chart) {
    let (Some(services), Some(api)) = (seen.rows(SERVICE), &router.api) else { return };
    let name = match api.trust {
        Trust::Plain => "api",
        Trust::Pinned(_) | Trust::Authority(_) => "api-ssl",
    };
    // Newer versions list live connections beside the services.
    let Some(service) = services.iter().find(|row| text(row, "name") == name && !is(row, "dynamic")) else { return };
    let open = |network: &str| network.parse::<IpNet>().is_ok_and(|network| network.prefix_len() == 0);
    let networks = words(service, "address");
    if networks.is_empty() || networks.iter().any(|network| open(network)) {
        chart.find(
            Gravity::Warning,
            "api_open",
            format!("The service {name} answers everybody."),
            "Whoever reaches the router can try passwords on it.",
            vec![Command::new(SERVICE, Verb::Set).whose("name", name).with("address", &alone(server))],
        );
    } else {
        chart.pass(format!("the service {name} answers only {}", one_line(&networks.join(", "))));
    }
    match api.trust {
        Trust::Plain => chart.find(
            Gravity::Note,
            "api_plain",
            "The API is used without TLS.",
            "Whoever listens on the way reads its password and everything else. It is fine inside a tunnel or on a wire of \
             your own; otherwise use api-ssl, as the set-up script does.",
            Vec::new(),
        ),
        Trust::Pinned(_) | Trust::Authority(_) => chart.pass("the API is used with TLS"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Seen, router};
    use super::*;
    use crate::domain::api::Api;

    #[test]
    fn rights_that_lack_are_found() {
        Seen::healthy().with(GROUP, "policy", "api,read,!write").finds(
            "api_write",
            Gravity::Warning,
            &["/user group set [find where name=\"radgram\"] policy=api,read,write"],
        );
        Seen::healthy().with(GROUP, "policy", "api,write").finds(
            "api_read",
            Gravity::Warning,
            &["/user group set [find where name=\"radgram\"] policy=api,write,read"],
        );
        Seen::healthy().with(GROUP, "policy", "api,read,write,sensitive,!ftp").finds_nothing();
    }

    #[test]
    fn a_group_of_others_gets_no_rights() {
        let own_group = [
            "/user group add name=radgram policy=api,read,write",
            "/user set [find where name=\"radgram\"] group=radgram",
        ];
        let stock = Seen::healthy().with(USER, "group", "read").with(GROUP, "name", "read");
        stock.with(GROUP, "policy", "api,read").finds("api_write", Gravity::Warning, &own_group);
        let shared = Seen::healthy().with(USER, "group", "guests").with(GROUP, "name", "guests");
        let shared = shared.row(USER, &[("name", "eve"), ("group", "guests")]);
        shared.with(GROUP, "policy", "api,read").finds("api_write", Gravity::Warning, &own_group);
        Seen::healthy().with(USER, "group", "gone").finds("api_rights_unknown", Gravity::Note, &[]);
    }

    #[test]
    fn rights_that_are_not_needed_are_noted_and_a_group_of_others_stays_as_it_is() {
        let full = Seen::healthy()
            .with(USER, "group", "full")
            .row(GROUP, &[("name", "full"), ("policy", "api,read,write,policy,ssh,!dude")]);
        full.finds("api_rights", Gravity::Note, &["/user set [find where name=\"radgram\"] group=radgram"]);
        let alone = full.without(GROUP, "name", "radgram");
        alone.finds(
            "api_rights",
            Gravity::Note,
            &[
                "/user group add name=radgram policy=api,read,write",
                "/user set [find where name=\"radgram\"] group=radgram",
            ],
        );
    }

    #[test]
    fn a_user_that_the_router_asks_about_is_found() {
        Seen::healthy().with(USER, "name", "other").finds("api_user_remote", Gravity::Warning, &[]);
    }

    #[test]
    fn a_service_that_answers_everybody_is_found() {
        for address in ["", "0.0.0.0/0", "10.0.0.0/8,::/0"] {
            Seen::healthy().with_where(SERVICE, "name", "api-ssl", "address", address).finds(
                "api_open",
                Gravity::Warning,
                &["/ip service set api-ssl address=192.0.2.10/32"],
            );
        }
        Seen::healthy().with_where(SERVICE, "name", "api-ssl", "address", "10.0.0.0/8").finds_nothing();
    }

    #[test]
    fn live_connections_are_no_services() {
        let mut seen = Seen::healthy();
        seen = seen.first(SERVICE, &[("name", "api-ssl"), ("address", ""), ("dynamic", "true")]);
        seen.finds_nothing();
    }

    #[test]
    fn the_api_without_tls_is_noted() {
        let api = router().api.map(|api| Api { trust: Trust::Plain, ..api });
        let closed = Seen::healthy().with_where(SERVICE, "name", "api", "address", "10.0.0.0/8");
        closed.of(Router { api, ..router() }).finds("api_plain", Gravity::Note, &[]);
    }
}
