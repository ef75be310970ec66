//! `listen`, `monitor` and `cancel`.

use std::time::Duration;

use super::client::{Client, office, value};

#[tokio::test]
async fn changes_are_told_until_it_is_cancelled() {
    let (router, _, mut client) = office().await;
    client.send(&["/ppp/secret/listen", "=.proplist=.id,name,disabled", ".tag=13"]).await;
    // Other commands go on meanwhile.
    assert_eq!(client.talk(&["/system/identity/print", ".tag=1"]).await.len(), 2);
    let id = router.add("/ppp/secret", &[("name", "olga")]).unwrap();
    assert_eq!(client.receive().await.unwrap(), ["!re", ".tag=13", "=.id=*1", "=name=olga", "=disabled=false"]);
    router.set("/ppp/secret", "olga", &[("disabled", "yes")]).unwrap();
    assert_eq!(client.receive().await.unwrap(), ["!re", ".tag=13", "=.id=*1", "=name=olga", "=disabled=true"]);
    router.remove("/ppp/secret", &id).unwrap();
    assert_eq!(client.receive().await.unwrap(), ["!re", ".tag=13", "=.id=*1", "=.dead=true"]);
    client.send(&["/cancel", "=tag=13", ".tag=14"]).await;
    let interrupted = ["!trap", ".tag=13", "=category=2", "=message=interrupted"];
    assert_eq!(client.receive().await.unwrap(), interrupted);
    assert_eq!(client.receive().await.unwrap(), ["!done", ".tag=14"]);
    assert_eq!(client.receive().await.unwrap(), ["!done", ".tag=13"]);
    router.add("/ppp/secret", &[("name", "olga")]).unwrap();
    assert_eq!(client.column("name", &["/system/identity/print"]).await, ["MikroTik"]);
}

#[tokio::test]
async fn print_can_follow() {
    let (router, _, mut client) = office().await;
    router.add("/ppp/secret", &[("name", "ann")]).unwrap();
    client.send(&["/ppp/secret/print", "=follow=", "=.proplist=name", "?name=ann", ".tag=1"]).await;
    assert_eq!(client.receive().await.unwrap(), ["!re", ".tag=1", "=name=ann"]);
    client.send(&["/log/print", "=follow-only=", ".tag=2"]).await;
    assert_eq!(client.talk(&["/system/identity/print", ".tag=3"]).await.len(), 2);
    Client::of(&router).await;
    let line = client.receive().await.unwrap();
    assert!(value(&line, "message").unwrap().starts_with("user radgram logged in"), "{line:?}");
    assert_eq!(line[1], ".tag=2");
    // Without a tag all that go on are meant.
    client.send(&["/cancel", ".tag=4"]).await;
    let mut ended = Vec::new();
    while ended.len() < 3 {
        let sentence = client.receive().await.unwrap();
        if sentence[0] == "!done" {
            ended.push(sentence[1].clone());
        }
    }
    ended.sort();
    assert_eq!(ended, [".tag=1", ".tag=2", ".tag=4"]);
}

#[tokio::test]
async fn a_lease_that_vanishes_is_told() {
    let (router, clock, mut client) = office().await;
    router.add("/ip/firewall/address-list", &[("list", "vpn"), ("address", "10.8.0.5"), ("timeout", "1m")]).unwrap();
    router.add("/ip/firewall/address-list", &[("list", "vpn"), ("address", "10.8.0.6"), ("timeout", "30s")]).unwrap();
    client.send(&["/ip/firewall/address-list/listen"]).await;
    assert_eq!(client.talk(&["/system/identity/print", ".tag=1"]).await.len(), 2);
    clock.advance(Duration::from_secs(30));
    assert_eq!(client.receive().await.unwrap(), ["!re", "=.id=*2", "=.dead=true"]);
    clock.advance(Duration::from_secs(30));
    assert_eq!(client.receive().await.unwrap(), ["!re", "=.id=*1", "=.dead=true"]);
}

#[tokio::test]
async fn numbers_are_shown_once_or_again_and_again() {
    let (router, _, mut client) = office().await;
    let once = client.talk(&["/radius/monitor", "=.id=*1", "=once="]).await;
    assert_eq!(once.len(), 2);
    assert_eq!(value(&once[0], "bad-replies").as_deref(), Some("0"));
    let incoming = client.talk(&["/radius/incoming/monitor", "=once="]).await;
    assert_eq!(value(&incoming[0], "naks").as_deref(), Some("0"));
    client.send(&["/radius/monitor", "=.id=*1", ".tag=5"]).await;
    for _ in 0..2 {
        assert_eq!(client.receive().await.unwrap()[..2], ["!re", ".tag=5"]);
    }
    client.send(&["/cancel", "=tag=5", ".tag=6"]).await;
    let ended = [client.answer().await, client.answer().await].concat();
    assert_eq!(ended[0][..3], ["!trap", ".tag=5", "=category=2"]);
    assert_eq!(client.trap(&["/radius/monitor", "=.id=*7", "=once="]).await, "no such item");
    drop(router);
}

#[tokio::test]
async fn too_many_commands_that_go_on_are_refused() {
    let (_router, _, mut client) = office().await;
    for number in 0..100 {
        client.send(&["/ppp/active/listen", &format!(".tag={number}")]).await;
    }
    assert_eq!(client.trap(&["/ppp/active/listen"]).await, "too many commands");
    assert_eq!(client.talk(&["/cancel", "=tag=99", ".tag=x"]).await[0][0], "!trap");
}

#[tokio::test]
async fn who_listens_hears_nothing_of_a_restart_but_the_end() {
    let (router, _, mut client) = office().await;
    client.send(&["/ppp/active/listen", ".tag=1"]).await;
    assert_eq!(client.talk(&["/system/identity/print", ".tag=2"]).await.len(), 2);
    let before = router.add("/ppp/secret", &[("name", "ann")]).unwrap();
    router.reboot();
    assert_eq!(client.receive().await, None);
    let after = router.add("/ppp/secret", &[("name", "bob")]).unwrap();
    assert_eq!((before.as_str(), after.as_str()), ("*1", "*12"), "ids of before are not given again");
    Client::of(&router).await;
}
