//! Ann's client speaks IKEv2: it logs in by EAP, through the same door as every other.

use radgram::proto::radius::{AttributeType, Code};
use radgram::store::attempt::Verdict;

use crate::eap::Nas;
use crate::world::{ADMIN, Base, HOME, PASSWORD, SECRET, World, hours};

impl World {
    async fn ikev2(&self) -> Nas {
        Nas::new(self.radius().0, SECRET, "ann", PASSWORD, HOME).await
    }

    /// How the attempts by EAP ended, the last first.
    async fn by_eap(&self, count: usize) -> Vec<(Verdict, Option<String>)> {
        let read = || async {
            let attempts = self.gate().reader().attempts().await.unwrap();
            let by_eap = attempts.into_iter().filter(|attempt| attempt.method == "eap-mschapv2");
            by_eap.map(|attempt| (attempt.verdict, attempt.reason)).collect::<Vec<_>>()
        };
        self.until("the attempts are written", || async { read().await.len() == count }).await;
        read().await
    }
}

on_both! {
    async fn a_session_lets_in_and_its_connection_counts(world: World) {
        world.request().await;
        let nas = world.ikev2().await;
        let accept = nas.log_in().await;
        assert_eq!(accept.code(), Code::ACCESS_ACCEPT);
        assert_eq!(accept.packet().integer(AttributeType::SESSION_TIMEOUT), Some(24 * 3600));
        assert_eq!(world.by_eap(1).await, [(Verdict::Accept, None)]);
        nas.account(world.radius().1, 1, &accept).await;
        world.until_heard().await;
        let connections = world.gate().reader().connections().await.unwrap();
        let connection = connections.first().expect("the connection is booked");
        assert_eq!(connection.session, world.session().await.map(|session| session.id));
        assert!(connection.ended_at.is_none());
    }
}

on_both! {
    async fn without_a_session_the_person_is_asked_before_anything_is_granted(world: World) {
        let nas = world.ikev2().await;
        let (proof, told) = nas.prove().await;
        // The client is told no, and the knock is on its way already.
        assert!(told.failed().starts_with("E=691 R=0 C="), "{}", told.failed());
        let knock = world.ann.reads("Someone is connecting as ann").await;
        assert!(knock.text.contains(HOME), "{}", knock.text);
        assert!(nas.acknowledge(&proof, &told).await.rejected().contains("no session"));
        assert_eq!(world.by_eap(1).await, [(Verdict::Reject, Some("no_session".to_owned()))]);
        world.ann.presses(&knock, "Yes, 24 h").await;
        assert_eq!(nas.log_in().await.code(), Code::ACCESS_ACCEPT);
        assert_eq!(world.ann.count("Someone is connecting"), 1);
    }
}

on_both! {
    async fn a_session_that_ends_between_proof_and_end_lets_nobody_in(world: World) {
        world.request().await;
        let nas = world.ikev2().await;
        let (proof, told) = nas.prove().await;
        let session = world.session().await.expect("Ann has asked for it");
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        nas.acknowledge(&proof, &told).await.rejected();
        let refused = (Verdict::Reject, Some("no_session".to_owned()));
        assert_eq!(world.by_eap(2).await, [refused, (Verdict::Accept, None)]);
    }
}

#[tokio::test]
async fn what_is_granted_at_the_proof_is_not_longer_than_the_session_at_the_end() {
    let world = World::with_ann(Base::Sqlite).await;
    world.request().await;
    let nas = world.ikev2().await;
    let (proof, told) = nas.prove().await;
    world.after(hours(1));
    let accept = nas.acknowledge(&proof, &told).await;
    nas.check_accept(&accept, &proof);
    assert_eq!(accept.packet().integer(AttributeType::SESSION_TIMEOUT), Some(23 * 3600));
    let (proof, told) = nas.prove().await;
    world.after(hours(23));
    nas.acknowledge(&proof, &told).await.rejected();
}

/// Windows gives its address as identity, and the router calls it so in RADIUS; the log-in is Ann's all the same.
#[tokio::test]
async fn the_name_of_the_proof_counts_and_not_the_identity() {
    let world = World::with_ann(Base::Sqlite).await;
    let mut nas = world.ikev2().await;
    nas.identity = "192.168.88.20".to_owned();
    nas.name = "OFFICE\\ann".to_owned();
    nas.log_in().await.rejected();
    let knock = world.ann.reads("Someone is connecting as ann").await;
    world.ann.presses(&knock, "Yes, 24 h").await;
    let accept = nas.log_in().await;
    assert_eq!(accept.code(), Code::ACCESS_ACCEPT);
    nas.account(world.radius().1, 1, &accept).await;
    world.until_heard().await;
    let account = world.account("ann").await;
    let connections = world.gate().reader().connections().await.unwrap();
    assert_eq!(connections.first().and_then(|connection| connection.account), Some(account));
    // Somebody else's name as identity opens no other door: the password is that of the name in the proof.
    nas.identity = "ann".to_owned();
    nas.name = "nobody".to_owned();
    let (proof, told) = nas.prove().await;
    assert!(told.failed().ends_with("M=Access denied"), "{}", told.failed());
    assert_eq!(nas.acknowledge(&proof, &told).await.rejected(), "Access denied");
}
