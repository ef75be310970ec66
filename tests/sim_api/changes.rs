//! `add`, `set`, `remove` and what is refused.

use std::time::Duration;

use super::client::{Client, USER, office, value};

#[tokio::test]
async fn rows_are_added_changed_and_removed() {
    let (router, _, mut client) = office().await;
    let add = ["/ppp/secret/add", "=name=ann", "=password=x", "=service=l2tp", ".tag=6"];
    assert_eq!(client.talk(&add).await, [["!done", ".tag=6", "=ret=*1"]]);
    client.done(&["/ppp/secret/set", "=.id=*1", "=disabled=yes", "=comment=Ann"]).await;
    assert_eq!(client.ret(&["/ppp/secret/add", "=name=bob"]).await, "*2");
    client.done(&["/ppp/secret/enable", "=numbers=*1,*2"]).await;
    client.done(&["/ppp/secret/disable", "=.id=bob"]).await;
    client.done(&["/ppp/secret/comment", "=.id=*2", "=comment=Bob"]).await;
    client.done(&["/ppp/secret/unset", "=.id=*1", "=value-name=comment"]).await;
    let ann = router.row("/ppp/secret", "name", "ann").unwrap().unwrap();
    assert_eq!((ann["disabled"].as_str(), ann.get("comment")), ("false", None));
    let bob = router.row("/ppp/secret", "name", "bob").unwrap().unwrap();
    assert_eq!((bob["disabled"].as_str(), bob["comment"].as_str()), ("true", "Bob"));
    client.done(&["/ppp/secret/remove", "=.id=*1,*2"]).await;
    assert!(router.rows("/ppp/secret").unwrap().is_empty());
    // An id is never given again.
    assert_eq!(client.ret(&["/ppp/secret/add", "=name=ann"]).await, "*3");
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_the_words_of_routeros() {
    let (router, _, mut client) = office().await;
    router.add("/ppp/secret", &[("name", "ann"), ("service", "l2tp")]).unwrap();
    router.add("/ip/firewall/address-list", &[("list", "vpn"), ("address", "10.8.0.5")]).unwrap();
    for (command, text) in [
        (&["/ppp/secret/add", "=name=ann", "=service=l2tp"][..], "failure: secret with the same name already exists"),
        (&["/ip/firewall/address-list/add", "=list=vpn", "=address=10.8.0.5/32"], "failure: already have such entry"),
        (&["/user/add", "=name=radgram", "=group=full"], "failure: user with the same name already exists"),
        (&["/ppp/secret/set", "=.id=*1", "=bogus=1"], "unknown parameter bogus"),
        (&["/ppp/secret/set", "=.id=*1", "=last-logged-out=x"], "unknown parameter last-logged-out"),
        (&["/ppp/secret/set", "=.id=*1", "=disabled=maybe"], "invalid value for argument disabled"),
        (&["/ppp/secret/set", "=.id=*1", "=service=ftp"], "input does not match any value of service"),
        (&["/ppp/secret/set", "=.id=*1", "=profile=nope"], "input does not match any value of profile"),
        (&["/ppp/secret/set", "=.id=*7", "=disabled=yes"], "no such item"),
        (&["/ppp/secret/remove", "=.id=*1,*7"], "no such item"),
        (&["/ppp/secret/remove"], "missing value(s) of argument(s) numbers"),
        (&["/ppp/secret/add", "=service=l2tp"], "missing value(s) of argument(s) name"),
        (&["/ppp/active/remove", "=.id=*8"], "no such item"),
        (&["/ppp/profile/remove", "=.id=*1"], "failure: can not remove default item"),
        (
            &["/ip/firewall/filter/add", "=chain=forward", "=src-address=300.1.1.1"],
            "invalid value for argument src-address",
        ),
        (&["/ip/firewall/filter/add", "=chain=forward", "=place-before=*9"], "no such item"),
        (
            &["/ip/firewall/address-list/add", "=list=vpn", "=address=10.8.0.6", "=timeout=36w"],
            "invalid value for argument timeout",
        ),
        (&["/radius/set", "=.id=*1", "=timeout=61s"], "invalid value for argument timeout"),
        (&["/radius/set", "=.id=*1", "=service=ppp,nope"], "input does not match any value of service"),
        (&["/radius/incoming/set", "=port=70000"], "invalid value for argument port"),
        (&["/system/identity/set", "=.id=*1", "=name=x"], "unknown parameter .id"),
        (
            &["/interface/list/member/add", "=list=all", "=interface=nope"],
            "input does not match any value of interface",
        ),
    ] {
        assert_eq!(client.trap(command).await, text, "{command:?}");
    }
    let missing = client.talk(&["/ppp/active/remove", "=.id=*8", ".tag=5"]).await;
    assert_eq!(missing[0], ["!trap", ".tag=5", "=category=0", "=message=no such item"]);
    let unmatched = client.talk(&["/ppp/secret/set", "=.id=*1", "=service=ftp"]).await;
    assert_eq!(value(&unmatched[0], "category").as_deref(), Some("1"));
    // A second secret of the name for another service is another row.
    assert_eq!(client.ret(&["/ppp/secret/add", "=name=ann", "=service=sstp"]).await, "*2");
    let trap = client.trap(&["/ppp/secret/set", "=.id=*2", "=service=l2tp"]).await;
    assert_eq!(trap, "failure: secret with the same name already exists");
    assert_eq!(router.rows("/ppp/secret").unwrap().len(), 2, "nothing was half done");
}

#[tokio::test]
async fn the_order_of_rules_can_be_chosen() {
    let (router, _, mut client) = office().await;
    for comment in ["a", "b", "c"] {
        client.ret(&["/ip/firewall/filter/add", "=chain=forward", &format!("=comment={comment}")]).await;
    }
    client.ret(&["/ip/firewall/filter/add", "=chain=forward", "=comment=d", "=place-before=*2"]).await;
    let order = async |client: &mut Client| client.column("comment", &["/ip/firewall/filter/print"]).await.concat();
    assert_eq!(order(&mut client).await, "adbc");
    client.done(&["/ip/firewall/filter/move", "=numbers=*1", "=destination=*3"]).await;
    assert_eq!(order(&mut client).await, "dbac");
    client.done(&["/ip/firewall/filter/move", "=.id=*4"]).await;
    assert_eq!(order(&mut client).await, "bacd");
    assert_eq!(client.trap(&["/ip/firewall/filter/move", "=.id=*9", "=destination=*1"]).await, "no such item");
    assert_eq!(client.trap(&["/ppp/secret/move", "=.id=*1"]).await, "no such command");
    assert_eq!(router.rows("/ip/firewall/filter").unwrap()[0].get("place-before"), None, "it is not kept");
}

#[tokio::test]
async fn fasttrack_puts_a_rule_on_top_that_cannot_be_touched() {
    let (router, _, mut client) = office().await;
    client.ret(&["/ip/firewall/filter/add", "=chain=forward", "=comment=first"]).await;
    let fast = ["/ip/firewall/filter/add", "=chain=forward", "=action=fasttrack-connection", "=place-before=*1"];
    assert_eq!(client.ret(&fast).await, "*2");
    let rules = router.rows("/ip/firewall/filter").unwrap();
    assert_eq!(rules[0]["comment"], "special dummy rule to show fasttrack counters");
    assert_eq!((rules[0]["dynamic"].as_str(), rules.len()), ("true", 3));
    let dummy = rules[0][".id"].clone();
    for words in [
        vec!["/ip/firewall/filter/disable".to_owned(), format!("=.id={dummy}")],
        vec!["/ip/firewall/filter/remove".to_owned(), format!("=.id=*1,{dummy}")],
        vec!["/ip/firewall/filter/move".to_owned(), "=.id=*1".to_owned(), format!("=destination={dummy}")],
        vec!["/ip/firewall/filter/add".to_owned(), "=chain=forward".to_owned(), format!("=place-before={dummy}")],
    ] {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(client.trap(&words).await, "failure: cannot change builtin", "{words:?}");
    }
    client.done(&["/ip/firewall/filter/remove", "=.id=*2"]).await;
    assert_eq!(router.rows("/ip/firewall/filter").unwrap().len(), 1, "it goes with the last of them");
}

#[tokio::test]
async fn a_lease_counts_down_and_vanishes() {
    let (router, clock, mut client) = office().await;
    let add = [
        "/ip/firewall/address-list/add",
        "=list=vpn-approved",
        "=address=10.8.0.5",
        "=timeout=8h",
        "=comment=2FA ivan",
    ];
    assert_eq!(client.ret(&add).await, "*1");
    assert_eq!(client.trap(&add).await, "failure: already have such entry");
    let [entry, _] = client.talk(&["/ip/firewall/address-list/print"]).await.try_into().unwrap();
    for word in
        ["=timeout=8h", "=dynamic=true", "=creation-time=2024-02-05 13:47:44", "=disabled=false", "=comment=2FA ivan"]
    {
        assert!(entry.contains(&word.to_owned()), "{word}: {entry:?}");
    }
    clock.advance(Duration::from_secs(3_599));
    assert_eq!(client.column("timeout", &["/ip/firewall/address-list/print"]).await, ["7h1s"]);
    client.done(&["/ip/firewall/address-list/set", "=.id=*1", "=timeout=1m"]).await;
    clock.advance(Duration::from_millis(59_500));
    assert_eq!(client.column("timeout", &["/ip/firewall/address-list/print"]).await, ["1s"]);
    clock.advance(Duration::from_millis(500));
    assert!(client.column("timeout", &["/ip/firewall/address-list/print"]).await.is_empty());
    assert_eq!(client.trap(&["/ip/firewall/address-list/set", "=.id=*1", "=timeout=1m"]).await, "no such item");
    // It can be there again, and one without a timeout stays.
    client.ret(&add).await;
    client.ret(&["/ip/firewall/address-list/add", "=list=vpn-approved", "=address=10.8.0.6"]).await;
    router.reboot();
    let left = router.rows("/ip/firewall/address-list").unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0]["address"].as_str(), left[0]["dynamic"].as_str()), ("10.8.0.6", "false"));
}

#[tokio::test]
async fn rights_are_those_of_the_group() {
    let (router, _, mut client) = office().await;
    let add = ["/ppp/secret/add", "=name=ann"];
    router.set("/user/group", USER, &[("policy", "api,read")]).unwrap();
    assert_eq!(client.trap(&add).await, "not enough permissions (9)");
    assert_eq!(client.column("name", &["/system/identity/print"]).await, ["MikroTik"]);
    router.set("/user/group", USER, &[("policy", "api,write")]).unwrap();
    assert_eq!(client.trap(&["/system/identity/print"]).await, "not enough permissions (9)");
    assert_eq!(client.ret(&add).await, "*1");
    assert_eq!(client.trap(&["/user/add", "=name=eve", "=group=full"]).await, "not enough permissions (9)");
    assert_eq!(client.trap(&["/system/reboot"]).await, "not enough permissions (9)");
    let policy = router.row("/user/group", "name", USER).unwrap().unwrap()["policy"].clone();
    assert!(policy.starts_with("!local,") && policy.contains(",write,") && policy.contains("!sensitive"), "{policy}");
}
