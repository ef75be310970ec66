//! Single commands, and menus as text.

use std::sync::Arc;

use radgram::gate::router_api::{Argument, Command, RouterApi};
use radgram::proto::routeros::Sentence;

use crate::menus::Bench;

fn command(menu: &str, verb: &str, find: Option<(&str, &str)>, argument: (&str, &str)) -> Command {
    Command {
        menu: menu.to_owned(),
        verb: verb.to_owned(),
        find: find.map(|(property, value)| (property.to_owned(), value.to_owned())),
        arguments: vec![(argument.0.to_owned(), Argument::Plain(argument.1.to_owned()))],
    }
}

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
        async move { fleet.run(&router, &command("/radius", "set", find, ("timeout", "60s"))).await }
    };
    assert_eq!(run(Some(("service", "ppp"))).await, Ok(2));
    assert_eq!(run(Some(("disabled", "yes"))).await, Ok(2));
    assert_eq!(run(Some(("service", "hotspot"))).await, Ok(0));
    assert_eq!(bench.changes()[..2], ["/radius/set =timeout=60s =.id=*3", "/radius/set =timeout=60s =.id=*4"]);
}

#[tokio::test]
async fn a_command_without_rows_runs_once() {
    let bench =
        Bench::with(|_| {}, |command, _| (command.first() == b"/ppp/aaa/set").then(|| vec![Sentence::reply("!done")]))
            .await;
    let set = command("/ppp/aaa", "set", None, ("use-radius", "yes"));
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
