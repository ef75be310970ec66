//! The set-up script and the doctor: a router made by the script is in order, and each thing that is wrong is found.

use radgram::domain::api::{Fingerprint, OldLogIn, Trust};
use radgram::domain::router::{Demand, Leases, Scheme};
use radgram::gate::router_api::{Argument, Command, Generation, Report, Step, Verb};
use radgram::gate::{ApiForm, ReachForm};
use radgram::secret::Secret;
use radgram::sim::router::{Certificate, RosVersion};
use radgram::store::router::RouterForm;

use crate::world::{ADMIN, API_PASSWORD, API_USER, Dialled, Plan, World};

/// A router that nobody has prepared yet: no user of ours, no RADIUS server.
pub fn bare() -> Plan {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let shown = Certificate { chain: certificate.pem().into_bytes(), key: Secret::new(key.serialize_pem()) };
    Plan { policies: String::new(), certificate: Some(shown), ..Plan::default() }
}

impl World {
    fn fingerprint(&self) -> Fingerprint {
        self.router.row("/certificate", "name", "api").unwrap().unwrap()["fingerprint"].parse().unwrap()
    }

    fn generation(&self) -> Generation {
        match self.version {
            RosVersion::V6_49 => Generation::V6,
            RosVersion::V7_14 | RosVersion::V7_18 | RosVersion::V7_22 => Generation::V7,
        }
    }

    /// What an operator says here before the router is prepared.
    async fn is_told_of_the_router(&self) {
        let id = self.router_id().await;
        // Before 7.15 nothing is signed.
        let unsigned = matches!(self.version, RosVersion::V6_49 | RosVersion::V7_14);
        let form = RouterForm {
            name: "office".to_owned(),
            address: "127.0.0.1/32".parse().unwrap(),
            nas_identifier: None,
            coa_port: self.router.incoming_addr().unwrap().port(),
            message_authenticator: if unsigned { Demand::Off } else { Demand::Auto },
        };
        self.gate().change_router(&ADMIN, id, &form).await.unwrap();
        let reach = ReachForm {
            scheme: Scheme::Radius,
            leases: Leases::On,
            api: Some(ApiForm {
                address: self.router.api_tls_addr().unwrap().to_string().parse().unwrap(),
                user: API_USER.to_owned(),
                password: Some(Secret::new(API_PASSWORD)),
                trust: Trust::Pinned(Some(self.fingerprint())),
                old_log_in: OldLogIn::Refused,
            }),
        };
        self.gate().set_router_reach(&ADMIN, id, &reach).await.unwrap();
    }

    /// An admin pastes the script into a terminal of the router.
    async fn paste_the_script(&self) {
        let server = Some("127.0.0.1".parse().unwrap());
        let script = self.gate().router_script(self.router_id().await, self.generation(), server).await.unwrap();
        self.paste(&script.0);
    }

    fn paste(&self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Remark(_) => {}
                Step::Do(command) => assert_eq!(self.type_in(command), Ok(()), "{command}"),
                Step::Try(command) => drop(self.type_in(command)),
                Step::Once { unless, then } if self.rows_of(unless).is_empty() => self.paste(then),
                Step::Once { .. } => {}
            }
        }
    }

    fn rows_of(&self, command: &Command) -> Vec<String> {
        let rows = self.router.rows(&command.menu).unwrap();
        let same = |found: Option<&String>, wanted: &str| match (found.map(String::as_str), wanted) {
            (Some("true"), "yes") | (Some("false") | None, "no") => true,
            (found, wanted) => found == Some(wanted),
        };
        rows.into_iter()
            .filter(|row| command.find.iter().all(|(name, value)| same(row.get(name), value)))
            .filter(|row| row.get("dynamic").is_none_or(|dynamic| dynamic == "false"))
            .filter_map(|row| row.get(".id").cloned())
            .collect()
    }

    fn type_in(&self, command: &Command) -> Result<(), String> {
        let arguments: Vec<(String, String)> = command
            .arguments
            .iter()
            .map(|(name, value)| match value {
                Argument::Plain(text) => (name.clone(), text.clone()),
                Argument::Secret(_, secret) => (name.clone(), String::from_utf8(secret.expose().to_vec()).unwrap()),
            })
            .collect();
        let say = |more: &[(&str, &str)]| {
            let mut all: Vec<(&str, &str)> = more.to_vec();
            all.extend(arguments.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let done = self.router.command(&command.menu, command.verb.word(), &all);
            done.map(drop).map_err(|trap| format!("{trap:?}"))
        };
        if command.find.is_empty() {
            return say(&[]);
        }
        let rows = self.router.rows(&command.menu).map_err(|trap| format!("{trap:?}"))?;
        let first =
            rows.iter().find(|row| row.get("dynamic").is_none_or(|is| is == "false")).map(|row| row[".id"].clone());
        for id in self.rows_of(command) {
            match command.verb {
                Verb::Find => {}
                Verb::Sign => say(&[("number", &id)])?,
                Verb::MoveFirst => say(&[("numbers", &id), ("destination", first.as_deref().unwrap_or_default())])?,
                Verb::Add | Verb::Set | Verb::Enable | Verb::Disable | Verb::Remove | Verb::ResetCounters => {
                    say(&[(".id", &id)])?;
                }
            }
        }
        Ok(())
    }

    /// What the script leaves to the admin: which addresses, and which servers use its profile.
    fn finish_by_hand(&self) {
        let profile = [("local-address", "10.8.0.1"), ("remote-address", "pool")];
        self.router.add("/ip/pool", &[("name", "pool"), ("ranges", "10.8.0.2-10.8.0.254")]).unwrap();
        self.router.set("/ppp/profile", "radgram", &profile).unwrap();
        for server in ["/interface/sstp-server/server", "/interface/pptp-server/server"] {
            self.router.set(server, "", &[("enabled", "no")]).unwrap();
        }
        for row in self.router.rows("/interface/pppoe-server/server").unwrap() {
            self.router.remove("/interface/pppoe-server/server", &row[".id"]).unwrap();
        }
        let l2tp = [("default-profile", "radgram"), ("authentication", "mschap2"), ("enabled", "yes")];
        self.router.set("/interface/l2tp-server/server", "", &l2tp).unwrap();
        if let Ok(rows) = self.router.rows("/interface/ovpn-server/server") {
            for row in rows {
                match row.get(".id").filter(|_| row.contains_key("disabled")) {
                    Some(id) => self.router.remove("/interface/ovpn-server/server", id).unwrap(),
                    None => self.router.set("/interface/ovpn-server/server", "", &[("enabled", "no")]).unwrap(),
                }
            }
        }
    }

    pub async fn prepared(&self) {
        for row in self.router.rows("/radius").unwrap() {
            self.router.remove("/radius", &row[".id"]).unwrap();
        }
        self.is_told_of_the_router().await;
        self.paste_the_script().await;
        self.finish_by_hand();
    }

    pub async fn examine(&self) -> Report {
        self.gate().examine_router(self.router_id().await, None).await.unwrap()
    }
}

/// Every finding by its id.
pub fn ids(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.id.as_str()).collect()
}

on_versions! {
    async fn a_router_made_by_the_script_is_in_order_and_works(world: World, bare()) {
        world.prepared().await;
        let report = world.examine().await;
        assert_eq!(ids(&report), [""; 0], "{:#?}", report.findings);
        assert!(report.passed.len() > 15, "{:?}", report.passed);
        // Pasted again it changes nothing.
        let before = world.router.rows("/ip/firewall/filter").unwrap();
        world.paste_the_script().await;
        assert_eq!(world.router.rows("/ip/firewall/filter").unwrap(), before);
        assert_eq!(ids(&world.examine().await), [""; 0]);

        world.request().await;
        let tunnel = world.dial().await.accepted();
        assert!(!tunnel.passes(), "its lease is not there before its Start was heard");
        tunnel.start_delivered().await;
        world.until("the lease opens", || async { tunnel.passes() }).await;
    }
}

/// One thing that is wrong on a router: the finding that says so, and what an admin typed to get there and back.
struct Seed {
    finding: &'static str,
    menu: &'static str,
    row: Row,
    wrong: &'static [(&'static str, &'static str)],
    right: &'static [(&'static str, &'static str)],
}

/// Which row is meant.
enum Row {
    /// The only one.
    Single,
    /// The one with this value of a property.
    Whose(&'static str, &'static str),
}

const OURS: Row = Row::Whose("comment", "radgram");

const fn seed(
    finding: &'static str,
    (menu, row): (&'static str, Row),
    wrong: &'static [(&'static str, &'static str)],
    right: &'static [(&'static str, &'static str)],
) -> Seed {
    Seed { finding, menu, row, wrong, right }
}

const L2TP: &str = "/interface/l2tp-server/server";
const PPTP: &str = "/interface/pptp-server/server";
const SSTP: &str = "/interface/sstp-server/server";
const FILTER: &str = "/ip/firewall/filter";
const PASSES: Row = Row::Whose("comment", "radgram: confirmed connections pass");
const WAITS: Row = Row::Whose("comment", "radgram: all other VPN connections wait");

const SEEDS: &[Seed] = &[
    seed("aaa_off", ("/ppp/aaa", Row::Single), &[("use-radius", "no")], &[("use-radius", "yes")]),
    seed("accounting_off", ("/ppp/aaa", Row::Single), &[("accounting", "no")], &[("accounting", "yes")]),
    seed("interim", ("/ppp/aaa", Row::Single), &[("interim-update", "7m")], &[("interim-update", "1m")]),
    seed("radius_missing", ("/radius", OURS), &[("address", "192.0.2.99")], &[("address", "127.0.0.1")]),
    seed("radius_not_ppp", ("/radius", OURS), &[("service", "hotspot")], &[("service", "ppp")]),
    seed("radius_disabled", ("/radius", OURS), &[("disabled", "yes")], &[("disabled", "no")]),
    seed("radius_radsec", ("/radius", OURS), &[("protocol", "radsec")], &[("protocol", "udp")]),
    seed("radius_timeout", ("/radius", OURS), &[("timeout", "300ms")], &[("timeout", "3s")]),
    seed(
        "radius_unsigned",
        ("/radius", OURS),
        &[("require-message-auth", "no")],
        &[("require-message-auth", "yes-for-request-resp")],
    ),
    seed("radius_source", ("/radius", OURS), &[("src-address", "192.0.2.5")], &[("src-address", "0.0.0.0")]),
    seed("radius_backup", ("/radius", OURS), &[("accounting-backup", "yes")], &[("accounting-backup", "no")]),
    seed("radius_choice", ("/radius", OURS), &[("called-id", "office")], &[("called-id", "")]),
    seed("incoming_off", ("/radius/incoming", Row::Single), &[("accept", "no")], &[("accept", "yes")]),
    seed("lease_unused", (FILTER, PASSES), &[("disabled", "yes")], &[("disabled", "no")]),
    seed("lease_open", (FILTER, WAITS), &[("disabled", "yes")], &[("disabled", "no")]),
    seed("lease_profile", (L2TP, Row::Single), &[("default-profile", "default")], &[("default-profile", "radgram")]),
    seed("pap:l2tp", (L2TP, Row::Single), &[("authentication", "pap,mschap2")], &[("authentication", "mschap2")]),
    seed("no_mschap2:l2tp", (L2TP, Row::Single), &[("authentication", "mschap1")], &[("authentication", "mschap2")]),
    seed("pptp", (PPTP, Row::Single), &[("enabled", "yes")], &[("enabled", "no")]),
    seed("sstp_certificate", (SSTP, Row::Single), &[("enabled", "yes")], &[("enabled", "no")]),
    seed(
        "only_one:radgram",
        ("/ppp/profile", Row::Whose("name", "radgram")),
        &[("only-one", "yes")],
        &[("only-one", "default")],
    ),
    seed(
        "api_write",
        ("/user/group", Row::Whose("name", "radgram")),
        &[("policy", "api,read")],
        &[("policy", "api,read,write")],
    ),
    seed(
        "api_rights",
        ("/user/group", Row::Whose("name", "radgram")),
        &[("policy", "api,read,write,reboot")],
        &[("policy", "api,read,write")],
    ),
    seed(
        "api_open",
        ("/ip/service", Row::Whose("name", "api-ssl")),
        &[("address", "")],
        &[("address", "127.0.0.1/32")],
    ),
];

/// What a row shows: properties and values.
type Shown = &'static [(&'static str, &'static str)];

/// Rows that should not be there: the finding, the menu, and the row.
const ADDED: &[(&str, &str, Shown)] = &[
    ("shadow:ann", "/ppp/secret", &[("name", "ann"), ("password", "x")]),
    ("secret_outside", "/ppp/secret", &[("name", "zed"), ("password", "x")]),
    ("lease_static", "/ip/firewall/address-list", &[("list", "radgram"), ("address", "10.8.0.99")]),
    ("radius_fallback", "/radius", &[("service", "ppp"), ("address", "192.0.2.7"), ("secret", "x")]),
    ("rule_unbound", FILTER, &[("chain", "forward"), ("action", "accept"), ("comment", "2FA nobody")]),
];

impl World {
    fn seed(&self, seed: &Seed, values: &[(&str, &str)]) {
        let id = match &seed.row {
            Row::Single => String::new(),
            Row::Whose(property, value) => self.router.row(seed.menu, property, value).unwrap().unwrap()[".id"].clone(),
        };
        self.router.set(seed.menu, &id, values).unwrap();
    }

    /// Whether the doctor says this, whatever stands behind a colon.
    pub async fn finds(&self, finding: &str) -> bool {
        let report = self.examine().await;
        let same = |id: &&str| *id == finding || id.split(':').next() == Some(finding);
        ids(&report).iter().any(same)
    }
}

on_last! {
    async fn each_thing_that_is_wrong_is_found_and_is_gone_when_it_is_right(world: World, bare()) {
        world.prepared().await;
        for seed in SEEDS {
            world.seed(seed, seed.wrong);
            assert!(world.finds(seed.finding).await, "{} is not found: {:?}", seed.finding, ids(&world.examine().await));
            world.seed(seed, seed.right);
            assert!(!world.finds(seed.finding).await, "{} stays", seed.finding);
        }
        for (finding, menu, row) in ADDED {
            let id = world.router.add(menu, row).unwrap();
            assert!(world.finds(finding).await, "{finding} is not found: {:?}", ids(&world.examine().await));
            world.router.remove(menu, &id).unwrap();
            assert!(!world.finds(finding).await, "{finding} stays");
        }
        world.router.api_faults().skew_clock(300);
        assert!(world.finds("clock").await);
        world.router.api_faults().skew_clock(0);
        world.router.api_faults().hide_menu("/ppp/profile");
        assert!(world.finds("unread").await, "{:?}", ids(&world.examine().await));
        world.router.api_faults().show_menu("/ppp/profile");
        assert_eq!(ids(&world.examine().await), [""; 0]);
    }
}

on_last! {
    async fn what_the_doctor_finds_it_mends_when_it_is_told_to(world: World, bare()) {
        world.prepared().await;
        for seed in SEEDS.iter().filter(|seed| ["aaa_off", "accounting_off", "incoming_off", "api_open"].contains(&seed.finding)) {
            world.seed(seed, seed.wrong);
        }
        world.router.add("/ppp/secret", &[("name", "ann"), ("password", "x")]).unwrap();
        let report = world.examine().await;
        let found: Vec<String> = report.findings.iter().map(|finding| finding.id.clone()).collect();
        assert!(found.len() >= 5, "{found:?}");
        let mended = world.gate().mend_router(&ADMIN, world.router_id().await, &found, None).await.unwrap();
        for line in &mended {
            assert!(line.outcome.is_ok(), "{}: {:?}", line.finding.id, line.outcome);
        }
        let left = world.examine().await;
        // A secret that was renamed and disabled is worth a note, and nothing else is left.
        assert!(ids(&left).iter().all(|id| !found.contains(&(*id).to_owned())), "{:?}", ids(&left));
    }
}
