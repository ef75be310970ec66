//! The simulated router as RADIUS client, against a small scripted server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scripted;

use std::net::Ipv4Addr;
use std::time::Duration;

use radgram::proto::radius::{AttributeType, Packet};
use radgram::secret::Secret;
use radgram::sim::router::accounting::Traffic;
use radgram::sim::router::{
    Cause, Delivery, Dial, DialOutcome, Encryption, Failure, HangUp, Method, RequireMessageAuth, RouterConfig, Service,
    StartNotice,
};

use scripted::{
    Answer, LOCALHOST, Scripted, accept, accept_by_a_stranger, accept_unsigned, accept_with_another_proof,
    accept_with_another_v1_key, accept_with_swapped_keys, accept_without_keys, accept_without_proof, challenge, config,
    connected, dial_by, hasty, integer, only_interims, recorded, reject, silent, start, text,
};

#[tokio::test]
async fn every_method_connects_and_is_accounted() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, _) = start(config(&server)).await;
    for method in [Method::Pap, Method::Chap, Method::MsChapV1, Method::MsChapV2] {
        let tunnel = connected(router.dial(dial_by(method)).await);
        let request = server.login().await;
        assert_eq!(integer(&request, AttributeType::SERVICE_TYPE), Some(2));
        assert_eq!(integer(&request, AttributeType::FRAMED_PROTOCOL), Some(1));
        assert_eq!(integer(&request, AttributeType::NAS_PORT_TYPE), Some(5));
        assert_eq!(text(&request, AttributeType::NAS_IDENTIFIER).as_deref(), Some("MikroTik"));
        assert_eq!(Packet::parse(&request).unwrap().address(AttributeType::NAS_IP_ADDRESS), Some(LOCALHOST));
        assert_eq!(text(&request, AttributeType::ACCT_SESSION_ID).as_deref(), Some(tunnel.acct_session_id()));

        assert_eq!(tunnel.start_delivered().await, Delivery::Answered);
        let started = server.expect(1).await;
        assert_eq!(text(&started, AttributeType::CLASS).as_deref(), Some("SESS-1"));
        assert_eq!(integer(&started, AttributeType::ACCT_AUTHENTIC), Some(1));
        assert_eq!(integer(&started, AttributeType::ACCT_DELAY_TIME), Some(0));

        tunnel.carry(Traffic { input_octets: (1 << 32) + 5, ..Traffic::default() });
        assert_eq!(tunnel.hang_up(Cause::UserRequest).await, Delivery::Answered);
        let stopped = server.expect(2).await;
        assert_eq!(integer(&stopped, AttributeType::ACCT_TERMINATE_CAUSE), Some(1));
        assert_eq!(integer(&stopped, AttributeType::ACCT_INPUT_OCTETS), Some(5));
        assert_eq!(integer(&stopped, AttributeType::ACCT_INPUT_GIGAWORDS), Some(1));
        assert!(!tunnel.is_up());
        assert_eq!(tunnel.hang_up(Cause::UserRequest).await, Delivery::GivenUp);
    }
    let counters = router.counters();
    assert_eq!((counters.accepts, counters.resends, counters.bad_replies), (12, 0, 0));
}

#[tokio::test]
async fn an_accept_is_taken_over() {
    let server = Scripted::start(accept, recorded).await;
    let (router, clock) = start(config(&server)).await;
    let tunnel = connected(router.dial(Dial::new("DOMAIN\\User", "clientPass")).await);
    assert_eq!(tunnel.session_timeout(), Some(Duration::from_secs(28_800)));
    assert_eq!(tunnel.interim_interval(), Some(Duration::from_secs(60)));
    assert_eq!(tunnel.address(), Ipv4Addr::new(10, 9, 0, 5));
    assert_eq!(tunnel.class(), [b"SESS-1".to_vec()]);
    assert_eq!(tunnel.rate_limit().as_deref(), Some("10M/20M"));
    assert_eq!(tunnel.acct_session_id(), "81000001");
    let now = radgram::clock::Clock::now(&clock);
    assert_eq!(tunnel.expires(), Some(now + Duration::from_secs(28_800)));
    assert_eq!(router.tunnels().len(), 1);
}

#[tokio::test]
async fn a_reject_and_a_challenge_are_told_apart() {
    let server = Scripted::start(reject, recorded).await;
    let (router, _) = start(config(&server)).await;
    let DialOutcome::Rejected { reply_message, ms_chap_error } = router.dial(Dial::new("User", "x")).await else {
        panic!("not rejected");
    };
    assert_eq!(reply_message.as_deref(), Some("no"));
    assert_eq!(ms_chap_error.as_deref(), Some("E=691 R=0 V=3"));
    assert_eq!(router.counters().rejects, 1);

    let server = Scripted::start(challenge, recorded).await;
    let (router, _) = start(config(&server)).await;
    let outcome = router.dial(Dial::new("User", "x")).await;
    assert!(matches!(outcome, DialOutcome::Failed(Failure::Challenged)));
}

#[tokio::test]
async fn a_client_hangs_up_on_a_server_that_does_not_know_the_password() {
    let demanding = Dial { encryption: Encryption::Demanded, ..Dial::new("User", "clientPass") };
    for (answer, dial, expected) in [
        (accept_without_proof as Answer, Dial::new("User", "clientPass"), HangUp::SuccessMissing),
        (accept_with_another_proof, Dial::new("User", "clientPass"), HangUp::SuccessWrong),
        (accept_without_keys, demanding.clone(), HangUp::KeysMissing),
        (accept_with_swapped_keys, Dial::new("User", "clientPass"), HangUp::KeysWrong),
        (accept_without_proof, Dial { method: Method::MsChapV1, ..demanding.clone() }, HangUp::KeysMissing),
        (accept_with_another_v1_key, dial_by(Method::MsChapV1), HangUp::KeysWrong),
    ] {
        let mut server = Scripted::start(answer, recorded).await;
        let (router, _) = start(config(&server)).await;
        let DialOutcome::ClientHungUp { why } = router.dial(dial).await else { panic!("{expected:?}: no hang-up") };
        assert_eq!(why, expected);
        let started = server.expect(1).await;
        let stopped = server.expect(2).await;
        assert_eq!(text(&started, AttributeType::ACCT_SESSION_ID), text(&stopped, AttributeType::ACCT_SESSION_ID));
    }
}

#[tokio::test]
async fn a_server_that_is_silent_leads_to_the_next() {
    let dead = Scripted::start(silent, silent).await;
    let mut alive = Scripted::start(accept, recorded).await;
    let (router, _) = start(RouterConfig { tries: 2, ..hasty(&dead) }).await;
    assert!(matches!(router.dial(Dial::new("User", "clientPass")).await, DialOutcome::Timeout));
    assert_eq!((router.counters().timeouts, router.counters().resends), (1, 1));

    let mut both = RouterConfig { tries: 50, ..hasty(&dead) };
    both.servers.push(alive.entry.clone());
    let (router, _) = start(both).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    assert!(tunnel.is_up());
    alive.login().await;
}

#[tokio::test]
async fn replies_that_are_not_in_order_are_bad() {
    for answer in [accept_unsigned as Answer, accept_by_a_stranger] {
        let server = Scripted::start(answer, recorded).await;
        let (router, _) = start(RouterConfig { timeout: Duration::from_millis(300), ..config(&server) }).await;
        assert!(matches!(router.dial(Dial::new("User", "x")).await, DialOutcome::Timeout));
        assert!(router.counters().bad_replies >= 1);
        assert_eq!(router.counters().accepts, 0);
    }
    let server = Scripted::start(accept_unsigned, recorded).await;
    let old = RouterConfig { require_message_auth: RequireMessageAuth::No, ..config(&server) };
    let (router, _) = start(old).await;
    connected(router.dial(dial_by(Method::Pap)).await);
}

#[tokio::test]
async fn resends_are_the_same_octets_from_the_same_port() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, _) = start(RouterConfig { timeout: Duration::from_millis(100), tries: 300, ..config(&server) }).await;
    router.faults().lose_replies(2);
    router.faults().duplicate_requests(1);
    connected(router.dial(Dial::new("User", "clientPass")).await);
    let (first, second) = (server.logins.recv().await.unwrap(), server.logins.recv().await.unwrap());
    assert_eq!(first, second);
    assert_eq!(first.0, router.local_addr());

    router.faults().duplicate_requests(0);
    router.faults().lose_requests(2);
    connected(router.dial(Dial::new("User", "clientPass")).await);
    assert!(router.counters().resends >= 2);
}

#[tokio::test]
async fn the_router_hangs_up_when_the_time_is_over() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, clock) = start(config(&server)).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    server.expect(1).await;
    clock.advance(Duration::from_secs(60));
    let interim = server.expect(3).await;
    assert_eq!(integer(&interim, AttributeType::ACCT_SESSION_TIME), Some(60));
    clock.advance(Duration::from_secs(28_800));
    assert_eq!(tunnel.ended().await, Cause::SessionTimeout);
    let stopped = server.expect(2).await;
    assert_eq!(integer(&stopped, AttributeType::ACCT_TERMINATE_CAUSE), Some(5));
    assert_eq!(router.tunnels().len(), 0);
}

#[tokio::test]
async fn a_start_is_given_up_and_never_repeated() {
    let mut server = Scripted::start(accept, only_interims).await;
    // Log-in and the interim need a patient router, the Start a hasty one: many tries serve both.
    let (router, _) = start(RouterConfig { timeout: Duration::from_millis(50), tries: 20, ..config(&server) }).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    assert_eq!(tunnel.start_delivered().await, Delivery::GivenUp);
    assert_eq!(tunnel.interim().await, Delivery::Answered);
    let mut delays = Vec::new();
    loop {
        let record = server.record().await;
        if integer(&record, AttributeType::ACCT_STATUS_TYPE) == Some(3) {
            break;
        }
        delays.push(integer(&record, AttributeType::ACCT_DELAY_TIME).unwrap());
    }
    delays.dedup();
    assert_eq!(delays, [0, 1, 2]);
    assert!(tunnel.is_up());
}

#[tokio::test]
async fn a_reboot_says_nothing_and_changes_the_session_ids() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, _) = start(config(&server)).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    server.expect(1).await;
    router.reboot();
    assert_eq!(tunnel.ended().await, Cause::NasReboot);
    assert_eq!(router.accounting_on().await, Delivery::Answered);
    server.expect(7).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    assert_eq!(tunnel.acct_session_id(), "81100001");
    server.expect(1).await;
    assert_eq!(router.accounting_off().await, Delivery::Answered);
    server.expect(8).await;
}

#[tokio::test]
async fn a_local_secret_wins_and_is_accounted_as_such() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, _) = start(config(&server)).await;
    router.local_secret("ann", Secret::new("local"));
    let tunnel = connected(router.dial(Dial::new("ann", "local")).await);
    let started = server.expect(1).await;
    assert_eq!(integer(&started, AttributeType::ACCT_AUTHENTIC), Some(2));
    assert_eq!(text(&started, AttributeType::CLASS), None);
    assert_eq!(tunnel.address(), Ipv4Addr::new(10, 8, 0, 2));
    let outcome = router.dial(Dial::new("ann", "clientPass")).await;
    assert!(matches!(outcome, DialOutcome::Rejected { .. }));
    assert!(server.logins.try_recv().is_err());
}

#[tokio::test]
async fn a_held_start_waits_and_addresses_of_the_pool_come_back() {
    let mut server = Scripted::start(accept_unsigned, recorded).await;
    let config = RouterConfig { require_message_auth: RequireMessageAuth::No, ..config(&server) };
    let (router, _) = start(config).await;
    let held = Dial { start: StartNotice::Held, service: Service::Pppoe, ..dial_by(Method::Pap) };
    let first = connected(router.dial(held.clone()).await);
    let second = connected(router.dial(held.clone()).await);
    assert_eq!(second.address(), Ipv4Addr::new(10, 8, 0, 3));
    assert_eq!(second.send_start().await, Delivery::Answered);
    let started = server.expect(1).await;
    assert_eq!(text(&started, AttributeType::ACCT_SESSION_ID).as_deref(), Some(second.acct_session_id()));
    assert_eq!(integer(&started, AttributeType::NAS_PORT_TYPE), Some(15));
    first.hang_up(Cause::UserRequest).await;
    let third = connected(router.dial(held).await);
    assert_eq!(third.address(), first.address());
}
