//! The command line takes over a router's accounts, over the real protocol of its API.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/machine.rs"]
mod machine;
#[path = "support/menus.rs"]
mod menus;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;

use std::sync::{Arc, Mutex};

use menus::Menus;
use program::Office;
use serde_json::{Value, json};

const SECRET: &str = "/ppp/secret";
const PASSWORD: &str = "Korrekt-Horse-1";

fn fill(menus: &mut Menus) {
    menus.menu("/user");
    menus.menu("/user/group");
    let plain = [("service", "any"), ("routes", ""), ("limit-bytes-in", "0"), ("limit-bytes-out", "0")];
    let mut put = |more: &[(&str, &str)]| menus.put(SECRET, &[&plain[..], more].concat());
    let ann =
        [("name", "ann"), ("password", PASSWORD), ("profile", "staff"), ("comment", "room 5"), ("disabled", "false")];
    put(&[&ann[..], &[("remote-address", "10.8.0.77"), ("local-address", "10.8.0.1")]].concat());
    put(&[("name", "bob"), ("password", PASSWORD), ("profile", "default"), ("disabled", "true")]);
    put(&[("name", "Eve"), ("password", PASSWORD), ("disabled", "false")]);
    put(&[("name", "eve"), ("password", PASSWORD), ("disabled", "false")]);
}

/// The names that the router has, with `-` before those that are disabled.
fn names(menus: &Mutex<Menus>) -> Vec<String> {
    let mut menus = menus.lock().unwrap();
    let text = |value: Option<&Vec<u8>>| String::from_utf8(value.unwrap().clone()).unwrap();
    let shown = |entry: &menus::Entry| {
        let mark = if text(entry.get("disabled")) == "true" { "-" } else { "" };
        format!("{mark}{}", text(entry.get("name")))
    };
    menus.menu(SECRET).iter().map(shown).collect()
}

async fn office() -> (Office, Arc<Mutex<Menus>>) {
    let (address, menus) = menus::answering(fill).await;
    let office = Office::on_sqlite();
    office.done_with("router add office --address 127.0.0.1", "testing123\n").await;
    let api = format!("router api office --address {address} --user radgram --tls plain");
    office.done_with(&api, &format!("{}\n", machine::PASSWORD)).await;
    (office, menus)
}

async fn json_of(office: &Office, line: &str) -> Value {
    serde_json::from_str(&office.done(&format!("{line} --json")).await).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_seen_tried_and_adopted() {
    let (office, menus) = office().await;
    assert!(
        office.done("router test office").await.starts_with("router office answers: gw-1, RouterOS 7.22.3 (stable)")
    );
    let seen = json_of(&office, "router accounts office").await;
    let verdicts: Vec<_> = seen.as_array().unwrap().iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["only_on_router", "only_on_router", "ambiguous", "ambiguous"]);
    assert_eq!(seen[0]["router"]["profile"], "staff");

    let (tried, progress) = office.refused("router adopt office --all --dry-run --json").await;
    assert!(progress.contains("radgram: 4 of 4\n") && progress.contains("2 of 4 could not be adopted"), "{progress}");
    assert_eq!(json_of(&office, "account list").await, json!([]));
    let (adopted, why) = office.refused("router adopt office --all --json").await;
    assert_eq!(adopted, tried, "a dry run says what a real one does");
    assert!(why.contains("2 of 4 were not adopted"), "{why}");
    let lines: Value = serde_json::from_str(&adopted).unwrap();
    assert_eq!(lines[0]["carried"], json!(["Mikrotik-Group = staff", "Framed-IP-Address = 10.8.0.77"]));
    assert!(lines[0]["notes"][0].as_str().unwrap().contains("local-address 10.8.0.1 is not carried over"));

    let accounts = json_of(&office, "account list").await;
    let of = |name: &str| accounts.as_array().unwrap().iter().find(|line| line["username"] == name).unwrap().clone();
    assert_eq!((of("ann")["source"].as_str(), of("ann")["comment"].as_str()), (Some("adopted"), Some("room 5")));
    assert_eq!(of("ann")["attributes"][1], json!({"name": "Framed-IP-Address", "value": "10.8.0.77"}));
    assert_eq!((of("ann")["enabled"].as_bool(), of("bob")["enabled"].as_bool()), (Some(true), Some(false)));
    assert_eq!(names(&menus), ["ann", "-bob", "Eve", "eve"], "the running server takes them off the router");
    assert!(!format!("{seen}{adopted}{why}{accounts}{}", office.done("audit list").await).contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_routers_accounts_are_changed_where_they_are() {
    let (office, menus) = office().await;
    office.done_with("router account add office zoe --profile staff --comment hi --disabled", "Neues-Horse-2\n").await;
    office.done("router account disable office ann --dry-run").await;
    assert_eq!(names(&menus), ["ann", "-bob", "Eve", "eve", "-zoe"]);
    let table = office.done("router account disable office ann eve").await;
    assert!(table.starts_with("NAME  RESULT"), "{table}");
    office.done("router account enable office bob").await;
    office.done_with("router account password office ann", "Neues-Horse-3\n").await;
    office.done("router account remove office zoe").await;
    assert_eq!(names(&menus), ["-ann", "bob", "Eve", "-eve"]);
    assert_eq!(menus.lock().unwrap().menu(SECRET)[0]["password"], b"Neues-Horse-3");
    let (lines, why) = office.refused("router account remove office nobody bob --json").await;
    assert!(
        lines.contains("the router has no such account") && why.contains("1 of 2 were not removed"),
        "{lines}{why}"
    );
    assert_eq!(names(&menus), ["-ann", "Eve", "-eve"]);
}
