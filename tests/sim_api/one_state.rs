//! One state: what RADIUS brings up the API shows, and what the API changes RADIUS feels.

use std::net::SocketAddr;
use std::time::Duration;

use radgram::proto::radius::{AttributeType, Code, Packet, SharedSecret, VendorType};
use radgram::secret::Secret;
use radgram::sim::router::accounting::Traffic;
use radgram::sim::router::{
    Cause, Delivery, Dial, DialOutcome, DisabledSecret, Failure, IncomingConfig, Method, RosVersion, RouterConfig,
    Server, Service, ServiceUser, SimRouter, UserManager,
};

use super::client::{Client, LOCALHOST, PASSWORD, USER, of_version, start, value};
use super::scripted::{self, Scripted, connected, finish, integer, push_proof, recorded, reply, secret};

/// Accepts `clientPass` and gives a profile, a list, a filter.
fn accept_into_a_list(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let mut accept = reply(Code::ACCESS_ACCEPT, request);
    accept.push_vendor(VendorType::MIKROTIK_ADDRESS_LIST, b"vpn").unwrap();
    accept.push_vendor(VendorType::MIKROTIK_RATE_LIMIT, b"10M/20M").unwrap();
    accept.push_vendor(VendorType::MIKROTIK_GROUP, b"staff").unwrap();
    accept.push(AttributeType::FILTER_ID, b"quarantine.in").unwrap();
    push_proof(&mut accept, request, secret, "clientPass");
    finish(accept, request, secret)
}

fn office_of(server: &Scripted) -> RouterConfig {
    let mut config = scripted::config(server);
    config.api.users.push(ServiceUser::new(USER, PASSWORD, "api,read,write,sensitive,policy"));
    config.incoming = Some(IncomingConfig::new(LOCALHOST));
    config
}

#[tokio::test]
async fn what_is_dialled_is_shown_and_what_is_removed_hangs_up() {
    let mut server = Scripted::start(scripted::accept, recorded).await;
    let (router, clock) = start(office_of(&server)).await;
    let mut client = Client::of(&router).await;
    client.send(&["/ppp/active/listen", "=.proplist=.id,name", ".tag=9"]).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    assert_eq!(client.receive().await.unwrap(), ["!re", ".tag=9", "=.id=*80000000", "=name=User"]);
    clock.advance(Duration::from_secs(51));
    let [row, _] = client.talk(&["/ppp/active/print", "?name=User"]).await.try_into().unwrap();
    for word in [
        "=.id=*80000000",
        "=service=l2tp",
        "=caller-id=203.0.113.7",
        "=address=10.9.0.5",
        "=uptime=51s",
        "=session-id=0x81000001",
        "=radius=true",
        "=limit-bytes-in=0",
    ] {
        assert!(row.contains(&word.to_owned()), "{word}: {row:?}");
    }
    let shown = value(&row, "session-id").unwrap();
    let parsed = u32::from_str_radix(shown.trim_start_matches("0x"), 16).unwrap();
    assert_eq!(parsed, u32::from_str_radix(tunnel.acct_session_id(), 16).unwrap());

    tunnel.carry(Traffic { input_octets: 1000, output_octets: 5, ..Traffic::default() });
    let [interface, _] = client.talk(&["/interface/print", "?name=<l2tp-User>"]).await.try_into().unwrap();
    assert_eq!(value(&interface, "rx-byte").as_deref(), Some("1000"));
    assert_eq!(value(&interface, "dynamic").as_deref(), Some("true"));
    assert_eq!(client.column("max-limit", &["/queue/simple/print"]).await, ["10M/20M"]);

    client.send(&["/ppp/active/remove", "=.id=*80000000", ".tag=4"]).await;
    let said = [client.receive().await.unwrap(), client.receive().await.unwrap()];
    assert!(said.contains(&vec!["!done".to_owned(), ".tag=4".to_owned()]), "{said:?}");
    assert!(said.contains(&["!re", ".tag=9", "=.id=*80000000", "=.dead=true"].map(str::to_owned).to_vec()), "{said:?}");
    assert_eq!(tunnel.ended().await, Cause::AdminReset);
    server.expect(1).await;
    let stopped = server.expect(2).await;
    assert_eq!(integer(&stopped, AttributeType::ACCT_TERMINATE_CAUSE), Some(6));
    assert_eq!(client.trap(&["/ppp/active/remove", "=.id=*80000000"]).await, "no such item");
    assert!(router.row("/interface", "name", "<l2tp-User>").unwrap().is_none());
    assert!(router.rows("/queue/simple").unwrap().is_empty());
}

#[tokio::test]
async fn a_second_connection_has_an_interface_of_its_own() {
    let server = Scripted::start(accept_into_a_list, recorded).await;
    let (router, _) = start(office_of(&server)).await;
    let first = connected(router.dial(Dial::new("User", "clientPass")).await);
    let second = connected(router.dial(Dial::new("User", "clientPass")).await);
    assert_eq!((first.interface(), second.interface()), ("<l2tp-User>".to_owned(), "<l2tp-User-1>".to_owned()));
    let sstp = Dial { service: Service::Sstp, ..Dial::new("User", "clientPass") };
    assert_eq!(connected(router.dial(sstp).await).interface(), "<sstp-User>");
    assert_eq!(router.rows("/interface/l2tp-server").unwrap().len(), 2);
}

#[tokio::test]
async fn lists_and_filters_live_as_long_as_the_connection() {
    let server = Scripted::start(accept_into_a_list, recorded).await;
    let (router, _) = start(office_of(&server)).await;
    router.add("/ppp/profile", &[("name", "staff"), ("address-list", "staff"), ("session-timeout", "1h")]).unwrap();
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    let address = tunnel.address().to_string();
    let listed = |list: &str| {
        let rows = router.rows("/ip/firewall/address-list").unwrap();
        rows.iter().any(|row| row["list"] == list && row["address"] == address && row["dynamic"] == "true")
    };
    assert!(listed("vpn") && listed("staff"));
    assert_eq!(tunnel.session_timeout(), Some(Duration::from_secs(3600)), "the profile's, as the Accept has none");
    let rules = router.rows("/ip/firewall/filter").unwrap();
    assert_eq!((rules[0]["chain"].as_str(), rules[0]["jump-target"].as_str()), ("ppp", "quarantine"));
    assert_eq!((rules[0]["in-interface"].as_str(), rules[0]["dynamic"].as_str()), ("<l2tp-User>", "true"));
    let trap = router.remove("/ip/firewall/filter", &rules[0][".id"]).unwrap_err();
    assert_eq!(trap.message, "failure: cannot change builtin");
    tunnel.hang_up(Cause::UserRequest).await;
    router.remove("/ppp/profile", "staff").unwrap();
    let again = connected(router.dial(Dial::new("User", "clientPass")).await);
    assert_eq!(again.session_timeout(), None);
    assert!(router.row("/log", "message", "profile staff is not there").unwrap().is_some());
    again.hang_up(Cause::UserRequest).await;
    assert!(router.rows("/ip/firewall/address-list").unwrap().is_empty());
    assert!(router.rows("/ip/firewall/filter").unwrap().is_empty());
}

#[tokio::test]
async fn entries_of_radius_are_what_the_menu_says() {
    let dead = Scripted::start(scripted::silent, recorded).await;
    let mut alive = Scripted::start(scripted::accept, recorded).await;
    let (router, _) = start(RouterConfig { tries: 1, ..scripted::hasty(&dead) }).await;
    let dial = || router.dial(Dial::new("User", "clientPass"));
    assert!(matches!(dial().await, DialOutcome::Timeout));
    let port = alive.entry.auth.port().to_string();
    let acct = alive.entry.acct.port().to_string();
    let entry = [
        ("service", "ppp"),
        ("address", "127.0.0.1"),
        ("secret", scripted::SECRET),
        ("authentication-port", &port),
        ("accounting-port", &acct),
        ("timeout", "1m"),
    ];
    let id = router.add("/radius", &entry).unwrap();
    connected(dial().await).hang_up(Cause::UserRequest).await;
    alive.login().await;
    // A wrong secret: the server cannot read the password, and its reply would be a bad one.
    router.set("/radius", &id, &[("disabled", "yes")]).unwrap();
    assert!(matches!(dial().await, DialOutcome::Timeout));
    router.set("/radius", &id, &[("disabled", "no"), ("service", "login")]).unwrap();
    assert!(matches!(dial().await, DialOutcome::Timeout));
    router.set("/radius", &id, &[("service", "ppp,login"), ("called-id", "192.0.2.77")]).unwrap();
    assert!(matches!(dial().await, DialOutcome::Timeout));
    router.set("/radius", &id, &[("called-id", "")]).unwrap();
    router.command("/radius", "move", &[("numbers", &id), ("destination", "*1")]).unwrap();
    connected(dial().await).hang_up(Cause::UserRequest).await;
    router.set("/ppp/aaa", "", &[("use-radius", "no")]).unwrap();
    assert!(matches!(dial().await, DialOutcome::Rejected { .. }));
    let mut numbers = Client::connect(router.api_addr().unwrap()).await;
    numbers.done(&["/login", "=name=admin", "=password="]).await;
    let first = numbers.talk(&["/radius/monitor", &format!("=.id={id}"), "=once="]).await;
    assert_eq!(value(&first[0], "accepts").as_deref(), Some("4"), "two log-ins, a Start and a Stop: {first:?}");
    numbers.done(&["/radius/reset-counters"]).await;
    let first = numbers.talk(&["/radius/monitor", &format!("=.id={id}"), "=once="]).await;
    assert_eq!(value(&first[0], "accepts").as_deref(), Some("0"));
}

#[tokio::test]
async fn a_wrong_secret_is_a_bad_reply() {
    let server = Scripted::start(scripted::accept_by_a_stranger, recorded).await;
    let (router, _) = start(RouterConfig { tries: 2, ..scripted::hasty(&server) }).await;
    assert!(matches!(router.dial(Dial::new("User", "clientPass")).await, DialOutcome::Timeout));
    assert!(router.counters().bad_replies >= 1);
}

#[tokio::test]
async fn a_local_secret_is_looked_at_first_in_all_it_says() {
    let server = Scripted::start(scripted::accept, recorded).await;
    for disabled_secret in [DisabledSecret::Shadows, DisabledSecret::IsNotThere] {
        let (router, _) = start(RouterConfig { disabled_secret, ..office_of(&server) }).await;
        let dial = |password| router.dial(Dial::new("User", password));
        let is_local = |outcome| {
            connected(outcome);
            router.row("/ppp/active", "radius", "false").unwrap().is_some()
        };
        let id = router
            .add("/ppp/secret", &[("name", "User"), ("password", "local"), ("remote-address", "10.77.0.1")])
            .unwrap();
        assert!(matches!(dial("clientPass").await, DialOutcome::Rejected { .. }), "the local password counts");
        assert!(is_local(dial("local").await));
        assert_eq!(router.tunnels()[0].address().to_string(), "10.77.0.1");
        // Disabling or removing it does not end the connection.
        router.set("/ppp/secret", &id, &[("disabled", "yes")]).unwrap();
        assert!(router.tunnels()[0].is_up());
        let outcome = dial("clientPass").await;
        match disabled_secret {
            DisabledSecret::Shadows => assert!(matches!(outcome, DialOutcome::Rejected { .. })),
            DisabledSecret::IsNotThere => assert!(!connected(outcome).accept().is_empty()),
        }
        router.set("/ppp/secret", &id, &[("disabled", "no"), ("caller-id", "192.0.2.1")]).unwrap();
        assert!(matches!(dial("local").await, DialOutcome::Rejected { .. }), "from elsewhere");
        router.set("/ppp/secret", &id, &[("caller-id", ""), ("service", "sstp")]).unwrap();
        assert!(!connected(dial("clientPass").await).accept().is_empty(), "for another service: RADIUS is asked");
        router.remove("/ppp/secret", &id).unwrap();
        assert!(router.tunnels().iter().any(|tunnel| tunnel.accept().is_empty() && tunnel.is_up()));
    }
}

#[tokio::test]
async fn a_local_secret_remembers_the_last_connection() {
    let server = Scripted::start(scripted::silent, recorded).await;
    let (router, _) = start(office_of(&server)).await;
    router.add("/ppp/profile", &[("name", "one"), ("only-one", "yes")]).unwrap();
    router.add("/ppp/secret", &[("name", "ann"), ("password", "x"), ("profile", "one")]).unwrap();
    let tunnel = connected(router.dial(Dial::new("ann", "x")).await);
    assert!(matches!(router.dial(Dial::new("ann", "x")).await, DialOutcome::Rejected { .. }), "only one");
    tunnel.hang_up(Cause::UserRequest).await;
    let row = router.row("/ppp/secret", "name", "ann").unwrap().unwrap();
    assert_eq!(row["last-caller-id"], "203.0.113.7");
    assert_eq!(row["last-disconnect-reason"], "peer-request");
    assert_eq!(row["last-logged-out"], "2024-02-05 13:47:44");
}

#[tokio::test]
async fn incoming_opens_and_moves_with_the_menu() {
    let server = Scripted::start(scripted::accept, recorded).await;
    let mut config = office_of(&server);
    config.incoming = None;
    let (router, _) = start(config).await;
    assert_eq!(router.incoming_addr(), None);
    router.set("/radius/incoming", "", &[("accept", "yes")]).unwrap();
    let address = router.incoming_addr().unwrap();
    assert_eq!(router.rows("/radius/incoming").unwrap()[0]["port"], address.port().to_string());
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    assert_eq!(disconnect(&router, address).await, Some(Code::DISCONNECT_ACK));
    assert_eq!(tunnel.ended().await, Cause::AdminReset);
    let free = tokio::net::UdpSocket::bind((LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    router.set("/radius/incoming", "", &[("port", &free.to_string())]).unwrap();
    assert_eq!(router.incoming_addr(), Some(SocketAddr::new(LOCALHOST, free)));
    connected(router.dial(Dial::new("User", "clientPass")).await);
    assert_eq!(disconnect(&router, SocketAddr::new(LOCALHOST, free)).await, Some(Code::DISCONNECT_ACK));
    router.set("/radius/incoming", "", &[("accept", "no")]).unwrap();
    assert_eq!(disconnect(&router, SocketAddr::new(LOCALHOST, free)).await, None);
}

/// Sends a Disconnect for `User`; `None` if nothing comes back for a while.
async fn disconnect(_: &SimRouter, target: SocketAddr) -> Option<Code> {
    use radgram::proto::radius::{Opening, PacketBuilder, sign};
    let socket = tokio::net::UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
    let mut order = PacketBuilder::new(Code::DISCONNECT_REQUEST, 1, Opening::Bare);
    order.push(AttributeType::USER_NAME, b"User").unwrap();
    socket.send_to(&sign::sign_coa_request(order, &secret()), target).await.unwrap();
    let mut buffer = [0; 4096];
    let received = tokio::time::timeout(Duration::from_millis(300), socket.recv(&mut buffer)).await;
    let length = received.ok()?.ok()?;
    Packet::parse(&buffer[..length]).ok().map(|packet| packet.code())
}

#[tokio::test]
async fn a_server_that_is_off_or_takes_another_method_is_no_server() {
    let server = Scripted::start(scripted::accept, recorded).await;
    let (router, _) = start(office_of(&server)).await;
    let menu = "/interface/l2tp-server/server";
    router.set(menu, "", &[("authentication", "mschap2")]).unwrap();
    let pap = Dial { method: Method::Pap, ..Dial::new("User", "clientPass") };
    assert!(matches!(router.dial(pap).await, DialOutcome::Failed(Failure::NotOffered)));
    connected(router.dial(Dial::new("User", "clientPass")).await);
    router.set(menu, "", &[("enabled", "no")]).unwrap();
    assert!(matches!(router.dial(Dial::new("User", "clientPass")).await, DialOutcome::Failed(Failure::NotOffered)));
}

#[tokio::test]
async fn a_restart_takes_what_is_up_and_gives_other_ids() {
    let server = Scripted::start(scripted::accept, recorded).await;
    let (router, _) = start(office_of(&server)).await;
    connected(router.dial(Dial::new("User", "clientPass")).await);
    let before = router.rows("/ppp/active").unwrap()[0][".id"].clone();
    router.reboot();
    assert!(router.rows("/ppp/active").unwrap().is_empty());
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    let after = router.rows("/ppp/active").unwrap()[0].clone();
    assert_ne!(after[".id"], before);
    assert_eq!((tunnel.acct_session_id(), after["session-id"].as_str()), ("81100001", "0x81100001"));
}

fn with_user_manager(version: RosVersion) -> RouterConfig {
    RouterConfig { user_manager: UserManager::AnswersPpp, servers: Vec::<Server>::new(), ..of_version(version) }
}

#[tokio::test]
async fn user_manager_of_the_router_lets_in_and_counts() {
    let (router, _) = start(with_user_manager(RosVersion::V7_22)).await;
    let dial = |password| router.dial(Dial::new("ann", password));
    assert!(matches!(dial("x").await, DialOutcome::Rejected { .. }), "nobody of that name");
    let attributes = "Framed-IP-Address:10.66.0.1,Mikrotik-Address-List:um";
    let user = [("name", "ann"), ("password", "x"), ("caller-id", "bind"), ("attributes", attributes)];
    router.add("/user-manager/user", &user).unwrap();
    assert!(matches!(dial("wrong").await, DialOutcome::Rejected { .. }));
    let tunnel = connected(dial("x").await);
    assert_eq!(tunnel.address().to_string(), "10.66.0.1");
    assert_eq!(tunnel.start_delivered().await, Delivery::Answered);
    assert_eq!(router.rows("/ppp/active").unwrap()[0]["radius"], "true");
    assert_eq!(router.rows("/ip/firewall/address-list").unwrap()[0]["list"], "um");
    assert_eq!(router.rows("/user-manager/user").unwrap()[0]["caller-id"], "203.0.113.7", "bound to the first caller");
    assert!(matches!(dial("x").await, DialOutcome::Rejected { .. }), "shared-users is 1");
    tunnel.carry(Traffic { input_octets: 7, ..Traffic::default() });
    let session = router.rows("/user-manager/session").unwrap().remove(0);
    assert_eq!(
        (session["user"].as_str(), session["active"].as_str(), session["upload"].as_str()),
        ("ann", "true", "7")
    );
    assert_eq!(session["acct-session-id"], tunnel.acct_session_id());
    tunnel.hang_up(Cause::UserRequest).await;
    let session = router.rows("/user-manager/session").unwrap().remove(0);
    assert_eq!((session["active"].as_str(), session["terminate-cause"].as_str()), ("false", "peer-request"));
    let elsewhere = Dial { caller: "192.0.2.9".to_owned(), ..Dial::new("ann", "x") };
    assert!(matches!(router.dial(elsewhere).await, DialOutcome::Rejected { .. }));
}

#[tokio::test]
async fn user_manager_cuts_only_through_incoming() {
    for (incoming, cuts) in [(None, false), (Some(IncomingConfig::new(LOCALHOST)), true)] {
        let (router, _) = start(RouterConfig { incoming, ..with_user_manager(RosVersion::V7_22) }).await;
        router.add("/user-manager/user", &[("name", "ann"), ("password", "x"), ("shared-users", "unlimited")]).unwrap();
        let tunnel = connected(router.dial(Dial::new("ann", "x")).await);
        let session = router.rows("/user-manager/session").unwrap()[0][".id"].clone();
        router.command("/user-manager/session", "close-session", &[("numbers", &session)]).unwrap();
        assert_eq!(tunnel.is_up(), !cuts);
        let tunnel = connected(router.dial(Dial::new("ann", "x")).await);
        router.command("/user-manager/user", "disable", &[("numbers", "ann")]).unwrap();
        assert_eq!(tunnel.is_up(), !cuts);
        assert!(matches!(router.dial(Dial::new("ann", "x")).await, DialOutcome::Rejected { .. }));
        let causes: Vec<_> = router.rows("/user-manager/session").unwrap();
        let causes: Vec<_> = causes.iter().filter_map(|row| row.get("terminate-cause").cloned()).collect();
        assert_eq!(causes, if cuts { vec!["um-admin-request", "um-user-disabled"] } else { Vec::new() });
    }
}

#[tokio::test]
async fn user_manager_that_is_off_is_not_asked() {
    let (router, _) = start(with_user_manager(RosVersion::V7_22)).await;
    router.add("/user-manager/user", &[("name", "ann"), ("password", "x")]).unwrap();
    router.set("/user-manager", "", &[("enabled", "no")]).unwrap();
    assert!(matches!(router.dial(Dial::new("ann", "x")).await, DialOutcome::Timeout), "and there is no other entry");
    router.add("/ppp/secret", &[("name", "ann"), ("password", "y")]).unwrap();
    connected(router.dial(Dial::new("ann", "y")).await);
}

#[tokio::test]
async fn user_manager_of_version_6_has_its_own_names() {
    let (router, _) = start(with_user_manager(RosVersion::V6_49)).await;
    let menu = "/tool/user-manager/user";
    assert_eq!(
        router.add(menu, &[("username", "ann")]).unwrap_err().message,
        "missing value(s) of argument(s) customer"
    );
    let user = [("customer", "admin"), ("username", "ann"), ("password", "x")];
    let id = router.add(menu, &user).unwrap();
    let tunnel = connected(router.dial(Dial::new("ann", "x")).await);
    let session = router.rows("/tool/user-manager/session").unwrap().remove(0);
    assert_eq!((session["user"].as_str(), session["user-ip"].as_str()), ("ann", tunnel.address().to_string().as_str()));
    assert_eq!(session["from-time"], "feb/05/2024 13:47:44");
    assert!(router.rows("/user-manager/user").is_err());
    let close = router.command("/tool/user-manager/session", "close-session", &[("numbers", &session[".id"])]);
    assert_eq!(close.unwrap_err().message, "no such command");
    router.add("/tool/user-manager/profile", &[("name", "month")]).unwrap();
    let activate = [("numbers", id.as_str()), ("customer", "admin"), ("profile", "month")];
    router.command(menu, "create-and-activate-profile", &activate).unwrap();
    assert_eq!(router.rows(menu).unwrap()[0]["actual-profile"], "month");
    assert!(tunnel.is_up());
    assert_eq!(Secret::new("x"), Secret::new("x"));
}
