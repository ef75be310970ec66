//! The command line as a new operator uses it: the built program in an empty directory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use radgram::clock::{Clock, SystemClock, Timestamp};
use radgram::config::Config;
use radgram::domain::connection::{Authentic, Record, Report, Traffic, Via};
use radgram::domain::id::RouterId;
use radgram::domain::router::NasKey;
use radgram::entropy::SystemEntropy;
use radgram::open::open_store;
use radgram::store::booking::Booking;
use radgram::store::connection::ClassSeen;
use tempfile::TempDir;

const SECRET: &str = "hunter2-hunter2";

/// A directory with a configuration, and the program.
struct Office {
    directory: TempDir,
}

/// How a command ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Office {
    /// With the defaults.
    fn new() -> Self {
        let office = Self::empty();
        office.write("radius.toml", include_str!("../radius.example.toml"));
        office
    }

    fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.directory.path().join(name)).unwrap().permissions().mode() & 0o777
    }

    fn has(&self, name: &str) -> bool {
        self.directory.path().join(name).exists()
    }

    fn program(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_radgram"));
        command.args(line.split_whitespace()).current_dir(self.directory.path()).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the words of `line`, with `input` on standard input.
    fn run_with(&self, line: &str, input: &str) -> Ran {
        finish(self.program(line), input)
    }

    fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    /// Runs what must be done.
    #[track_caller]
    fn done_with(&self, line: &str, input: &str) -> String {
        let ran = self.run_with(line, input);
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        assert!(!format!("{ran:?}").contains(SECRET), "{line} repeats the secret: {ran:?}");
        ran.out
    }

    #[track_caller]
    fn done(&self, line: &str) -> String {
        self.done_with(line, "")
    }

    /// Runs what must be refused with one line on standard error.
    #[track_caller]
    fn refused_with(&self, line: &str, input: &str) -> String {
        let ran = self.run_with(line, input);
        assert_eq!(ran.code, Some(1), "{line}: {ran:?}");
        assert_eq!((ran.out.as_str(), ran.err.lines().count()), ("", 1), "{line}: {ran:?}");
        assert!(!ran.err.contains(SECRET), "{line} repeats the secret: {ran:?}");
        ran.err
    }

    #[track_caller]
    fn refused(&self, line: &str) -> String {
        self.refused_with(line, "")
    }

    fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.done(&format!("{line} --json"))).unwrap()
    }
}

fn finish(mut command: Command, input: &str) -> Ran {
    let mut child = command.spawn().unwrap();
    // A command that reads nothing may be gone before it is written to.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn usage_is_exit_code_2_and_help_0() {
    let office = Office::new();
    for line in
        ["", "frobnicate", "user approve", "user approve ann", "session grant ann", "operator add x --role king"]
    {
        assert_eq!(office.run(line).code, Some(2), "{line}");
    }
    for line in ["--help", "--version", "account --help", "session grant --help"] {
        assert_eq!(office.run(line).code, Some(0), "{line}");
    }
}

#[test]
fn no_password_is_taken_as_an_argument() {
    let office = Office::new();
    for line in [
        "account password ann hunter2",
        "operator add x --role owner --password hunter2",
        "router secret r hunter2",
        "router account password r ann hunter2",
        "router api r --address 192.0.2.1 --user api --password hunter2",
    ] {
        assert_eq!(office.run(line).code, Some(2), "{line}");
    }
}

#[test]
fn without_a_configuration_only_serve_begins() {
    let office = Office::empty();
    assert!(office.refused("user list").starts_with("radgram: radius.toml: "));
    assert!(office.refused("check --config nowhere.toml").contains("nowhere.toml"));
    assert!(!office.has("radius.toml") && !office.has("radgram.db") && !office.has("radgram.key"));
}

#[test]
fn check_shows_what_is_in_force_without_secrets() {
    let office = Office::new();
    let shown: toml::Table = office.done("check").parse().unwrap();
    let example: toml::Table = include_str!("../radius.example.toml").parse().unwrap();
    assert_eq!(shown, example);
    office.write("radius.toml", &format!("[telegram]\ntoken = \"1:{SECRET}\"\nproxy = \"socks5h://u:{SECRET}@h:1\"\n"));
    assert!(office.done("check").contains("token = \"(hidden)\""));
    assert!(!office.has("radgram.db"));
}

#[test]
fn a_mistake_in_the_configuration_is_one_line() {
    let office = Office::new();
    for (text, part) in [
        ("[web]\nlisten = \"here\"\n", "radius.toml: [web] listen = \"here\": expected an address with port"),
        ("[web]\nlisen = \"127.0.0.1:1\"\n", "radius.toml: [web] lisen: no such key"),
        ("[telegram]\ntoken = \"hunter2-hunter2\"\n", "radius.toml: [telegram] token = (hidden): expected a bot token"),
        (
            "[database]\nurl = \"mysql://u:hunter2-hunter2@h/n\"\n",
            "radius.toml: [database] url = (hidden): expected sqlite:FILE",
        ),
        ("[web\n", "radius.toml: line 1: "),
    ] {
        office.write("radius.toml", text);
        let line = office.refused("check");
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn the_environment_wins_and_its_mistakes_are_named() {
    let office = Office::new();
    let mut command = office.program("check");
    command.env("RADGRAM_WEB__LISTEN", "127.0.0.1:9");
    assert!(finish(command, "").out.contains("listen = \"127.0.0.1:9\""));
    let mut command = office.program("check");
    command.env("RADGRAM_WEB__LISEN", "127.0.0.1:9");
    let ran = finish(command, "");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.starts_with("radgram: RADGRAM_WEB__LISEN: no such key"), "{}", ran.err);
}

#[test]
fn the_master_key_is_its_owners_alone_and_never_replaced() {
    let office = Office::new();
    office.done("user list");
    assert_eq!(office.mode("radgram.key"), 0o600);
    let key = office.directory.path().join("radgram.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(office.refused("user list").contains("chmod 600"));
    fs::remove_file(&key).unwrap();
    assert!(office.refused("user list").contains("restore it"));
    assert!(!office.has("radgram.key"));
}

#[test]
fn every_noun_is_listed_as_table_and_json() {
    let office = Office::new();
    for noun in [
        "operator",
        "user",
        "account",
        "group",
        "router",
        "session",
        "connection",
        "attempt",
        "guess",
        "alarm",
        "audit",
    ] {
        let table = office.done(&format!("{noun} list"));
        assert_eq!(table.lines().count(), 1, "{table}");
        assert_eq!(office.json(&format!("{noun} list")), serde_json::json!([]));
    }
    assert!(office.done("setting list").lines().any(|line| line.starts_with("session_hours")));
}

#[test]
fn what_does_not_exist_is_refused_by_name() {
    let office = Office::new();
    for line in [
        "user approve 5",
        "account enable ann",
        "session end ann",
        "router remove r",
        "group remove staff",
        "group attribute staff Filter-Id=a.in",
        "setting set session_hours 2 --group staff",
        "operator remove o",
        "connection cut 1",
        "guess lift 1",
        "setting set no_such 1",
    ] {
        let message = office.refused(line);
        assert!(message.contains(" no ") || message.starts_with("radgram: no "), "{line}: {message}");
    }
}

#[test]
fn attributes_of_own_dictionaries_are_taken_and_missed_when_they_are_gone() {
    let office = Office::new();
    office.done("user add --telegram-id 1001 --name Ann --approved");
    office.done("account add ann --user 1001");
    assert!(office.refused("account attribute ann Our-Floor=3").contains("no attribute has this name"));
    office.write(
        "dictionary.ours",
        "VENDOR Ours 32473\nBEGIN-VENDOR Ours\nATTRIBUTE Our-Floor 1 byte\nEND-VENDOR Ours\n",
    );
    office.write("radius.toml", "[radius]\ndictionaries = \".\"\n");
    assert!(office.done("account attribute ann Our-Floor=3").contains("Our-Floor = 3"));
    office.write("radius.toml", "");
    assert!(office.refused("account attribute ann").contains("Our-Floor is stored that no dictionary defines"));
}

#[test]
fn attributes_of_own_dictionaries_are_taken_of_home_servers_too() {
    let office = Office::new();
    let set = "setting set home_attributes Our-Floor,Framed-Pool";
    assert!(office.refused(set).contains("expected none, or names like Framed-Pool"));
    office.write("dictionary.ours", "VENDOR Ours 32473\nATTRIBUTE Our-Floor 1 byte Ours\n");
    office.write("radius.toml", "[radius]\ndictionaries = \".\"\n");
    assert_eq!(office.done(set), "home_attributes is Our-Floor,Framed-Pool\n");
    // Without the file that defines it the setting stands, and may be set anew.
    office.write("radius.toml", "");
    assert!(office.done("setting list").contains("Our-Floor,Framed-Pool"));
    assert_eq!(office.done("setting set home_attributes Framed-Pool"), "home_attributes is Framed-Pool\n");
}

#[test]
fn a_setting_says_what_is_allowed() {
    let office = Office::new();
    let message = office.refused("setting set session_hours 169");
    assert_eq!(message, "radgram: session_hours = \"169\": expected a whole number of hours from 1 to 168\n");
    office.done("setting set session_hours 8");
    let hours = |office: &Office| {
        let settings = office.json("setting list");
        let of = |setting: &&serde_json::Value| setting["name"] == "session_hours";
        settings.as_array().unwrap().iter().find(of).unwrap()["value"].clone()
    };
    assert_eq!(hours(&office), "8");
    office.done("setting clear session_hours");
    assert_eq!(hours(&office), "24");
    assert!(office.refused("setting set language en --account ann").contains("no account"));
}

#[test]
fn a_router_is_added_changed_and_removed() {
    let office = Office::new();
    assert!(office.refused_with("router add r --address 192.0.2.1/24", SECRET).contains("192.0.2.1/24"));
    assert!(office.refused_with("router add r --address 192.0.2.1", "").contains("standard input"));
    office.done_with("router add r --address 192.0.2.1", &format!("{SECRET}\n"));
    assert!(office.refused_with("router add R --address 192.0.2.2", SECRET).contains("taken"));
    assert!(office.refused("router set r").contains("nothing to change"));
    office.done("router set r --rename office --coa-port 1700 --message-authenticator require");
    office.done_with("router secret office", SECRET);
    let routers = office.json("router list");
    assert_eq!(routers[0]["name"], "office");
    assert_eq!(routers[0]["coa_port"], 1700);
    assert_eq!(routers[0]["message_authenticator"], "require");
    office.done("router remove office");
    assert_eq!(office.json("router list"), serde_json::json!([]));
    assert!(office.done("audit list").lines().count() > 4);
}

#[test]
fn a_secret_is_changed_with_the_old_one_kept_and_routers_share_an_address() {
    let office = Office::new();
    office.done_with("router add hq --address 192.0.2.1", SECRET);
    assert!(office.refused_with("router add branch --address 192.0.2.1", SECRET).contains("NAS-Identifier"));
    let said = office.done_with("router add branch --address 192.0.2.1 --nas-identifier branch-7", SECRET);
    assert!(said.contains("192.0.2.1 as branch-7"), "{said}");
    assert_eq!(office.json("router list")[0]["nas_identifier"], "branch-7");
    assert!(office.refused("router set branch --nas-identifier=").contains("the address is that of router hq"));
    office.done("router set branch --nas-identifier branch-8");

    let said = office.done_with("router secret hq --keep-old 24h", "another-secret");
    assert!(said.contains("the old one is taken, too"), "{said}");
    assert!(office.refused_with("router secret hq --keep-old 24h", "another-secret").contains("this secret already"));
    office.done("router secret hq --drop-old");
    assert!(office.refused("router secret hq --drop-old").contains("no old secret"));
    assert_eq!(office.json("router nas list"), serde_json::json!([]));
    assert!(office.refused("router nas reset 7").contains("there is no box 7"));
    assert!(office.refused("connection apply 7").contains("no such connection"));
    assert!(office.done("router attribute hq --apply").contains("no connection runs there"));
    office.done("setting set coa_session_timeout from_now --router hq");
    assert!(office.refused("setting set coa_session_timeout sometimes --router hq").contains("from_start"));
}

#[tokio::test]
async fn the_cause_of_an_end_is_called_as_the_dictionary_calls_it() {
    let office = Office::new();
    office.done_with("router add office --address 192.0.2.1", SECRET);
    let config = Config::load(&office.directory.path().join("radius.toml")).unwrap();
    let store = open_store(&config, &SystemClock, Arc::new(SystemEntropy)).await.unwrap();
    let router = store.reader().routers().await.unwrap().routers[0].id;
    let now = SystemClock.now();
    let mut tx = store.begin().await.unwrap();
    for (name, report) in [
        ("ann", Report::Stop(Some(2))),
        ("bob", Report::Stop(Some(99))),
        ("carl", Report::Stop(None)),
        ("dora", Report::Start),
    ] {
        let record = record(router, name, report, now);
        let nas = tx.nas(&record.nas, now).await.unwrap().id;
        let (account, session, class) = (None, None, ClassSeen::None);
        tx.book(&Booking { record: &record, nas, account, session, class }).await.unwrap();
    }
    tx.commit(now).await.unwrap();
    let open = store.reader().connections().await.unwrap().remove(0);
    let mut tx = store.begin().await.unwrap();
    tx.end_connection(&open, "lost", now).await.unwrap();
    tx.commit(now).await.unwrap();
    store.close().await;

    let expected = [("ann", "Lost-Carrier"), ("bob", "99"), ("carl", "unknown"), ("dora", "lost")];
    let connections = office.json("connection list");
    let pair = |line| (text(line, "username"), text(line, "cause"));
    let mut causes: Vec<(&str, &str)> = connections.as_array().unwrap().iter().map(pair).collect();
    causes.sort_unstable();
    assert_eq!(causes, expected);
    let table = office.done("connection list");
    for (name, cause) in expected {
        let says = |line: &str| [name, cause].iter().all(|word| line.split_whitespace().any(|cell| cell == *word));
        assert!(table.lines().any(says), "{name} {cause}: {table}");
    }
}

fn text<'a>(line: &'a serde_json::Value, field: &str) -> &'a str {
    line[field].as_str().unwrap()
}

/// What a router reports of a connection.
fn record(router: RouterId, name: &str, report: Report, arrived: Timestamp) -> Record {
    Record {
        report,
        nas: NasKey { router, address: "192.0.2.1".parse().unwrap(), identifier: "office".to_owned() },
        acct_session_id: format!("81{name}"),
        user_name: name.as_bytes().to_vec(),
        class: None,
        station: Some("203.0.113.7".to_owned()),
        nas_ip: None,
        framed_ip: None,
        server: None,
        authentic: Authentic::Radius,
        arrived,
        delay: Duration::ZERO,
        lasted: Duration::from_secs(600),
        traffic: Traffic::default(),
        via: Via::Radius,
    }
}

#[test]
fn reply_attributes_are_listed_set_and_taken_away() {
    let office = Office::new();
    office.done_with("router add r --address 192.0.2.1", SECRET);
    office.done("account add ann");
    assert_eq!(office.done("account attribute ann"), "NAME  VALUE\n");
    let said = office
        .done("account attribute ann framed-ip-address=10.8.0.77 Mikrotik-Group=staff Filter-Id=a.in Filter-Id=b.out");
    assert!(said.starts_with("account ann: Framed-IP-Address = 10.8.0.77, Mikrotik-Group = staff, "), "{said}");
    office.done("account attribute ann Mikrotik-Group=boss Filter-Id=");
    let expected = serde_json::json!([
        {"name": "Framed-IP-Address", "value": "10.8.0.77"}, {"name": "Mikrotik-Group", "value": "boss"}
    ]);
    assert_eq!(office.json("account attribute ANN"), expected);
    assert_eq!(office.json("account list")[0]["attributes"], expected);
    assert_eq!(office.done("account attribute ann Idle-Timeout=600 --clear"), "account ann: Idle-Timeout = 600\n");
    assert_eq!(office.done("account attribute ann --clear"), "account ann has no reply attributes\n");

    office.done("router attribute r Mikrotik-Rate-Limit=10M/20M");
    assert_eq!(office.json("router list")[0]["attributes"][0]["value"], "10M/20M");
    for (typed, says) in [
        ("Mikrotik-Rate-Limit=fast", "radgram: Mikrotik-Rate-Limit: expected rx[/tx]"),
        ("Framed-IP-Address=ten", "radgram: Framed-IP-Address: expected an address like 192.0.2.1"),
        ("Session-Timeout=60", "radgram: Session-Timeout cannot be set: radgram sets it itself"),
        ("No-Such=1", "radgram: No-Such: no attribute has this name"),
        ("Mikrotik-Group", "radgram: \"Mikrotik-Group\": expected NAME=VALUE"),
        ("Filter-Id=", "radgram: Filter-Id is not set"),
    ] {
        let message = office.refused(&format!("router attribute r {typed}"));
        assert!(message.starts_with(says), "{message}");
    }
    assert!(office.refused("account attribute bob A=1").contains("no account is named"));
}

#[test]
fn a_group_is_added_filled_and_removed() {
    let office = Office::new();
    office.done_with("router add r --address 192.0.2.1", SECRET);
    for name in ["ann", "bob", "carl"] {
        office.done(&format!("account add {name}"));
    }
    assert!(office.done("group add staff").starts_with("group staff is added"));
    assert!(office.refused("group add STAFF").contains("taken"));
    assert!(office.refused("group add none").contains("no group"));
    assert_eq!(office.done("account group ann staff"), "account ann is in group staff\n");
    assert_eq!(office.refused("account group ann Staff"), "radgram: account ann is in group staff already\n");
    assert_eq!(office.done("account group ann bob carl staff"), "3 accounts are in group staff, 2 of them newly\n");
    assert!(office.refused("account group bob zoe none").contains("no account is named \"zoe\""));
    assert!(office.refused("account group bob guests").contains("no group is named \"guests\""));
    assert_eq!(office.run("account group ann").code, Some(2));
    assert_eq!(office.done("account group carl none"), "account carl is in no group\n");

    let said = office.done("group attribute staff Mikrotik-Group=staff Tunnel-Type:1=L2TP Tunnel-Type:2=PPTP");
    assert_eq!(said, "group staff: Mikrotik-Group = staff, Tunnel-Type = :1:L2TP, Tunnel-Type = :2:PPTP\n");
    office.done("group attribute staff Tunnel-Type=");
    assert!(
        office
            .refused("group attribute staff Filter-Id=.in")
            .contains("Filter-Id: expected the name of a firewall chain")
    );
    office.done("account attribute ann Framed-IP-Address=10.8.0.77");
    office.done("router attribute r Mikrotik-Group=all Idle-Timeout=600");
    let expected = serde_json::json!([
        {"name": "Framed-IP-Address", "value": "10.8.0.77", "of": "account", "said": true},
        {"name": "Mikrotik-Group", "value": "staff", "of": "group", "said": true},
        {"name": "Mikrotik-Group", "value": "all", "of": "router", "said": false},
        {"name": "Idle-Timeout", "value": "600", "of": "router", "said": true},
    ]);
    assert_eq!(office.json("account attribute ann --on r"), expected);
    assert!(office.done("account attribute ann --on r").contains("no: a nearer level has the name"));
    assert_eq!(office.run("account attribute ann Idle-Timeout=5 --on r").code, Some(2));

    office.done("setting set session_hours 2 --group staff");
    assert!(office.refused("setting set poll_seconds 5 --group staff").contains("for the whole system only"));
    assert_eq!(office.run("setting list --group staff --account ann").code, Some(2));
    let of = |line: &str| {
        let settings = office.json(line);
        let hours = settings.as_array().unwrap().iter().find(|setting| setting["name"] == "session_hours").unwrap();
        format!("{} of {}", hours["value"], hours["set_for"]).replace('"', "")
    };
    assert_eq!(of("setting list --group staff"), "2 of group");
    assert_eq!(
        (of("setting list --account ann"), of("setting list --account carl")),
        ("2 of group".into(), "24 of default".into())
    );
    office.done("setting set session_hours 1 --account ann");
    assert_eq!(of("setting list --account ann"), "1 of account");

    office.done("group rename staff Team");
    let expected = serde_json::json!([{
        "name": "Team",
        "accounts": 2,
        "attributes": [{"name": "Mikrotik-Group", "value": "staff"}],
        "settings": [{"name": "session_hours", "value": "2"}],
    }]);
    assert_eq!(office.json("group list"), expected);
    assert!(office.done("group list").contains("session_hours = 2"));
    assert_eq!(office.json("account list")[1]["group"], "Team");
    assert!(office.done("account list").lines().next().unwrap().contains("GROUP"));
    assert_eq!(office.done("group remove team"), "group Team is removed; accounts left without a group: 2\n");
    assert_eq!(office.json("account list")[1]["group"], serde_json::Value::Null);
    assert_eq!(of("setting list --account bob"), "24 of default");
}

#[test]
fn a_person_goes_from_application_to_session_and_out() {
    let office = Office::new();
    office.done("user add --telegram-id 1001 --name Ann");
    assert!(office.refused("user block 1001").contains("pending"));
    office.done("user approve 1001");
    office.done("account add ann --user 1001");
    office.done_with("account password ann", &format!("{SECRET}\n"));
    let account = office.json("account list")[0].clone();
    assert_eq!((account["username"].as_str(), account["telegram_id"].as_i64()), (Some("ann"), Some(1001)));
    assert_eq!(account["password"], "set");
    assert!(office.refused("session end ann").contains("no open session"));
    assert!(office.done("session grant ann --hours 2").starts_with("ann may connect until "));
    office.done("session extend ANN --hours 1");
    assert_eq!(office.json("session list")[0]["state"], "granted");
    office.done("user block 1001");
    assert_eq!(office.json("session list"), serde_json::json!([]));
    assert!(office.run("session grant ann --hours 2").code == Some(1));
    office.done("user unblock 1001");
    assert!(office.done("session grant --all --hours 2").contains("1 granted"));
    office.done("account disable ann");
    assert!(office.refused("account disable ann").contains("ann is disabled already"));
    assert_eq!(office.json("session list"), serde_json::json!([]));
    office.done("account enable ann");
    office.done("account unbind ann");
    office.done("account machine ann on");
    assert_eq!(office.json("account list")[0]["machine"], true);
    office.done("user delete 1001");
    office.done("account delete ann");
}

#[test]
fn an_operator_is_added_changed_and_the_last_owner_stays() {
    let office = Office::new();
    assert!(office.refused_with("operator add root --role owner", "short\n").contains("8"));
    office.done_with("operator add root --role owner", &format!("{SECRET}\n"));
    assert!(office.refused("operator remove root").contains("last owner"));
    office.done_with("operator add ann --role viewer", &format!("{SECRET}\n"));
    office.done("operator set ann --role owner");
    office.done_with("operator set ann --password", &format!("{SECRET}-2\n"));
    office.done("operator remove root");
    assert_eq!(office.json("operator list"), serde_json::json!([{"name": "ann", "role": "owner"}]));
}

#[test]
fn an_import_is_tried_refused_and_done_as_a_whole() {
    let office = Office::new();
    office.write("none.csv", "user,password\n");
    assert!(office.run("account import none.csv").err.contains("username,password,telegram_id,name"));
    assert!(office.refused("account import missing.csv").contains("missing.csv"));

    let wrong: String = (1..=30).map(|n| format!("u{n},{SECRET},no,N\n")).collect();
    office.write("wrong.csv", &format!("username,password,telegram_id,name\nann,{SECRET},1001,Ann\n{wrong}"));
    let ran = office.run("account import wrong.csv");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("line 3: ") && ran.err.contains("and 10 more"), "{}", ran.err);
    assert!(!ran.err.contains(SECRET));

    office.write(
        "good.csv",
        &format!("username,password,telegram_id,name\nann,{SECRET},1001,Ann\nbob,{SECRET},1002,Bob\n"),
    );
    assert!(office.done("account import good.csv --dry-run").contains("2 accounts would be added"));
    assert_eq!(office.json("account list"), serde_json::json!([]));
    assert!(office.done("account import good.csv").contains("2 accounts are added"));
    assert_eq!(office.json("user list")[0]["state"], "approved");

    let ran = office.run("account import good.csv");
    assert_eq!(ran.code, Some(1), "the names are taken: {ran:?}");
    assert!(ran.err.contains("line 2: "), "{}", ran.err);
}

#[test]
fn the_first_start_makes_what_it_needs_and_says_what_is_next() {
    let office = Office::empty();
    let mut command = office.program("serve");
    for key in ["RADIUS__AUTH_LISTEN", "RADIUS__ACCT_LISTEN", "WEB__LISTEN"] {
        command.env(format!("RADGRAM_{key}"), "127.0.0.1:0");
    }
    let mut child = command.spawn().unwrap();
    let lines: Vec<String> =
        BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).take(4).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let said = lines.join("\n");
    assert!(said.contains("made radius.toml"), "{said}");
    assert!(said.contains("web UI at http://127.0.0.1:"), "{said}");
    assert!(said.contains("operator add NAME --role owner"), "{said}");
    assert!(said.contains("Telegram bot is off"), "{said}");
    assert_eq!((office.mode("radgram.key"), office.mode("radius.toml")), (0o600, 0o600));
    assert_eq!(office.mode("radgram.db"), 0o600);
}

#[test]
fn an_address_that_is_taken_is_said_in_one_line() {
    let office = Office::empty();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut command = office.program("serve");
    for key in ["RADIUS__ACCT_LISTEN", "WEB__LISTEN"] {
        command.env(format!("RADGRAM_{key}"), "127.0.0.1:0");
    }
    command.env("RADGRAM_RADIUS__AUTH_LISTEN", taken.local_addr().unwrap().to_string());
    let ran = finish(command, "");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    // What was started before it ends in order: no panic of a thread stands above the line.
    assert!(ran.err.lines().count() == 1 && ran.err.contains("auth_listen"), "{}", ran.err);
}

#[test]
fn the_database_is_beside_its_configuration_whatever_the_path() {
    let office = Office::new();
    let home = office.directory.path().join("a b 50% ж");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("radius.toml"), "").unwrap();
    let mut command = office.program("user list --config");
    command.arg(home.join("radius.toml"));
    let ran = finish(command, "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(home.join("radgram.db").exists() && home.join("radgram.key").exists());
    assert!(!office.has("radgram.db"));
}

#[test]
fn a_reader_that_went_away_is_no_panic() {
    let office = Office::new();
    let mut child = office.program("setting list").spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
