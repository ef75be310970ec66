//! Single commands, and menus as text.

use std::sync::Arc;

use radgram::gate::router_api::{Command, RouterApi, Verb};
use radgram::proto::routeros::Sentence;

use crate::menus::Bench;

#[tokio::test]
async fn a_command_runs_for_the_rows_that_it_finds() {
    let bench = Bench::new(|menus| {
        menus.put("/radius", &[("service", "ppp"), ("disabled", "false")]);
        menus.put("/radius", &[("service", "ppp"), ("disabled", "true")]);
        menus.put("/radius", &[("service", "login"), ("disabled", "true")]);
        menus.put("/radius", &[("service", "ppp"), ("disabled", "true"), ("dynamic", "true")]);
    })
    .await;
    let run = |find| {
        let (fleet, router) = (Arc::clone(&bench.fleet), bench.router.clone());
        let (property, value): (&str, &str) = find;
        let command = Command::new("/radius", Verb::Set).whose(property, value).with("timeout", "60s");
        async move { fleet.run(&router, &command).await }
    };
    assert_eq!(run(("service", "ppp")).await, Ok(2));
    assert_eq!(run(("disabled", "yes")).await, Ok(2));
    assert_eq!(run(("service", "hotspot")).await, Ok(0));
    assert_eq!(bench.changes()[..2], ["/radius/set =.id=*3 =timeout=60s", "/radius/set =.id=*4 =timeout=60s"]);
}

#[tokio::test]
async fn a_command_without_rows_runs_once() {
    let bench =
        Bench::with(|_| {}, |command, _| (command.first() == b"/ppp/aaa/set").then(|| vec![Sentence::reply("!done")]))
            .await;
    let set = Command::new("/ppp/aaa", Verb::Set).with("use-radius", "yes");
    assert_eq!(bench.fleet.run(&bench.router, &set).await, Ok(1));
    assert_eq!(bench.changes(), ["/ppp/aaa/set =use-radius=yes"]);
}

#[tokio::test]
async fn a_menu_is_printed_as_text() {
    let bench = Bench::new(|menus| {
        menus.put_bytes("/ip/service", &[("name", b"api"), ("address", b"\xff"), ("port", b"8728")]);
    })
    .await;
    let rows = bench.fleet.print(&bench.router, "/ip/service", &["name", "address", "certificate"]).await.unwrap();
    let row: Vec<_> = rows[0].iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(row, [("address", "\u{fffd}"), ("name", "api")]);
}
