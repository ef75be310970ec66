//! What goes wrong when it is told to.

use std::time::Duration;

use tokio::net::TcpStream;

use super::client::{Client, office, value};
use super::entrance::until;

#[tokio::test]
async fn the_api_goes_down_and_comes_up_on_the_same_port() {
    let (router, _, mut client) = office().await;
    let address = router.api_addr().unwrap();
    let faults = router.api_faults();
    faults.go_down();
    assert_eq!(client.receive().await, None);
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!((router.api_addr(), router.api_tls_addr()), (None, None));
    faults.come_up();
    assert_eq!(router.api_addr(), Some(address));
    Client::of(&router).await;
}

#[tokio::test]
async fn a_connection_is_reset() {
    let (router, _, mut client) = office().await;
    router.api_faults().reset_connections();
    let end = client.end().await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let nobody = async || router.rows("/user/active").unwrap().is_empty();
    until("nobody is logged in", nobody).await;
}

#[tokio::test]
async fn a_stall_ends_and_nothing_is_lost() {
    let (router, _, mut client) = office().await;
    let faults = router.api_faults();
    faults.stall();
    client.send(&["/ppp/secret/add", "=name=ann"]).await;
    let waited = tokio::time::timeout(Duration::from_millis(100), client.receive()).await;
    assert!(waited.is_err(), "{waited:?}");
    assert!(router.rows("/ppp/secret").unwrap().is_empty(), "nothing is done meanwhile");
    faults.release();
    assert_eq!(client.answer().await, [["!done", "=ret=*1"]]);
    faults.stall_for(Duration::from_millis(50));
    assert_eq!(client.column("name", &["/ppp/secret/print"]).await, ["ann"]);
}

#[tokio::test]
async fn a_deaf_router_reads_and_says_nothing() {
    let (router, _, mut client) = office().await;
    let faults = router.api_faults();
    faults.go_deaf();
    client.send(&["/ppp/secret/add", "=name=ann"]).await;
    let waited = tokio::time::timeout(Duration::from_millis(100), client.receive()).await;
    assert!(waited.is_err(), "{waited:?}");
    faults.release();
    assert!(client.column("name", &["/ppp/secret/print"]).await.is_empty(), "it was never done");
}

#[tokio::test]
async fn a_command_is_lost_before_or_after_it_is_done() {
    let (router, _, mut client) = office().await;
    let faults = router.api_faults();
    faults.drop_before("=name=ann");
    faults.drop_after("=name=bob");
    client.send(&["/ppp/secret/add", "=name=ann"]).await;
    assert_eq!(client.receive().await, None);
    let mut client = Client::of(&router).await;
    client.send(&["/ppp/secret/add", "=name=bob"]).await;
    assert_eq!(client.receive().await, None);
    let mut client = Client::of(&router).await;
    assert_eq!(client.column("name", &["/ppp/secret/print"]).await, ["bob"]);
    // Each mishap happens once.
    assert_eq!(client.ret(&["/ppp/secret/add", "=name=ann"]).await, "*2");
}

#[tokio::test]
async fn fatal_comes_in_the_middle() {
    let (router, _, mut client) = office().await;
    router.add("/ppp/secret", &[("name", "ann")]).unwrap();
    router.add("/ppp/secret", &[("name", "bob")]).unwrap();
    router.api_faults().fatal_during("/ppp/secret/print");
    let answer = client.talk(&["/ppp/secret/print", ".tag=1"]).await;
    assert_eq!(answer.len(), 2, "{answer:?}");
    assert_eq!(value(&answer[0], "name").as_deref(), Some("ann"));
    assert_eq!(answer[1], ["!fatal", "connection terminated"]);
    assert_eq!(client.receive().await, None);
    let mut client = Client::of(&router).await;
    router.api_faults().fatal_during("/ppp/secret/set");
    let answer = client.talk(&["/ppp/secret/set", "=.id=*1", "=disabled=yes"]).await;
    assert_eq!(answer, [["!fatal", "connection terminated"]]);
    assert_eq!(router.rows("/ppp/secret").unwrap()[0]["disabled"], "true", "it was done");
}

#[tokio::test]
async fn an_answer_comes_after_the_next() {
    let (router, _, mut client) = office().await;
    router.api_faults().answer_late("/ppp/secret/print");
    client.send(&["/ppp/secret/print", ".tag=1"]).await;
    client.send(&["/system/identity/print", ".tag=2"]).await;
    let first = client.answer().await;
    assert_eq!(first.last().unwrap()[1], ".tag=2");
    let second = client.answer().await;
    assert_eq!(second.last().unwrap()[1], ".tag=1");
}

#[tokio::test]
async fn a_row_is_gone_between_print_and_set() {
    let (router, _, mut client) = office().await;
    router.add("/ip/firewall/filter", &[("chain", "forward"), ("comment", "2FA ann")]).unwrap();
    let id = client.column(".id", &["/ip/firewall/filter/print"]).await.remove(0);
    router.api_faults().vanish_before("/ip/firewall/filter/set");
    let trap = client.trap(&["/ip/firewall/filter/set", &format!("=.id={id}"), "=disabled=no"]).await;
    assert_eq!(trap, "no such item");
    assert!(router.rows("/ip/firewall/filter").unwrap().is_empty());
}

#[tokio::test]
async fn menus_and_rights_go_and_come_back() {
    let (router, _, mut client) = office().await;
    let faults = router.api_faults();
    faults.hide_menu("/user-manager");
    for menu in ["/user-manager/user/print", "/user-manager/print"] {
        assert_eq!(client.trap(&[menu]).await, "no such command prefix");
    }
    assert_eq!(client.talk(&["/user/print"]).await.len(), 3, "only what is below it");
    faults.show_menu("/user-manager");
    assert_eq!(client.talk(&["/user-manager/print"]).await.len(), 2);
    faults.take_right("write");
    assert_eq!(client.trap(&["/ppp/secret/add", "=name=ann"]).await, "not enough permissions (9)");
    faults.give_right("write");
    assert_eq!(client.ret(&["/ppp/secret/add", "=name=ann"]).await, "*1");
}

#[tokio::test]
async fn a_wrong_clock_shows_wrong_dates_and_right_spans() {
    let (router, clock, mut client) = office().await;
    router.api_faults().skew_clock(-54 * 365 * 86_400);
    clock.advance(Duration::from_secs(60));
    let time = client.talk(&["/system/clock/print"]).await;
    assert_eq!(value(&time[0], "date").as_deref(), Some("1970-02-18"));
    assert_eq!(client.column("uptime", &["/system/resource/print"]).await, ["1m"]);
    client.ret(&["/ip/firewall/address-list/add", "=list=vpn", "=address=10.8.0.5", "=timeout=1m"]).await;
    assert_eq!(client.column("timeout", &["/ip/firewall/address-list/print"]).await, ["1m"]);
}

#[tokio::test]
async fn the_trace_has_both_ways_and_no_secret() {
    let (router, _, mut client) = office().await;
    let mut followed = router.follow_trace();
    client.ret(&["/ppp/secret/add", "=name=ann", "=password=geheim"]).await;
    client.talk(&["/ppp/secret/print", "?password=geheim"]).await;
    client.ret(&["/ppp/secret/get", "=.id=*1", "=value-name=password"]).await;
    client.ret(&["/ppp/secret/get", "=.id=*1"]).await;
    let trace = router.trace().join("\n");
    for words in
        ["-> /login =name=radgram =password=***", "<- !done =ret=*1", "=name=ann =password=***", "<- !done =ret=***"]
    {
        assert!(trace.contains(words), "{words}:\n{trace}");
    }
    assert!(!trace.contains("geheim") && !trace.contains(super::client::PASSWORD), "{trace}");
    assert!(followed.recv().await.unwrap().contains("/ppp/secret/add"));
}
