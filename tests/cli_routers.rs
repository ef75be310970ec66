//! The command line and the API of routers: how it is reached, and what is said where it is not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const SECRET: &str = "hunter2-hunter2";

struct Office(TempDir);

impl Office {
    /// With the router `office`.
    fn new() -> Self {
        let office = Self(tempfile::tempdir().unwrap());
        std::fs::write(office.0.path().join("radius.toml"), "").unwrap();
        office.done("router add office --address 127.0.0.1", SECRET);
        office
    }

    /// The exit code, and what went to standard output and error.
    fn run(&self, line: &str, input: &str) -> (i32, String, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_radgram"))
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may be gone before it is written to.
        let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ran = (output.status.code().unwrap(), text(output.stdout), text(output.stderr));
        assert!(!format!("{ran:?}").contains(SECRET), "{line} repeats the secret: {ran:?}");
        ran
    }

    #[track_caller]
    fn done(&self, line: &str, input: &str) -> String {
        let (code, out, err) = self.run(line, input);
        assert_eq!(code, 0, "{line}: {out}{err}");
        out
    }

    /// Gives the one line that says why.
    #[track_caller]
    fn refused(&self, line: &str, input: &str) -> String {
        let (code, out, err) = self.run(line, input);
        assert_eq!((code, out.as_str(), err.lines().count()), (1, "", 1), "{line}: {err}");
        err
    }

    fn router(&self) -> serde_json::Value {
        let list: serde_json::Value = serde_json::from_str(&self.done("router list --json", "")).unwrap();
        list[0].clone()
    }
}

#[test]
fn the_api_is_set_changed_and_forgotten() {
    let office = Office::new();
    let password = format!("{SECRET}\n");
    assert!(office.refused("router api office --user api", &password).contains("give --address and --user"));
    assert!(office.refused("router api office --address 192.0.2.1:0 --user api", &password).contains("192.0.2.1:0"));
    assert!(office.refused("router api office --address 192.0.2.1 --user api", "").contains("standard input"));
    assert!(office.refused("router api office --scheme api --remove", "").contains("scheme api needs"));

    let said = office.done("router api office --address 192.0.2.1 --user radgram", &password);
    assert_eq!(said, "router office: API radgram@192.0.2.1 (pinned), scheme radius, leases off\n");
    let print = "ab".repeat(32);
    assert!(office.done(&format!("router trust office {print}"), "").contains(&print));
    assert!(office.refused("router trust office abc", "").contains("64 hex digits"));

    let said = office.done("router api office --scheme api --leases on --keep-password", "");
    assert_eq!(said, "router office: API radgram@192.0.2.1 (pinned), scheme api, leases on\n");
    let router = office.router();
    assert_eq!((router["scheme"].as_str(), router["leases"].as_str()), (Some("api"), Some("on")));
    let moved = office.refused("router api office --address 192.0.2.2 --keep-password", "");
    assert!(moved.contains("password of the API user is missing"), "it is not sent elsewhere: {moved}");

    let said = office.done("router api office --tls plain --keep-password --scheme radius --leases off", "");
    assert!(said.contains("(plain), scheme radius, leases off"), "{said}");
    assert!(office.refused("router api office --tls authority --keep-password", "").contains("--authority-file"));
    let mixed = format!("router api office --tls plain --fingerprint {print} --keep-password");
    assert!(office.refused(&mixed, "").contains("--fingerprint goes with --tls pinned"));
    office.done("router api office --remove", "");
    assert_eq!(office.router()["api"], serde_json::Value::Null);
    assert_eq!(office.run("router api office --remove --keep-password", "").0, 2);
}

#[test]
fn a_home_server_is_set_changed_and_taken_away() {
    let office = Office::new();
    let secret = format!("{SECRET}\n");
    assert!(office.refused("router home office --address router", &secret).contains("expected an address"));
    assert!(office.refused("router home office --address 192.0.2.1 --keep-secret", "").contains("secret is missing"));
    assert!(office.refused("router home office --none", "").contains("has no home server"));
    let said = office.done("router home office --address 192.0.2.1 --timeout-ms 700", &secret);
    let expected =
        "router office: home server 192.0.2.1:1812, 700 ms for each of two tries, Message-Authenticator auto\n";
    assert_eq!(said, expected);
    assert_eq!(office.router()["home"], "192.0.2.1:1812");
    let said = office.done("router home office --address 192.0.2.1 --keep-secret --message-authenticator require", "");
    assert!(said.contains("700 ms") && said.contains("Message-Authenticator require"), "{said}");
    let moved = office.refused("router home office --address 192.0.2.2 --keep-secret", "");
    assert!(moved.contains("secret is missing"), "it is not used elsewhere: {moved}");

    office.done("account add ann", "");
    let kept = |office: &Office| {
        let list: serde_json::Value = serde_json::from_str(&office.done("account list --json", "")).unwrap();
        (list[0]["source"].as_str().unwrap().to_owned(), list[0]["password"].as_str().unwrap().to_owned())
    };
    office.done("account source ann user_manager", "");
    assert_eq!(kept(&office), ("user_manager".to_owned(), "home server".to_owned()));
    assert!(office.refused("account source ann user_manager", "").contains("kept so already"));
    assert!(office.refused("account password ann", &secret).contains("change it there"));
    office.done("account source ann local", "");
    assert_eq!(kept(&office), ("local".to_owned(), "none".to_owned()));

    office.done("router home office --none", "");
    assert_eq!(office.router()["home"], serde_json::Value::Null);
    for line in ["router home office", "router home office --none --address 192.0.2.1", "account source ann adopted"] {
        assert_eq!(office.run(line, "").0, 2, "{line}");
    }
    assert_eq!(office.run("router home office --address 192.0.2.1 --timeout-ms 49", &secret).0, 2);
}

#[test]
fn a_router_that_is_not_reached_says_so_in_one_line() {
    let office = Office::new();
    let commands = [
        "router test office",
        "router accounts office",
        "router adopt office ann",
        "router adopt office --all --dry-run",
        "router account disable office ann",
        "router account remove office ann bob --dry-run",
    ];
    for command in commands {
        let message = office.refused(command, "");
        assert!(message.contains("no API log-in is configured"), "{command}: {message}");
    }
    // A port that nobody listens on any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let password = format!("{SECRET}\n");
    office.done(&format!("router api office --address 127.0.0.1:{port} --user api --tls plain"), &password);
    for command in commands {
        let message = office.refused(command, "");
        assert!(message.contains("the router's API is out of reach"), "{command}: {message}");
    }
    assert!(office.refused("router account add office ann", &password).contains("out of reach"));
    assert!(office.refused("router account password office ann", &password).contains("out of reach"));
}

#[test]
fn usage_is_exit_code_2() {
    let office = Office::new();
    for line in [
        "router adopt office",
        "router adopt office ann --all",
        "router adopt office ann --then burn",
        "router adopt office ann --from profile",
        "router account enable office",
        "router account remove office",
        "router api office --tls maybe",
        "router test",
    ] {
        assert_eq!(office.run(line, "").0, 2, "{line}");
    }
}

#[test]
fn a_router_is_known_by_a_certificate_or_by_none() {
    let office = Office::new();
    let print = "ab".repeat(32);
    assert!(office.refused("router radsec office --none", "").contains("known by no certificate"));
    assert!(office.refused("router radsec office --fingerprint abc", "").contains("64 hex digits"));
    assert_eq!(office.run("router radsec office", "").0, 2);
    assert_eq!(office.run(&format!("router radsec office --name x --fingerprint {print}"), "").0, 2);
    let said = office.done("router radsec office --name Office.Example", "");
    assert_eq!(said, "router office is known over RadSec by the name office.example\n");
    let known = office.router()["radsec"].clone();
    assert_eq!(known, serde_json::json!({ "name": "office.example", "called": [] }));
    assert!(office.done("router list", "").contains("office.example (never called)"));
    office.done(&format!("router radsec office --fingerprint {print}"), "");
    assert_eq!(office.router()["radsec"]["fingerprint"], print);
    office.done("router add annex --address 192.0.2.99", &format!("{SECRET}\n"));
    let taken = office.refused(&format!("router radsec annex --fingerprint {print}"), "");
    assert!(taken.contains("router office is known by it"), "{taken}");
    office.done("router radsec office --none", "");
    assert_eq!(office.router()["radsec"], serde_json::Value::Null);
}
