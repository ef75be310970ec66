//! The simulated router before independent judges: two clients of the RouterOS API that others wrote, in Python.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use radgram::clock::{SettableClock, Timestamp};
use radgram::secret::Secret;
use radgram::sim::router::{Certificate, LoginForm, RosVersion, RouterConfig, Server, ServiceUser, SimRouter};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Python on a busy machine is slow; this only ends a test that hangs.
const LONGEST: Duration = Duration::from_secs(120);
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const USER: &str = "radgram";
const PASSWORD: &str = "Dienst-Passwort-1";

struct Court {
    router: SimRouter,
    old: SimRouter,
    bare: SimRouter,
    certificate: String,
}

async fn router(version: RosVersion, login: LoginForm, certificate: Option<Certificate>) -> SimRouter {
    let nobody = SocketAddr::new(LOCALHOST, 9);
    let mut config = RouterConfig::new("MikroTik", LOCALHOST, Server::new(nobody, nobody, Secret::new("testing123")));
    config.version = version;
    config.api.users.push(ServiceUser::new(USER, PASSWORD, "api,read,write,sensitive"));
    config.api.login = login;
    config.api.certificate = certificate;
    let clock = SettableClock::new(Timestamp::from_millis(1_707_140_864_000));
    SimRouter::start(config, Arc::new(clock)).await.unwrap()
}

impl Court {
    async fn of(version: RosVersion) -> Self {
        let made = rcgen::generate_simple_self_signed(["router.example".to_owned()]).unwrap();
        let certificate = made.cert.pem();
        let key = Secret::new(made.signing_key.serialize_pem());
        let shown = Certificate { chain: certificate.clone().into_bytes(), key };
        Self {
            router: router(version, LoginForm::Plain, Some(shown)).await,
            old: router(version, LoginForm::Challenge, None).await,
            bare: router(version, LoginForm::Plain, None).await,
            certificate,
        }
    }

    async fn hears(&self, judge: &str, version: RosVersion) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
        let given = serde_json::json!({
            "host": "127.0.0.1",
            "port": self.router.api_addr().unwrap().port(),
            "tls_port": self.router.api_tls_addr().unwrap().port(),
            "old_port": self.old.api_addr().unwrap().port(),
            "bare_tls_port": self.bare.api_tls_addr().unwrap().port(),
            "certificate": self.certificate,
            "user": USER,
            "password": PASSWORD,
            "version": version.short(),
        });
        let mut command = Command::new(folder.join(".venv/bin/python"));
        command.arg(folder.join(judge)).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut python = command.spawn().expect("python is there; scripts/test-deps installs what is missing");
        python.stdin.take().unwrap().write_all(given.to_string().as_bytes()).await.unwrap();
        let output =
            tokio::time::timeout(LONGEST, python.wait_with_output()).await.expect("python ends in time").unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let trace = self.router.trace();
        let last = &trace[trace.len().saturating_sub(20)..];
        assert!(output.status.success(), "{judge} on {version}:\n{said}\n{}", last.join("\n"));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok");
    }
}

async fn judged(judge: &str) {
    for version in RosVersion::ALL {
        Court::of(version).await.hears(judge, version).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn librouteros_finds_a_router_of_every_version() {
    judged("judge_librouteros.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routeros_api_finds_a_router_of_every_version() {
    judged("judge_routeros_api.py").await;
}
