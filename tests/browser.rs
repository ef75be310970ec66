//! An operator in a real browser: Debian's Chromium, driven by playwright-core.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/site.rs"]
mod site;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use radgram::crypto::hex;
use radgram::domain::account::Source;
use radgram::domain::api::Trust;
use radgram::domain::attribute::Subject;
use radgram::domain::credential::Credential;
use radgram::domain::session::{EndReason, State};
use radgram::domain::user::UserState;
use radgram::entropy::SystemEntropy;
use radgram::routeros::Fleet;
use radgram::secret::Secret;
use radgram::sim::router::{Certificate, RouterConfig, Server, ServiceUser, SimRouter};
use sha2::Digest;
use tokio::process::Command;

use site::{PASSWORD, SECRET, Site};

/// A browser on a busy machine is slow; this only ends a test that hangs.
const LONGEST: Duration = Duration::from_secs(180);

async fn run(script: &str, arguments: &[&str]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
    let started = Command::new("node").arg(script).args(arguments).current_dir(folder).kill_on_drop(true).output();
    let output = tokio::time::timeout(LONGEST, started).await.expect("the browser ends in time");
    let output = output.expect("node runs; scripts/test-deps installs what is missing");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} (scripts/test-deps installs what is missing):\n{said}");
}

#[tokio::test]
async fn an_operator_approves_binds_grants_and_ends() {
    let site = Site::start().await;
    let boris = site.user(1, "Boris", UserState::Pending).await;
    // By a name over plain HTTP, as in an office network: there browsers send less than on loopback.
    let address = site.address.replace("127.0.0.1", "radgram.example");
    run("operator.mjs", &[&address, "root", PASSWORD]).await;
    let reader = site.store.reader();
    assert_eq!(reader.user(boris).await.unwrap().unwrap().state, UserState::Approved);
    let accounts = reader.accounts_of(boris).await.unwrap();
    assert_eq!(accounts[0].name, "boris");
    let entry = reader.entry(accounts[0].id).await.unwrap().unwrap();
    assert!(!matches!(entry.credential, Credential::None));
    let (session, _) = reader.sessions_of(boris, 1).await.unwrap().remove(0);
    assert!(matches!(session.state, State::Ended { reason: EndReason::ByOperator, .. }), "{session:?}");
}

#[tokio::test]
async fn an_owner_says_something_of_a_group_and_sees_why_it_holds() {
    let site = Site::start().await;
    let ann = site.account("ann", None).await;
    site.account("bob", None).await;
    site.router("office", "192.0.2.1").await;
    run("groups.mjs", &[&site.address, "root", PASSWORD]).await;
    let reader = site.store.reader();
    assert_eq!(reader.groups().await.unwrap(), []);
    let own = reader.attributes(Subject::Account(ann)).await.unwrap();
    assert_eq!(own.iter().map(|one| one.value()).collect::<Vec<_>>(), ["boss"]);
}

/// The password of the API user; in no page ever.
const API_PASSWORD: &str = "pw-of-the-api-user";

/// A router as it comes out of its box, but for a certificate, an API user, a rule and a secret; and the fingerprint.
async fn fresh_router(site: &Site) -> (SimRouter, String) {
    let localhost = IpAddr::from(Ipv4Addr::LOCALHOST);
    let nobody = SocketAddr::new(localhost, 9);
    let mut config = RouterConfig::new("MikroTik", localhost, Server::new(nobody, nobody, Secret::new(SECRET)));
    config.api.users.push(ServiceUser::new("radgram", API_PASSWORD, "api,read,write,sensitive"));
    let made = rcgen::generate_simple_self_signed(["router.example".to_owned()]).unwrap();
    let fingerprint = hex::encode(&sha2::Sha256::digest(made.cert.der()));
    let key = Secret::new(made.signing_key.serialize_pem());
    config.api.certificate = Some(Certificate { chain: made.cert.pem().into_bytes(), key });
    let router = SimRouter::start(config, Arc::new(site.clock.clone())).await.unwrap();
    router.local_secret("boris", Secret::new(SECRET));
    let rule = [("chain", "forward"), ("action", "accept"), ("comment", "2FA ann"), ("disabled", "no")];
    router.add("/ip/firewall/filter", &rule).unwrap();
    (router, fingerprint)
}

#[tokio::test]
async fn an_owner_sets_a_router_up_over_its_api() {
    let site = Site::start_over(|clock| Fleet::new(Arc::new(clock.clone()), Arc::new(SystemEntropy))).await;
    let ann = site.user(1, "Ann", UserState::Approved).await;
    let account = site.account("ann", Some(ann)).await;
    let (router, fingerprint) = fresh_router(&site).await;
    let api = router.api_tls_addr().unwrap().to_string();
    run("router.mjs", &[&site.address, "root", PASSWORD, &api, API_PASSWORD, &fingerprint, SECRET]).await;
    let reader = site.store.reader();
    let stored = reader.routers().await.unwrap().routers.remove(0);
    assert_eq!(stored.api.unwrap().trust, Trust::Pinned(Some(fingerprint.parse().unwrap())));
    assert_eq!(reader.rules().await.unwrap()[0].account, account);
    let boris = reader.account_id("boris").await.unwrap().unwrap();
    assert_eq!(reader.account(boris).await.unwrap().unwrap().source, Source::Adopted);
    let incoming = router.rows("/radius/incoming").unwrap().remove(0);
    assert_eq!(incoming["accept"], "true");
    let gone = async || router.row("/ppp/secret", "name", "boris").unwrap().is_none();
    let off = async || router.row("/ip/firewall/filter", "comment", "2FA ann").unwrap().unwrap()["disabled"] == "true";
    let settled = async {
        while !(gone().await && off().await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONGEST, settled).await.expect("the secret leaves the router, and the rule is switched off");
}
