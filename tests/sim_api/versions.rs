//! What differs between the versions.

use radgram::proto::radius::{AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, Signature, sign};
use radgram::sim::router::{Dial, RosVersion, RouterConfig, UserManager};

use super::client::{Client, of_version, start, value};
use super::scripted::{self, Scripted, connected, finish, push_proof, recorded};

/// An Accept without a Message-Authenticator, whether the request had one or not.
fn accept_unsigned(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let mut accept = PacketBuilder::new(Code::ACCESS_ACCEPT, request.identifier(), Opening::Bare);
    push_proof(&mut accept, request, secret, "clientPass");
    finish(accept, request, secret)
}

#[tokio::test]
async fn nothing_to_show_is_said_from_7_18() {
    for version in RosVersion::ALL {
        let (router, _) = start(of_version(version)).await;
        let mut client = Client::of(&router).await;
        let answer = client.talk(&["/ppp/active/print", "?name=nobody", ".tag=3"]).await;
        let expected: &[&[&str]] = match version {
            RosVersion::V6_49 | RosVersion::V7_14 => &[&["!done", ".tag=3"]],
            RosVersion::V7_18 | RosVersion::V7_22 => &[&["!empty", ".tag=3"], &["!done", ".tag=3"]],
        };
        assert_eq!(answer, expected, "{version}");
        assert_eq!(client.talk(&["/system/identity/print"]).await.len(), 2, "{version}");
    }
}

#[tokio::test]
async fn requests_are_signed_from_7_15() {
    for version in RosVersion::ALL {
        let mut server = Scripted::start(accept_unsigned, recorded).await;
        let (router, _) = start(RouterConfig { version, tries: 1, ..scripted::hasty(&server) }).await;
        let outcome = router.dial(Dial::new("User", "clientPass")).await;
        let request = server.login().await;
        let signature = sign::check_access_request(&Packet::parse(&request).unwrap(), &scripted::secret());
        let row = router.rows("/radius").unwrap().remove(0);
        if version.knows_message_auth() {
            assert_eq!(signature, Ok(Signature::Present), "{version}");
            assert!(Packet::parse(&request).unwrap().first(AttributeType::MESSAGE_AUTHENTICATOR).is_some());
            assert!(matches!(outcome, radgram::sim::router::DialOutcome::Timeout), "{version}: a bad reply");
            assert_eq!(row["require-message-auth"], "yes-for-request-resp");
            router.set("/radius", &row[".id"], &[("require-message-auth", "no")]).unwrap();
            connected(router.dial(Dial::new("User", "clientPass")).await);
        } else {
            assert_eq!(signature, Ok(Signature::Absent), "{version}");
            connected(outcome);
            let trap = router.set("/radius", &row[".id"], &[("require-message-auth", "no")]).unwrap_err();
            assert_eq!(trap.message, "unknown parameter require-message-auth");
        }
        assert_eq!(row.contains_key("radsec-timeout"), version == RosVersion::V7_22, "{version}");
        assert_eq!(row.contains_key("protocol"), version != RosVersion::V6_49, "{version}");
    }
}

#[tokio::test]
async fn dates_services_and_openvpn_servers_differ() {
    for version in RosVersion::ALL {
        let (router, _) = start(of_version(version)).await;
        let mut client = Client::of(&router).await;
        let resource = client.talk(&["/system/resource/print"]).await;
        assert!(value(&resource[0], "version").unwrap().starts_with(version.short()), "{version}");
        let date = client.column("date", &["/system/clock/print"]).await.remove(0);
        assert_eq!(date, if version == RosVersion::V6_49 { "feb/05/2024" } else { "2024-02-05" }, "{version}");
        let services = router.rows("/ip/service").unwrap();
        let is_new = matches!(version, RosVersion::V7_18 | RosVersion::V7_22);
        assert_eq!(services[0].contains_key("max-sessions"), is_new, "{version}");
        assert_eq!(services.len(), if version == RosVersion::V7_22 { 8 } else { 7 }, "{version}");
        let ovpn = router.rows("/interface/ovpn-server/server").unwrap().remove(0);
        assert_eq!((ovpn.contains_key("enabled"), ovpn.contains_key(".id")), (!is_new, is_new), "{version}");
        let dial = Dial {
            service: radgram::sim::router::Service::Ovpn,
            method: radgram::sim::router::Method::Pap,
            ..Dial::new("ann", "x")
        };
        router.local_secret("ann", radgram::secret::Secret::new("x"));
        assert_eq!(connected(router.dial(dial).await).interface(), "<ovpn-ann>", "{version}");
        let policy = router.row("/user/group", "name", "full").unwrap().unwrap()["policy"].clone();
        assert_eq!(policy.contains("rest-api"), version != RosVersion::V6_49, "{version}");
        assert_eq!(policy.contains("dude"), version == RosVersion::V6_49, "{version}");
    }
}

#[tokio::test]
async fn user_manager_is_where_the_version_has_it_or_nowhere() {
    for version in RosVersion::ALL {
        let has = async |user_manager, menu: &str| {
            let (router, _) = start(RouterConfig { user_manager, ..of_version(version) }).await;
            let mut client = Client::of(&router).await;
            // What could be installed is listed too, by versions that know of it.
            let packages = client.column("name", &["/system/package/print", "?available=true", "?#!"]).await;
            assert_eq!(packages.contains(&"user-manager".to_owned()), user_manager != UserManager::Absent, "{version}");
            let answer = client.talk(&[&format!("{menu}/print")]).await;
            if answer[0][0] == "!trap" {
                assert_eq!(value(&answer[0], "message").as_deref(), Some("no such command prefix"), "{version}");
            }
            answer[0][0] != "!trap"
        };
        let is_old = version == RosVersion::V6_49;
        assert_eq!(has(UserManager::Idle, "/user-manager/user").await, !is_old, "{version}");
        assert_eq!(has(UserManager::Idle, "/tool/user-manager/user").await, is_old, "{version}");
        assert!(!has(UserManager::Absent, "/user-manager/user").await, "{version}");
        assert!(!has(UserManager::Absent, "/tool/user-manager/user").await, "{version}");
    }
}
