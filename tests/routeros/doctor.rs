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
fn bare() -> Plan {
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

    async fn prepared(&self) {
        for row in self.router.rows("/radius").unwrap() {
            self.router.remove("/radius", &row[".id"]).unwrap();
        }
        self.is_told_of_the_router().await;
        self.paste_the_script().await;
        self.finish_by_hand();
    }

    async fn examine(&self) -> Report {
        self.gate().examine_router(self.router_id().await, None).await.unwrap()
    }
}

/// Every finding by its id.
fn ids(report: &Report) -> Vec<&str> {
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
