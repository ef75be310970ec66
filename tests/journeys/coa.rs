//! CoA: a running tunnel is told that it may run longer, or is to be otherwise; and what happens where it is not.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use radgram::domain::attribute::Subject;
use radgram::domain::habits::{Identification, Signing};
use radgram::domain::order::OrderState;
use radgram::domain::router::{Demand, source_network};
use radgram::domain::setting::Level;
use radgram::proto::radius::{AttributeType, Code, Packet, SharedSecret, Signature, sign};
use radgram::secret::Secret;
use radgram::sim::router::{Cause, ChangeHabit, CountFrom, DisconnectHabit, Tunnel};
use radgram::store::order::{Order, Whose};
use radgram::store::router::RouterForm;
use tokio::net::UdpSocket;

use crate::wire::Wire;
use crate::world::{ADMIN, Base, Dialled, SECRET, World, hours};

/// What a router is tried again after, at the first failure.
const AGAIN: Duration = Duration::from_secs(5);

impl World {
    async fn habit(&self, name: &str, value: &str) {
        let router = Level::Router(self.router_id().await.0);
        self.gate().set_setting(&ADMIN, name, router, value).await.unwrap();
    }

    async fn connected(&self) -> Tunnel {
        self.request().await;
        let tunnel = self.dial().await.accepted();
        tunnel.start_delivered().await;
        self.until_heard().await;
        tunnel
    }

    async fn extend(&self) {
        let session = self.session().await.unwrap();
        self.gate().extend_session(&ADMIN, session.id, hours(6)).await.unwrap();
        self.ann.reads("is extended until").await;
    }

    async fn order(&self) -> Option<Order> {
        self.gate().reader().orders().await.unwrap().pop()
    }

    async fn until_order(&self, state: OrderState) -> Order {
        self.until("the order stands so", || async { self.order().await.is_some_and(|order| order.state == state) })
            .await;
        self.order().await.unwrap()
    }

    /// The tunnel runs past its old end, up to that of the session.
    async fn runs_on(&self, tunnel: &Tunnel) {
        let session = self.session().await.unwrap();
        assert_eq!(tunnel.expires(), Some(session.until));
        self.after(hours(28));
        self.ann.reads("ends in").await;
        assert!(tunnel.is_up());
        let row = self.gate().reader().connections().await.unwrap().remove(0);
        assert_eq!(row.runs_until, Some(session.until));
        assert_eq!(self.ann.count("drop"), 0);
    }
}

on_both! {
    async fn an_extension_moves_the_hang_up_counted_from_the_start(world: World) {
        world.habit("coa_session_timeout", "from_start").await;
        let tunnel = world.connected().await;
        world.after(hours(1));
        world.extend().await;
        world.until_order(OrderState::Acknowledged).await;
        world.runs_on(&tunnel).await;
        assert_eq!((world.router.incoming_counters().requests(), world.router.incoming_counters().acks()), (1, 1));
        assert_eq!((world.gate().metrics().amendments.get(), world.gate().metrics().amended_by("ack")), (1, 1));
    }
}

on_both! {
    async fn an_extension_moves_the_hang_up_counted_from_now(world: World) {
        world.habit("coa_session_timeout", "from_now").await;
        world.router.count_timeouts_from(CountFrom::Now);
        let tunnel = world.connected().await;
        world.after(hours(1));
        world.extend().await;
        world.until_order(OrderState::Acknowledged).await;
        world.runs_on(&tunnel).await;
    }
}

on_both! {
    async fn with_the_habit_off_the_router_hangs_up_and_the_redial_is_accepted(world: World) {
        let tunnel = world.connected().await;
        world.extend().await;
        assert_eq!(world.ann.count("At the old end the connection drops once"), 1, "told beforehand");
        assert_eq!(world.order().await, None);
        world.after(hours(24));
        assert_eq!(tunnel.ended().await, Cause::SessionTimeout);
        world.until("the Stop is heard", || async { world.session().await.is_some_and(|open| open.connections.is_empty()) })
            .await;
        let again = world.dial().await.accepted();
        assert_eq!(again.session_timeout(), Some(hours(6)));
        assert_eq!(world.gate().metrics().amendments.get(), 0);
    }
}

on_both! {
    async fn a_yes_gives_a_short_connection_its_time_by_coa(world: World) {
        world.habit("coa_session_timeout", "from_now").await;
        world.router.count_timeouts_from(CountFrom::Now);
        world.set("extra_protection", "on").await;
        let tunnel = world.connected().await;
        assert_eq!(tunnel.session_timeout(), Some(Duration::from_secs(330)));
        let question = world.ann.reads("Is it you who connected").await;
        world.after(Duration::from_secs(100));
        world.ann.presses(&question, "Yes, it is me").await;
        world.until_order(OrderState::Acknowledged).await;
        assert_eq!(tunnel.expires(), Some(world.session().await.unwrap().until));
        world.after(hours(1));
        assert!(tunnel.is_up());
        assert_eq!(world.ann.count("drop"), 0);
    }
}

on_both! {
    async fn without_coa_the_person_hears_that_a_confirmed_connection_drops_once(world: World) {
        world.set("extra_protection", "on").await;
        let tunnel = world.connected().await;
        let question = world.ann.reads("Is it you who connected").await;
        world.ann.presses(&question, "Yes, it is me").await;
        world.ann.reads("may drop once at").await;
        world.after(Duration::from_secs(330));
        assert_eq!(tunnel.ended().await, Cause::SessionTimeout);
        world.dial().await.accepted();
    }
}

on_both! {
    async fn a_refusal_is_kept_and_told_and_the_redial_is_accepted(world: World) {
        world.habit("coa_session_timeout", "from_start").await;
        let tunnel = world.connected().await;
        for (cause, words) in [(401, "refused with Error-Cause 401 (unsupported attribute)"), (503, "no such connection")] {
            world.router.treat_changes(ChangeHabit::Refuse(cause));
            world.extend().await;
            world.ann.reads("may drop once at").await;
            let order = world.until_order(OrderState::Refused).await;
            assert!(order.outcome.as_deref().is_some_and(|outcome| outcome.contains(words)), "{order:?}");
            assert_eq!(order.due_at, None, "it would be refused again");
        }
        let metrics = world.gate().metrics();
        assert_eq!((metrics.amended_by("unsupported attribute"), metrics.amended_by("session context not found")), (1, 1));
        assert!(tunnel.is_up());
        world.after(hours(24));
        assert_eq!(tunnel.ended().await, Cause::SessionTimeout);
        world.dial().await.accepted();
    }
}

on_both! {
    /// A router that is deaf for a while, radgram that dies meanwhile, and a later wish in place of the first.
    async fn what_is_wanted_outlives_deafness_and_a_crash_and_the_last_wish_counts(world: World) {
        world.habit("coa_session_timeout", "from_start").await;
        let tunnel = world.connected().await;
        world.router.treat_changes(ChangeHabit::Ignore);
        world.extend().await;
        world.until("it was tried in vain", || async { world.order().await.is_some_and(|order| order.tries > 0) }).await;
        let order = world.order().await.unwrap();
        assert_eq!((order.state, order.outcome.as_deref()), (OrderState::Pending, Some("no answer")));
        assert!(world.router.incoming_counters().requests() >= 3, "two transmissions with a signature, then one without");
        world.crash().await;
        world.start().await;
        world.extend().await;
        let newer = world.order().await.unwrap();
        assert_eq!((newer.id, newer.version), (order.id, order.version + 1), "one order for a connection");
        world.router.treat_changes(ChangeHabit::Obey);
        world.after(AGAIN * 2);
        world.until_order(OrderState::Acknowledged).await;
        let session = world.session().await.unwrap();
        assert_eq!(session.until, session.created_at + hours(36));
        // The try that was under way may have been heard at last; what it said is overtaken.
        assert_eq!(tunnel.expires(), Some(session.until));
        assert_eq!(world.gate().reader().orders().await.unwrap().len(), 1);
        assert_eq!(world.ann.count("may drop once"), 0, "there was time");
    }
}

on_both! {
    async fn an_order_for_a_tunnel_that_hangs_up_is_void(world: World) {
        world.habit("coa_session_timeout", "from_start").await;
        let tunnel = world.connected().await;
        world.router.treat_changes(ChangeHabit::Refuse(506));
        world.extend().await;
        world.until("it was tried", || async { world.order().await.is_some_and(|order| order.tries > 0) }).await;
        assert_eq!(world.order().await.unwrap().state, OrderState::Pending, "resources may be there later");
        tunnel.hang_up(Cause::UserRequest).await;
        world.until_heard().await;
        world.after(AGAIN);
        let order = world.until_order(OrderState::Void).await;
        assert_eq!(order.outcome.as_deref(), Some("the connection has ended"));
    }
}

on_both! {
    async fn changed_attributes_go_to_running_connections_when_an_operator_says_so(world: World) {
        world.router.add("/ppp/profile", &[("name", "staff"), ("rate-limit", "1M/1M")]).unwrap();
        let subject = Subject::Account(world.account("ann").await);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let tunnel = world.connected().await;
        let written = [pair("Mikrotik-Group", "staff"), pair("Framed-IP-Address", "10.8.0.77"), pair("Filter-Id", "slow.in")];
        world.gate().set_attributes(&ADMIN, subject, &written).await.unwrap();
        assert_eq!(world.order().await, None, "not by itself");
        assert_eq!(world.gate().apply_attributes(&ADMIN, Whose::Of(subject)).await.unwrap(), 1);
        world.until_order(OrderState::Acknowledged).await;
        assert_eq!((tunnel.profile().as_deref(), tunnel.rate_limit().as_deref()), (Some("staff"), Some("1M/1M")));
        let filter = world.router.row("/ip/firewall/filter", "jump-target", "slow").unwrap();
        let filter = filter.expect("the router took the Filter-Id");
        assert_eq!((filter["chain"].as_str(), &filter["in-interface"]), ("ppp", &tunnel.interface()));
        assert_eq!(tunnel.expires(), Some(world.session().await.unwrap().until), "its end stays");

        // At once, where the router's habit is so; and only what a running connection takes.
        world.habit("coa_attributes", "at_once").await;
        let written = [pair("Mikrotik-Rate-Limit", "5M/10M"), pair("Mikrotik-Address-List", "vpn")];
        world.gate().set_attributes(&ADMIN, subject, &written).await.unwrap();
        world.until("the rate is another", || async { tunnel.rate_limit().as_deref() == Some("5M/10M") }).await;
        world.until_order(OrderState::Acknowledged).await;
        world.gate().set_attributes(&ADMIN, subject, &written[1..]).await.unwrap();
        let order = world.until_order(OrderState::Void).await;
        assert_eq!(order.outcome.as_deref(), Some("nothing is set that can be changed while a connection runs"));
        assert_eq!(world.router.incoming_counters().naks(), 0);
        tunnel.hang_up(Cause::UserRequest).await;
        world.until_heard().await;
        assert!(world.gate().apply_attributes(&ADMIN, Whose::Of(subject)).await.is_err(), "nobody is connected");
    }
}

on_both! {
    /// A router that calls a running tunnel unknown: by its setting that is no proof, and it is asked again.
    async fn what_a_router_says_it_does_not_know_is_no_proof_where_it_is_unsure(world: World) {
        world.habit("coa_not_found", "unsure").await;
        let tunnel = world.connected().await;
        world.router.treat_disconnects(DisconnectHabit::Refuse(503));
        let session = world.session().await.unwrap();
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        let pending = async || world.gate().reader().pending_cuts().await.unwrap();
        world
            .until("the router has refused", || async {
                pending().await.first().is_some_and(|cut| cut.outcome.as_deref().is_some_and(|word| word.contains("503")))
            })
            .await;
        let row = world.gate().reader().connections().await.unwrap().remove(0);
        assert!(tunnel.is_up() && row.ended_at.is_none());
        world.router.treat_disconnects(DisconnectHabit::Obey);
        world.after(AGAIN);
        tunnel.ended().await;
        world.until("the Stop proves it", || async { pending().await.is_empty() }).await;
    }
}

on_both! {
    async fn what_a_router_does_not_know_is_gone_by_default(world: World) {
        let tunnel = world.connected().await;
        world.router.treat_disconnects(DisconnectHabit::Refuse(503));
        let session = world.session().await.unwrap();
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        world
            .until("it is taken for gone", || async {
                let row = world.gate().reader().connections().await.unwrap().remove(0);
                row.cause.as_deref() == Some("gone")
            })
            .await;
        assert!(world.gate().reader().pending_cuts().await.unwrap().is_empty());
        assert!(tunnel.is_up(), "the router was wrong, and its next Interim opens it again");
    }
}

/// What a router's `/radius/incoming` was asked: by which code, whether it is signed, and by what the connection is named.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    code: Code,
    signature: Signature,
    named: Vec<AttributeType>,
}

impl Asked {
    fn read(request: &[u8]) -> Self {
        let packet = Packet::parse(request).unwrap();
        let signature = sign::check_hashed_request(&packet, &SharedSecret::new(Secret::new(SECRET))).unwrap();
        // The vendor's are what is changed.
        let says = |kind: &AttributeType| {
            ![AttributeType::MESSAGE_AUTHENTICATOR, AttributeType::VENDOR_SPECIFIC].contains(kind)
        };
        let named = packet.attributes().map(|attribute| attribute.kind).filter(says).collect();
        Self { code: packet.code(), signature, named }
    }
}

impl World {
    /// Ann is connected, her account has a rate that can be changed meanwhile, and what goes to the router is heard.
    async fn overheard(&self) -> (Tunnel, Wire) {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let near = UdpSocket::bind((localhost, 0)).await.unwrap();
        let wire = Wire::lay(near, localhost, self.router.incoming_addr().unwrap()).await;
        let form = RouterForm {
            name: "office".to_owned(),
            address: source_network("127.0.0.1").unwrap(),
            nas_identifier: None,
            coa_port: wire.near().port(),
            message_authenticator: Demand::Auto,
        };
        let office = self.router_id().await;
        self.gate().change_router(&ADMIN, office, &form).await.unwrap();
        let goes_there = || async {
            let routers = self.gate().directory().routers();
            routers.router(office).is_some_and(|router| router.coa_port == form.coa_port)
        };
        self.until("the port is known", goes_there).await;
        let tunnel = self.connected().await;
        let rate = ("Mikrotik-Rate-Limit".to_owned(), "5M/10M".to_owned());
        let subject = Subject::Account(self.account("ann").await);
        self.gate().set_attributes(&ADMIN, subject, &[rate]).await.unwrap();
        (tunnel, wire)
    }

    /// The rate goes to the tunnel; gives what was sent until the router took it.
    async fn change(&self, wire: &Wire) -> Vec<Asked> {
        wire.take();
        let subject = Subject::Account(self.account("ann").await);
        self.gate().apply_attributes(&ADMIN, Whose::Of(subject)).await.unwrap();
        self.until_order(OrderState::Acknowledged).await;
        wire.take().iter().map(|request| Asked::read(request)).collect()
    }

    /// The tunnel is cut; gives what was sent until it was down.
    async fn cut(&self, tunnel: &Tunnel, wire: &Wire) -> Vec<Asked> {
        wire.take();
        let row = self.gate().reader().connections().await.unwrap().remove(0);
        self.gate().cut_connection(&ADMIN, row.id).await.unwrap();
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        wire.take().iter().map(|request| Asked::read(request)).collect()
    }
}

on_both! {
    async fn a_router_is_told_which_connection_is_meant_by_what_it_wants_to_hear(world: World) {
        let (tunnel, wire) = world.overheard().await;
        let (name, id) = (AttributeType::USER_NAME, AttributeType::ACCT_SESSION_ID);
        let (nas, framed) = (AttributeType::NAS_IP_ADDRESS, AttributeType::FRAMED_IP_ADDRESS);
        for (word, named) in [
            ("full", vec![nas, name, id, framed]),
            ("without_nas_address", vec![name, id, framed]),
            ("session_id", vec![id]),
        ] {
            world.habit("coa_identification", word).await;
            let asked = world.change(&wire).await.remove(0);
            assert_eq!(asked, Asked { code: Code::COA_REQUEST, signature: Signature::Present, named }, "{word}");
        }
        assert_eq!(tunnel.rate_limit().as_deref(), Some("5M/10M"));
        // A Disconnect goes by memory, which follows.
        let office = world.router_id().await;
        let habits = || world.gate().directory().habits(office).coa;
        let follows = || async { habits().identification == Identification::SessionId };
        world.until("the habit is known", follows).await;
        let asked = world.cut(&tunnel, &wire).await.remove(0);
        assert_eq!((asked.code, asked.named), (Code::DISCONNECT_REQUEST, vec![id]));
    }
}

on_both! {
    async fn a_router_is_asked_with_a_signature_or_without_as_it_wants_it(world: World) {
        let (tunnel, wire) = world.overheard().await;
        let (with, without) = (Signature::Present, Signature::Absent);
        for (word, signature) in [("no", without), ("auto", with), ("yes", with), ("no", without)] {
            world.habit("coa_message_authenticator", word).await;
            let asked = world.change(&wire).await.remove(0);
            assert_eq!((asked.code, asked.signature), (Code::COA_REQUEST, signature), "{word}");
        }
        let office = world.router_id().await;
        let follows = || async { world.gate().directory().habits(office).coa.signing == Signing::No };
        world.until("the habit is known", follows).await;
        let asked = world.cut(&tunnel, &wire).await.remove(0);
        assert_eq!((asked.code, asked.signature), (Code::DISCONNECT_REQUEST, Signature::Absent));
    }
}

/// The first two transmissions are lost on the way, which is waited for in real time: both words at once.
#[tokio::test]
async fn after_silence_a_request_goes_without_a_signature_only_if_that_is_left_to_radgram() {
    let third_is = async |word: &str, signature| {
        let world = World::with_ann(Base::Sqlite).await;
        let (_tunnel, wire) = world.overheard().await;
        world.habit("coa_message_authenticator", word).await;
        world.router.faults().lose_incoming_requests(2);
        let signatures: Vec<Signature> = world.change(&wire).await.iter().map(|asked| asked.signature).collect();
        assert_eq!(signatures, [Signature::Present, Signature::Present, signature], "{word}");
    };
    tokio::join!(third_is("auto", Signature::Absent), third_is("yes", Signature::Present));
}
