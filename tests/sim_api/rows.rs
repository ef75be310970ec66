//! What is printed: properties, queries, counts, and very long lists.

use std::time::Duration;

use radgram::proto::routeros::{Sentence, encode};
use tokio::time::Instant;

use super::client::{Client, office, value};

#[tokio::test]
async fn proplist_and_queries_choose() {
    let (router, _, mut client) = office().await;
    for (name, service, disabled) in [("ann", "l2tp", "no"), ("bob", "sstp", "yes"), ("eve", "any", "no")] {
        let secret = [("name", name), ("service", service), ("disabled", disabled), ("password", "x")];
        router.add("/ppp/secret", &secret).unwrap();
    }
    let answer = client.talk(&["/ppp/secret/print", "=.proplist=.id,name,nope", "?name=bob", ".tag=2"]).await;
    assert_eq!(answer, [vec!["!re", ".tag=2", "=.id=*2", "=name=bob"], vec!["!done", ".tag=2"]]);
    for (query, expected) in [
        (&["?disabled=false"][..], &["ann", "eve"][..]),
        (&["?=disabled=yes"], &["bob"]),
        (&["?service=l2tp", "?service=sstp", "?#|"], &["ann", "bob"]),
        (&["?service=l2tp", "?#!"], &["bob", "eve"]),
        (&["?.id=*3"], &["eve"]),
        (&["?comment"], &[]),
        (&["?-comment", "?>name=b"], &["bob", "eve"]),
        (&["?limit-bytes-in=0", "?name=ann"], &["ann"]),
    ] {
        let words: Vec<&str> = [&["/ppp/secret/print"][..], query].concat();
        assert_eq!(client.column("name", &words).await, expected, "{query:?}");
    }
    let count = client.ret(&["/ppp/secret/print", "=count-only=", "?disabled=no"]).await;
    assert_eq!(count, "2");
    assert_eq!(client.ret(&["/ppp/secret/find", "?name=bob"]).await, "*1;*2;*3", "find does not look at queries");
    assert_eq!(client.ret(&["/ppp/secret/get", "=.id=*2", "=value-name=service"]).await, "sstp");
    assert_eq!(client.ret(&["/ppp/secret/get", "=numbers=bob", "=value-name=disabled"]).await, "true");
    let all = client.ret(&["/system/identity/get"]).await;
    assert_eq!(all, "name=MikroTik");
}

#[tokio::test]
async fn a_row_is_as_on_the_wire() {
    let (router, _, mut client) = office().await;
    router.add("/ppp/secret", &[("name", "ivan"), ("service", "l2tp"), ("password", "geheim")]).unwrap();
    let [row, _] = client.talk(&["/ppp/secret/getall"]).await.try_into().unwrap();
    for word in [
        "=.id=*1",
        "=name=ivan",
        "=service=l2tp",
        "=caller-id=",
        "=password=geheim",
        "=profile=default",
        "=routes=",
        "=limit-bytes-in=0",
        "=disabled=false",
    ] {
        assert!(row.contains(&word.to_owned()), "{word}: {row:?}");
    }
    assert_eq!(value(&row, "comment"), None, "what is not set is absent");
    let [rule, _] = {
        let rule =
            [("chain", "forward"), ("src-address-list", "vpn-approved"), ("disabled", "yes"), ("comment", "2FA ivan")];
        router.add("/ip/firewall/filter", &rule).unwrap();
        client.talk(&["/ip/firewall/filter/print"]).await.try_into().unwrap()
    };
    for word in [
        "=action=accept",
        "=log=false",
        "=log-prefix=",
        "=bytes=0",
        "=invalid=false",
        "=dynamic=false",
        "=disabled=true",
    ] {
        assert!(rule.contains(&word.to_owned()), "{word}: {rule:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_come_back_as_they_went_in() {
    let (router, _, mut client) = office().await;
    router.add("/ip/firewall/filter", &[("chain", "forward")]).unwrap();
    // "Офис" as an old Winbox writes it, in CP1251.
    let comment = b"=comment=\xce\xf4\xe8\xf1";
    let mut set = Vec::new();
    for word in [&b"/ip/firewall/filter/set"[..], b"=.id=*1", comment] {
        set.push(u8::try_from(word.len()).unwrap());
        set.extend_from_slice(word);
    }
    set.push(0);
    client.send_bytes(&set).await;
    assert_eq!(client.answer().await, [["!done"]]);
    let found = client.column(".id", &["/ip/firewall/filter/print", "?comment"]).await;
    assert_eq!(found, ["*1"]);
    assert_eq!(router.rows("/ip/firewall/filter").unwrap()[0]["comment"], "\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
}

#[tokio::test]
async fn passwords_need_the_policy_sensitive() {
    let (router, _, mut client) = office().await;
    router.add("/ppp/secret", &[("name", "ann"), ("password", "geheim")]).unwrap();
    assert_eq!(client.column("password", &["/ppp/secret/print"]).await, ["geheim"]);
    router.set("/user/group", super::client::USER, &[("policy", "api,read,write")]).unwrap();
    let [row, _] = client.talk(&["/ppp/secret/print"]).await.try_into().unwrap();
    assert_eq!(value(&row, "password"), None);
    assert!(client.column("name", &["/ppp/secret/print", "?password=geheim"]).await.is_empty(), "nor by a query");
    assert_eq!(client.ret(&["/ppp/secret/get", "=.id=*1", "=value-name=password"]).await, "");
    let [row, _] = client.talk(&["/radius/print"]).await.try_into().unwrap();
    assert_eq!(value(&row, "secret"), None);
    // Passwords of the router's own users are never shown.
    router.set("/user/group", super::client::USER, &[("policy", "api,read,sensitive")]).unwrap();
    assert!(client.talk(&["/user/print"]).await.iter().all(|row| value(row, "password").is_none()));
}

#[tokio::test]
async fn a_hidden_password_may_be_shown_as_stars() {
    let mut config = super::client::config();
    config.api.hidden = radgram::sim::router::HiddenSecrets::Starred;
    let (router, _) = super::client::start(config).await;
    let mut client = Client::of(&router).await;
    router.add("/ppp/secret", &[("name", "ann"), ("password", "geheim")]).unwrap();
    assert_eq!(client.column("password", &["/ppp/secret/print"]).await, ["geheim"]);
    router.set("/user/group", super::client::USER, &[("policy", "api,read,write")]).unwrap();
    assert_eq!(client.column("password", &["/ppp/secret/print", "=.proplist=name,password"]).await, ["*****"]);
    assert_eq!(client.ret(&["/ppp/secret/get", "=.id=*1", "=value-name=password"]).await, "*****");
    assert!(client.talk(&["/user/print"]).await.iter().all(|row| value(row, "password").is_none()));
}

#[tokio::test]
async fn what_a_router_is_can_be_read() {
    let (_router, clock, mut client) = office().await;
    clock.advance(Duration::from_secs(3_661));
    let resource = client.talk(&["/system/resource/print"]).await;
    assert_eq!(value(&resource[0], "version").as_deref(), Some("7.22.3 (stable)"));
    assert_eq!(value(&resource[0], "uptime").as_deref(), Some("1h1m1s"));
    assert_eq!(value(&resource[0], "platform").as_deref(), Some("MikroTik"));
    assert_eq!(value(&resource[0], ".id"), None);
    let time = client.talk(&["/system/clock/print"]).await;
    assert_eq!(value(&time[0], "date").as_deref(), Some("2024-02-05"));
    assert_eq!(value(&time[0], "time").as_deref(), Some("14:48:45"));
    assert_eq!(client.column("name", &["/system/package/print"]).await, ["routeros", "user-manager"]);
    let services = client.talk(&["/ip/service/print", "?dynamic=false"]).await;
    assert_eq!(services.len(), 8);
    let live = client.talk(&["/ip/service/print", "?dynamic=true"]).await;
    assert_eq!(value(&live[0], "name").as_deref(), Some("api"));
    assert!(value(&live[0], "remote").unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn commands_that_are_not_there_are_told_apart() {
    let (_router, _, mut client) = office().await;
    let answer = client.talk(&["/nope/print", ".tag=15"]).await;
    let trap = vec!["!trap", ".tag=15", "=message=no such command prefix"];
    assert_eq!(answer, [trap, vec!["!done", ".tag=15"]]);
    for (command, text) in [
        (&["/ppp/nope/print"][..], "no such command prefix"),
        (&["/ppp/secret/nope"], "no such command"),
        (&["/ppp/active/set", "=.id=*1"], "no such command"),
        (&["/ppp/active/add"], "no such command"),
        (&["/ppp/print"], "no such command"),
        (&["/ppp/secret/print", "=bogus="], "unknown parameter bogus"),
        (&["/ppp/secret/get", "=.id=*99"], "no such item"),
        (&["/ppp/secret/get"], "missing value(s) of argument(s) numbers"),
        (&["print"], "no such command"),
    ] {
        assert_eq!(client.trap(command).await, text, "{command:?}");
    }
}

#[tokio::test]
async fn answers_of_several_commands_come_between_one_another() {
    let (router, _, mut client) = office().await;
    for number in 0..50 {
        router.add("/ip/firewall/filter", &[("chain", "forward"), ("comment", &number.to_string())]).unwrap();
    }
    let mut both = Vec::new();
    for tag in ["one", "other"] {
        let command = Sentence::command("/ip/firewall/filter/print").with(".proplist", "comment").tagged(tag);
        encode(&command, &mut both);
    }
    client.send_bytes(&both).await;
    let mut tags = Vec::new();
    while tags.iter().filter(|(word, _)| word == "!done").count() < 2 {
        let sentence = client.receive().await.unwrap();
        tags.push((sentence[0].clone(), sentence[1].clone()));
    }
    let changes = tags.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    assert_eq!(tags.len(), 102);
    assert!(changes > 2, "{changes}");
}

#[tokio::test]
async fn long_lists_print_fast_and_in_order() {
    let (router, _, mut client) = office().await;
    let began = Instant::now();
    for number in 0..20_000_u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string();
        let comment = format!("2FA user{number}");
        let rule = [("chain", "forward"), ("action", "drop"), ("src-address", &address), ("comment", &comment)];
        router.add("/ip/firewall/filter", &rule).unwrap();
    }
    eprintln!("20,000 rules added in {:?}", began.elapsed());
    for number in 0..5_000 {
        router.add("/ppp/secret", &[("name", &format!("user{number}")), ("password", "x")]).unwrap();
    }
    eprintln!("and 5,000 secrets: {:?}", began.elapsed());
    let started = Instant::now();
    let rules = client.column("comment", &["/ip/firewall/filter/print"]).await;
    let secrets = client.column("name", &["/ppp/secret/print"]).await;
    let took = started.elapsed();
    assert_eq!((rules.len(), secrets.len()), (20_000, 5_000));
    assert_eq!(rules[19_999], "2FA user19999");
    let found = client.column(".id", &["/ip/firewall/filter/print", "=.proplist=.id", "?comment=2FA user19999"]).await;
    assert_eq!(found, ["*4E20"]);
    // Seconds on a busy machine without optimisation, a part of one with it.
    assert!(took < super::client::PATIENCE, "{took:?}");
    eprintln!("25,000 rows in {took:?}");
    let mut other = Client::of(&router).await;
    assert_eq!(other.ret(&["/ip/firewall/filter/print", "=count-only="]).await, "20000");
}
