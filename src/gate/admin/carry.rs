//! What of a router's own account can be carried over: into reply attributes, into settings of the account, or not at all.

use std::net::{IpAddr, Ipv4Addr};

use super::super::router_api::{Menu, RouterAccount};
use crate::domain::attribute::{AttributeRefused, ReplyAttribute, ReplyAttributes};
use crate::domain::policy::Policy;
use crate::domain::setting::Setting;
use crate::text::one_line;

/// What is taken of one account of a router.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Reply attributes, in the order of the properties.
    pub(super) attributes: Vec<ReplyAttribute>,
    /// Settings of the account, each accepted.
    pub(super) settings: Vec<(&'static str, String)>,
    /// What is not carried over, and why; each a sentence for operators, without a secret.
    pub(super) left: Vec<String>,
}

/// Properties that say how an account was used, not what it may do.
const STATISTICS: &[&str] = &[
    "dynamic",
    "active",
    "active-sessions",
    "incomplete",
    "registration-date",
    "uptime-used",
    "download-used",
    "upload-used",
];
/// Property of User Manager users in RouterOS 6 alone.
const CUSTOMER: &str = "customer";

/// Looks at every property of an account; `system` is what holds for all accounts here.
pub(super) fn carry(account: &RouterAccount, system: &Policy) -> Carried {
    let mut carried = Carried::default();
    let is_v6 = account.properties.contains_key(CUSTOMER);
    for (name, value) in &account.properties {
        let (name, value) = (name.as_str(), value.trim());
        if is_unset(name, value) || STATISTICS.contains(&name) || name.starts_with("last-") {
            continue;
        }
        match (account.menu, name) {
            (Menu::Secret, "profile") => carried.attribute("Mikrotik-Group", value),
            (Menu::Secret, "remote-address") => carried.address_or_pool(value),
            (Menu::Secret, "routes") => carried.routes(value),
            (Menu::Secret, "limit-bytes-in") => carried.limit(name, "Mikrotik-Recv-Limit", value),
            (Menu::Secret, "limit-bytes-out") => carried.limit(name, "Mikrotik-Xmit-Limit", value),
            (Menu::Secret, "service") => carried.leave(name, value, "radgram lets in whatever the service"),
            (Menu::Secret, "local-address") => carried.leave(name, value, "set it in the PPP profile"),
            (Menu::UserManager, "shared-users") => carried.shared_users(value, system),
            (Menu::UserManager, "attributes") => carried.written(value),
            (Menu::UserManager, "group") if is_v6 => carried.attribute("Mikrotik-Group", value),
            (Menu::UserManager, "group") => {
                carried.leave(name, value, "give the account what the group's attributes said")
            }
            (Menu::UserManager, "ip-address") if is_v6 => carried.attribute("Framed-IP-Address", value),
            (Menu::UserManager, "pool-name") if is_v6 => carried.attribute("Framed-Pool", value),
            (Menu::UserManager, CUSTOMER) => {}
            (Menu::UserManager, "otp-secret") => {
                carried
                    .left
                    .push("otp-secret is not carried over: the question in Telegram takes its place".to_owned());
            }
            (Menu::Secret | Menu::UserManager, "caller-id") => carried.caller(value),
            (Menu::Secret | Menu::UserManager, _) => {
                carried.left.push(format!("{} is not carried over", one_line(name)));
            }
        }
    }
    carried
}

/// What RouterOS prints where nothing was set.
fn is_unset(name: &str, value: &str) -> bool {
    match name {
        "service" => value == "any" || value.is_empty(),
        "limit-bytes-in" | "limit-bytes-out" => matches!(value, "" | "0"),
        "local-address" | "remote-address" | "ip-address" => matches!(value, "" | "0.0.0.0"),
        "remote-ipv6-prefix" => matches!(value, "" | "::/0"),
        "group" => matches!(value, "" | "default"),
        _ => matches!(value, "" | "none"),
    }
}

impl Carried {
    /// What is carried, for operators: `Mikrotik-Group = staff`.
    pub(super) fn shown(&self) -> Vec<String> {
        let attributes = self.attributes.iter().map(|one| format!("{} = {}", one.name(), one.value()));
        let settings = self.settings.iter().map(|(name, value)| format!("{name} = {value}"));
        attributes.chain(settings).collect()
    }

    /// The attributes with those that the account has of its own here, which win name by name.
    ///
    /// # Errors
    /// They are too long together.
    pub(super) fn behind(&self, own: &ReplyAttributes) -> Result<ReplyAttributes, AttributeRefused> {
        let new = ReplyAttributes::of(self.attributes.clone());
        ReplyAttributes::of(own.before(&new).cloned().collect()).fitting()
    }

    /// What the router had in force is taken as it is.
    fn attribute(&mut self, name: &str, value: &str) {
        match ReplyAttribute::stored(name, value) {
            Ok(attribute) if self.attributes.contains(&attribute) => {}
            Ok(attribute) => self.attributes.push(attribute),
            Err(refused) => self.left.push(format!("{} is not carried over: {refused}", one_line(value))),
        }
    }

    fn leave(&mut self, name: &str, value: &str, why: &str) {
        self.left.push(format!("{name} {} is not carried over: {why}", one_line(value)));
    }

    fn setting(&mut self, name: &'static str, property: &str, value: &str) {
        match Setting::named(name).map(|setting| setting.accept(value)) {
            Some(Ok(value)) => self.settings.push((name, value)),
            Some(Err(bad)) => self.leave(property, value, &format!("{name} takes {}", bad.expected)),
            None => {}
        }
    }

    /// One address, or the name of a pool (`/ppp/secret remote-address`).
    fn address_or_pool(&mut self, value: &str) {
        match value.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => self.attribute("Framed-IP-Address", &address.to_string()),
            Ok(IpAddr::V6(_)) => self.leave("remote-address", value, "set Framed-IPv6-Prefix by hand"),
            Err(_) => self.attribute("Framed-Pool", value),
        }
    }

    /// `10.1.0.0/24 10.0.0.1 1, 10.2.0.0/24`: where nothing follows the network, the way is the client's own address
    /// (RFC 2865 §5.22: gateway 0.0.0.0).
    fn routes(&mut self, value: &str) {
        for route in value.split(',').map(str::trim).filter(|route| !route.is_empty()) {
            let words: Vec<&str> = route.split_whitespace().collect();
            match words.as_slice() {
                [network] => self.attribute("Framed-Route", &format!("{network} {} 1", Ipv4Addr::UNSPECIFIED)),
                words => self.attribute("Framed-Route", &words.join(" ")),
            }
        }
    }

    /// Octets of a connection; what does not fit into 32 bits goes on in the attribute of gigawords (4 GiB each).
    fn limit(&mut self, property: &str, name: &str, value: &str) {
        let Ok(octets) = value.parse::<u64>() else {
            return self.leave(property, value, "expected a number of octets");
        };
        self.attribute(name, &(octets & u64::from(u32::MAX)).to_string());
        if let gigawords @ 1.. = octets >> 32 {
            self.attribute(&format!("{name}-Gigawords"), &gigawords.to_string());
        }
    }

    /// Where a log-in must come from. RouterOS compares it with what it sends us as Calling-Station-Id.
    fn caller(&mut self, value: &str) {
        match value.parse::<IpAddr>() {
            Ok(address) => self.setting("source_networks", "caller-id", &address.to_string()),
            Err(_) => self.leave("caller-id", value, "it is no address"),
        }
    }

    /// Simultaneous connections; what holds for all accounts anyway is not written down.
    fn shared_users(&mut self, value: &str, system: &Policy) {
        let count = if value == "unlimited" { "0" } else { value };
        let holds = system.connections.unwrap_or(0).to_string();
        if count != holds {
            self.setting("connections_per_account", "shared-users", count);
        }
    }

    /// `Framed-IP-Address:10.8.0.5,Mikrotik-Group:staff`, as the User Manager writes them. What follows a comma and is no
    /// name with a colon belongs to the value before it.
    fn written(&mut self, value: &str) {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in value.split(',') {
            match (part.split_once(':'), pairs.last_mut()) {
                (Some((name, value)), _) if is_name(name) => pairs.push((name.trim().to_owned(), value.to_owned())),
                (_, Some((_, value))) => {
                    value.push(',');
                    value.push_str(part);
                }
                (_, None) => self.left.push("attributes without a name are not carried over".to_owned()),
            }
        }
        for (name, value) in pairs {
            match ReplyAttribute::stored(&name, &value) {
                Ok(attribute) if self.attributes.contains(&attribute) => {}
                Ok(attribute) => self.attributes.push(attribute),
                Err(refused) => self.left.push(format!("{} is not carried over: {refused}", one_line(&name))),
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::Switch;
    use crate::domain::policy::Values;
    use crate::domain::setting::Level;
    use crate::gate::router_api::Seen;

    fn of(menu: Menu, properties: &[(&str, &str)]) -> Carried {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let account = RouterAccount {
            menu,
            id: "*1".to_owned(),
            name: b"ann".to_vec(),
            password: Seen::Hidden,
            switch: Switch::Enabled,
            comment: Vec::new(),
            properties,
        };
        carry(&account, &Values::default().policy(&[Level::System]).unwrap())
    }

    #[track_caller]
    fn check(menu: Menu, properties: &[(&str, &str)], carried: &[&str], left: &[&str]) {
        let found = of(menu, properties);
        assert_eq!(found.shown(), carried);
        assert_eq!(found.left.len(), left.len(), "{:?}", found.left);
        for (said, expected) in found.left.iter().zip(left) {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_plain_secret_carries_its_profile_alone() {
        let plain = [
            ("profile", "default-encryption"),
            ("service", "any"),
            ("caller-id", ""),
            ("routes", ""),
            ("ipv6-routes", ""),
            ("limit-bytes-in", "0"),
            ("limit-bytes-out", "0"),
            ("last-caller-id", "203.0.113.7"),
            ("last-logged-out", "2026-05-01 10:20:30"),
            ("remote-ipv6-prefix", "::/0"),
        ];
        check(Menu::Secret, &plain, &["Mikrotik-Group = default-encryption"], &[]);
    }

    #[test]
    fn addresses_pools_and_routes_become_attributes() {
        check(Menu::Secret, &[("remote-address", "10.8.0.77")], &["Framed-IP-Address = 10.8.0.77"], &[]);
        check(Menu::Secret, &[("remote-address", "pool-vpn")], &["Framed-Pool = pool-vpn"], &[]);
        check(Menu::Secret, &[("remote-address", "2001:db8::1")], &[], &["Framed-IPv6-Prefix by hand"]);
        check(
            Menu::Secret,
            &[("routes", "10.1.0.0/24 10.0.0.1 1,10.2.0.0/24")],
            &["Framed-Route = 10.1.0.0/24 10.0.0.1 1", "Framed-Route = 10.2.0.0/24 0.0.0.0 1"],
            &[],
        );
    }

    #[test]
    fn limits_above_four_gibibytes_take_gigawords() {
        check(Menu::Secret, &[("limit-bytes-in", "4294967295")], &["Mikrotik-Recv-Limit = 4294967295"], &[]);
        check(
            Menu::Secret,
            &[("limit-bytes-out", "10737418240")],
            &["Mikrotik-Xmit-Limit = 2147483648", "Mikrotik-Xmit-Limit-Gigawords = 2"],
            &[],
        );
        check(Menu::Secret, &[("limit-bytes-in", "10G")], &[], &["expected a number of octets"]);
    }

    #[test]
    fn where_it_may_dial_from_is_a_setting() {
        check(Menu::Secret, &[("caller-id", "203.0.113.7")], &["source_networks = 203.0.113.7"], &[]);
        check(Menu::Secret, &[("caller-id", "AA:BB:CC:DD:EE:FF")], &[], &["it is no address"]);
        check(Menu::UserManager, &[("caller-id", "bind")], &[], &["it is no address"]);
    }

    #[test]
    fn what_has_no_counterpart_is_said() {
        check(
            Menu::Secret,
            &[("local-address", "10.0.0.1"), ("service", "l2tp"), ("ipv6-routes", "2001:db8::/64"), ("odd\nname", "x")],
            &[],
            &["ipv6-routes is not", "set it in the PPP profile", "odd name is not", "service l2tp"],
        );
    }

    #[test]
    fn a_user_of_the_user_manager_carries_attributes_and_connections() {
        check(
            Menu::UserManager,
            &[
                (
                    "attributes",
                    "Framed-IP-Address:10.8.0.5,Mikrotik-Address-List:a,b, Framed-Route:10.1.0.0/24 0.0.0.0 1",
                ),
                ("group", "default"),
                ("shared-users", "3"),
            ],
            &[
                "Framed-IP-Address = 10.8.0.5",
                "Mikrotik-Address-List = a,b",
                "Framed-Route = 10.1.0.0/24 0.0.0.0 1",
                "connections_per_account = 3",
            ],
            &[],
        );
        check(Menu::UserManager, &[("shared-users", "1")], &[], &[]);
        check(Menu::UserManager, &[("shared-users", "unlimited")], &["connections_per_account = 0"], &[]);
        check(Menu::UserManager, &[("shared-users", "5000")], &[], &["connections_per_account takes"]);
        check(Menu::UserManager, &[("group", "staff")], &[], &["group staff"]);
        check(Menu::UserManager, &[("attributes", "Session-Timeout:60")], &[], &["session_hours"]);
    }

    #[test]
    fn the_user_manager_of_routeros_6_is_read_too() {
        check(
            Menu::UserManager,
            &[("customer", "admin"), ("group", "vpn"), ("ip-address", "10.8.0.6"), ("uptime-used", "3h")],
            &["Mikrotik-Group = vpn", "Framed-IP-Address = 10.8.0.6"],
            &[],
        );
    }

    #[test]
    fn a_second_factors_secret_is_never_shown() {
        let found = of(Menu::UserManager, &[("otp-secret", "JBSWY3DPEHPK3PXP")]);
        assert!(!format!("{found:?}").contains("JBSWY3DPEHPK3PXP"));
        assert_eq!(found.left.len(), 1);
    }
}
