//! Somebody with the right password and no session is kept waiting at the door until the person has decided.

use std::net::SocketAddr;
use std::time::Duration;

use radgram::domain::account::Switch;
use radgram::domain::user::UserState;
use radgram::entropy::{Entropy, SystemEntropy};
use radgram::gate::hold::HELD_PER_ROUTER;
use radgram::proto::radius::{AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, hide, sign};
use radgram::secret::Secret;
use radgram::sim::telegram::SimMessage;
use sqlx::{Connection, Row};
use tokio::net::UdpSocket;

use crate::eap::{Nas, Proof, Reply};
use crate::world::{ADMIN, Base, Dialled, ELSEWHERE, HOME, PASSWORD, Plan, SECRET, World, hours};

/// `hold_seconds` as it is by default: the refusal leaves a second earlier.
const HOLD: Duration = Duration::from_secs(20);
/// Longer than any reply takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ann is registered, her dials are held, and her router waits long enough for a slow machine.
async fn held(base: Base) -> World {
    let world = World::built(base, Plan { timeout: PATIENCE, ..Plan::default() }).await;
    world.register_ann().await;
    world.set("without_session", "hold").await;
    world
}

macro_rules! held_on_both {
    ($(#[$doc:meta])* async fn $name:ident($world:ident: World) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn journey(mut $world: World) {
                let $world = &mut $world;
                $body
            }

            #[tokio::test]
            async fn on_sqlite() {
                journey(held(Base::Sqlite).await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                journey(held(Base::Postgres(crate::postgres::Database::fresh().await)).await).await;
            }
        }
    };
}

async fn asked(world: &World) -> SimMessage {
    world.ann.reads("waits for your answer").await
}

/// How many questions there were.
fn questions(world: &World) -> usize {
    world.ann.count("Someone is connecting")
}

held_on_both! {
    async fn a_yes_in_time_lets_the_waiting_dial_in(world: World) {
        let (outcome, toast) = tokio::join!(world.dial(), async {
            let question = asked(world).await;
            assert!(question.text.contains(HOME) && question.text.contains("for 19 s"), "{}", question.text);
            world.ann.presses(&question, "Yes, 24 h").await
        });
        let tunnel = outcome.accepted();
        assert!(toast.starts_with("Access is open."), "{toast}");
        assert_eq!(tunnel.session_timeout(), Some(hours(24)));
        tunnel.start_delivered().await;
        world.until_heard().await;
        assert!(tunnel.is_up());
        assert_eq!((questions(world), world.router.counters().bad_replies), (1, 0));
        assert_eq!(world.gate().metrics().held.get(), 0);
    }
}

held_on_both! {
    async fn a_no_refuses_it_and_is_silence_for_ten_minutes(world: World) {
        let (outcome, _) = tokio::join!(world.dial(), async {
            let question = asked(world).await;
            world.ann.presses(&question, "Not now").await
        });
        assert_eq!(outcome.rejected(), "the person did not let the connection in");
        assert_eq!(world.dial().await.rejected(), "no session: the person has not asked for access");
        assert_eq!(questions(world), 1);
    }
}

held_on_both! {
    async fn not_me_refuses_it_and_locks(world: World) {
        let (outcome, _) = tokio::join!(world.dial(), async {
            let question = asked(world).await;
            world.ann.presses(&question, "Not me").await
        });
        assert!(outcome.rejected().contains("locked"));
        assert!(world.session().await.is_none());
    }
}

held_on_both! {
    async fn without_an_answer_it_is_refused_before_the_router_gives_up_and_a_late_yes_lets_the_redial_in(world: World) {
        let (outcome, question) = tokio::join!(world.dial(), async {
            let question = asked(world).await;
            world.after(HOLD - Duration::from_secs(1));
            question
        });
        assert!(outcome.rejected().contains("did not answer in time"));
        world.ann.presses(&question, "Yes, 24 h").await;
        world.dial().await.accepted();
        assert_eq!(questions(world), 1, "the redial asks nothing");
    }
}

held_on_both! {
    async fn a_redial_of_the_same_caller_waits_for_the_same_question(world: World) {
        let ((older, newer), _) = tokio::join!(
            async {
                tokio::join!(world.dial(), async {
                    world.until("the first is held", || async { world.gate().metrics().held.get() == 1 }).await;
                    world.dial().await
                })
            },
            async {
                let question = asked(world).await;
                let given_up = || async { world.router.counters().rejects == 1 };
                world.until("the older dial was given up", given_up).await;
                world.ann.presses(&question, "Yes, 24 h").await
            }
        );
        assert!(older.rejected().contains("dialled again"));
        newer.accepted();
        assert_eq!(questions(world), 1);
    }
}

held_on_both! {
    async fn somebody_elsewhere_does_not_wait_for_a_question_about_another_caller(world: World) {
        let (outcome, _) = tokio::join!(world.dial(), async {
            let question = asked(world).await;
            assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), "no session: the person has not asked for access");
            world.ann.presses(&question, "Yes, 24 h").await
        });
        let tunnel = outcome.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        // Now there is a session, for Ann's address; the other one's question is open, and is its own.
        let (outcome, _) = tokio::join!(world.dial_from(ELSEWHERE), async {
            let question = asked(world).await;
            assert!(question.text.contains(ELSEWHERE), "{}", question.text);
            world.ann.presses(&question, "Not now").await
        });
        outcome.rejected();
        assert!(tunnel.is_up());
    }
}

held_on_both! {
    async fn what_an_operator_does_meanwhile_counts(world: World) {
        let account = world.account("ann").await;
        let (outcome, _) = tokio::join!(world.dial(), async {
            asked(world).await;
            world.gate().grant_session(&ADMIN, account, hours(2)).await.unwrap();
        });
        assert_eq!(outcome.accepted().session_timeout(), Some(hours(2)));
    }
}

held_on_both! {
    async fn an_account_that_is_disabled_meanwhile_is_refused(world: World) {
        let account = world.account("ann").await;
        let (outcome, question) = tokio::join!(world.dial(), async {
            let question = asked(world).await;
            world.gate().switch_account(&ADMIN, account, Switch::Disabled).await.unwrap();
            question
        });
        assert_eq!(outcome.rejected(), "the account is disabled");
        world.ann.presses(&question, "Yes, 24 h").await;
        assert!(world.session().await.is_none());
    }
}

held_on_both! {
    async fn an_account_that_is_locked_meanwhile_is_refused(world: World) {
        let account = world.account("ann").await;
        let (outcome, _) = tokio::join!(world.dial(), async {
            let question = asked(world).await;
            // Locked by hand: the wake-up tells nothing of why, the row does.
            world.sql(&format!("update accounts set locked_at = 1 where id = {}", account.0)).await;
            world.ann.presses(&question, "Yes, 24 h").await
        });
        assert!(outcome.rejected().contains("locked"));
        assert!(world.session().await.is_none());
    }
}

held_on_both! {
    async fn a_limit_of_questions_holds_here_too(world: World) {
        world.set("knocks_per_10min", "1").await;
        world.set("knock_seconds", "30").await;
        let (outcome, question) = tokio::join!(world.dial(), async {
            let question = asked(world).await;
            world.after(Duration::from_secs(19));
            question
        });
        outcome.rejected();
        world.after(Duration::from_secs(11));
        world.ann.sees(&question, "The time to answer is over").await;
        // Nobody is asked any more: there is nothing to wait for.
        assert_eq!(world.dial().await.rejected(), "no session: the person has not asked for access");
        assert_eq!(questions(world), 1);
    }
}

held_on_both! {
    async fn copies_ask_once_and_the_answer_goes_the_way_of_the_newest(world: World) {
        let auth = world.auth();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let request = pap(1, "ann", HOME);
        client.send_to(&request, auth[0]).await.unwrap();
        let question = asked(world).await;
        for (copies, server) in (1..).zip([auth[1], auth[0], auth[1]]) {
            client.send_to(&request, server).await.unwrap();
            let dropped = || async { world.gate().metrics().drops("duplicate_in_flight") == copies };
            world.until("the copy is absorbed", dropped).await;
        }
        world.ann.presses(&question, "Yes, 24 h").await;
        let (reply, source) = receive(&client).await;
        assert_eq!((code(&reply, &request), source), (Code::ACCESS_ACCEPT, auth[1]));
        // A copy that was on its way gets the same octets, from where it was sent to.
        client.send_to(&request, auth[0]).await.unwrap();
        assert_eq!(receive(&client).await, (reply, auth[0]));
        assert_eq!(questions(world), 1);
    }
}

held_on_both! {
    async fn a_restart_loses_nothing(world: World) {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let request = pap(1, "ann", HOME);
        client.send_to(&request, world.auth()[0]).await.unwrap();
        let question = asked(world).await;
        world.until_posted().await;
        world.restart().await;
        // The router asks again, and waits for the same question.
        client.send_to(&request, world.auth()[0]).await.unwrap();
        world.until("it is held again", || async { world.gate().metrics().held.get() == 1 }).await;
        world.ann.presses(&question, "Yes, 24 h").await;
        assert_eq!(code(&receive(&client).await.0, &request), Code::ACCESS_ACCEPT);
        assert_eq!(questions(world), 1);
    }
}

held_on_both! {
    async fn a_stop_does_not_wait_for_an_answer_and_the_yes_counts_afterwards(world: World) {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let request = pap(1, "ann", HOME);
        client.send_to(&request, world.auth()[0]).await.unwrap();
        let question = asked(world).await;
        world.until_posted().await;
        world.stop().await;
        let press = world.ann.press(&question, "Yes, 24 h");
        world.start().await;
        press.toast().await;
        client.send_to(&request, world.auth()[0]).await.unwrap();
        assert_eq!(code(&receive(&client).await.0, &request), Code::ACCESS_ACCEPT);
    }
}

/// A client that speaks IKEv2, and waits for what is said to its proof.
async fn by_eap(world: &World) -> (Nas, Proof, Reply) {
    let nas = Nas::new(world.radius().0, SECRET, "ann", PASSWORD, HOME).await;
    let challenge = nas.introduce().await;
    let proof = nas.proof(&challenge);
    (nas, proof, challenge)
}

/// The question, once the proof waits for its answer.
async fn asked_while_held(world: &World) -> SimMessage {
    let question = asked(world).await;
    world.until("the proof is held", || async { world.gate().metrics().held.get() == 1 }).await;
    question
}

held_on_both! {
    async fn a_dial_by_eap_waits_with_its_proof_and_the_yes_lets_it_in(world: World) {
        let (nas, proof, challenge) = by_eap(world).await;
        let (told, toast) = tokio::join!(nas.say(&proof.eap, &challenge), async {
            let question = asked_while_held(world).await;
            world.ann.presses(&question, "Yes, 24 h").await
        });
        assert!(toast.starts_with("Access is open."), "{toast}");
        let accept = nas.acknowledge(&proof, &told).await;
        assert_eq!(accept.code(), Code::ACCESS_ACCEPT);
        nas.check_accept(&accept, &proof);
        assert_eq!(accept.packet().integer(AttributeType::SESSION_TIMEOUT), Some(24 * 3600));
        nas.account(world.radius().1, 1, &accept).await;
        world.until_heard().await;
        assert_eq!(world.session().await.unwrap().connections.len(), 1);
        assert_eq!((questions(world), world.gate().metrics().held.get()), (1, 0));
    }
}

held_on_both! {
    async fn a_no_to_a_dial_by_eap_fails_its_proof(world: World) {
        let (nas, proof, challenge) = by_eap(world).await;
        let (told, _) = tokio::join!(nas.say(&proof.eap, &challenge), async {
            let question = asked_while_held(world).await;
            world.ann.presses(&question, "Not now").await
        });
        assert!(told.failed().starts_with("E=691 R=0 C="), "{}", told.failed());
        assert_eq!(nas.acknowledge(&proof, &told).await.rejected(), "the person did not let the connection in");
        assert!(world.session().await.is_none());
    }
}

held_on_both! {
    async fn a_flood_of_waiting_dials_keeps_nobody_else_from_being_served(world: World) {
        const ACCOUNTS_OF_ONE: usize = 10;
        const DIALS: usize = HELD_PER_ROUTER + 5;
        world.set("accounts_per_user", &ACCOUNTS_OF_ONE.to_string()).await;
        let gate = world.gate().clone();
        let mut people = Vec::new();
        for number in 0..DIALS.div_ceil(ACCOUNTS_OF_ONE) {
            let telegram_id = 5000 + i64::try_from(number).unwrap();
            people.push(gate.add_user(&ADMIN, telegram_id, "Somebody", UserState::Approved).await.unwrap());
        }
        for number in 0..DIALS {
            let user = Some(people[number / ACCOUNTS_OF_ONE]);
            gate.add_account(&ADMIN, &format!("u{number}"), user, Some(Secret::new(PASSWORD))).await.unwrap();
        }
        gate.grant_session(&ADMIN, world.account("ann").await, hours(2)).await.unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for number in 0..DIALS {
            let request = pap(u8::try_from(number).unwrap(), &format!("u{number}"), HOME);
            client.send_to(&request, world.auth()[0]).await.unwrap();
            if number < HELD_PER_ROUTER {
                let held = || async { gate.metrics().held.get() == i64::try_from(number + 1).unwrap() };
                world.until("it is held", held).await;
            } else {
                // Those above the limit are refused, though nobody has answered anything.
                assert_eq!(receive(&client).await.0.first(), Some(&Code::ACCESS_REJECT.0));
            }
        }
        world.dial().await.accepted();
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), "the session is for another address");
        // Whoever was refused has been asked, too.
        let all_asked = || async { pending_questions(world).await == i64::try_from(DIALS + 1).unwrap() };
        world.until("everybody is asked", all_asked).await;
        world.after(HOLD);
        for _ in 0..HELD_PER_ROUTER {
            assert_eq!(receive(&client).await.0.first(), Some(&Code::ACCESS_REJECT.0));
        }
        world.until("nobody waits", || async { gate.metrics().held.get() == 0 }).await;
    }
}

/// A log-in by hand, signed.
fn pap(identifier: u8, user: &str, caller: &str) -> Vec<u8> {
    let entropy: &dyn Entropy = &SystemEntropy;
    let (authenticator, secret) = (entropy.bytes(), SharedSecret::new(Secret::new(SECRET)));
    let hidden = hide::hide_password(PASSWORD.as_bytes(), &authenticator, &secret).unwrap();
    let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, Opening::MessageAuthenticator);
    packet.push(AttributeType::USER_NAME, user.as_bytes()).unwrap();
    packet.push(AttributeType::USER_PASSWORD, &hidden).unwrap();
    packet.push(AttributeType::CALLING_STATION_ID, caller.as_bytes()).unwrap();
    sign::sign_request(packet, &authenticator, &secret)
}

async fn receive(client: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 4096];
    let received = tokio::time::timeout(PATIENCE, client.recv_from(&mut buffer)).await;
    let (length, source) = received.expect("no reply came").unwrap();
    buffer.truncate(length);
    (buffer, source)
}

#[track_caller]
fn code(reply: &[u8], request: &[u8]) -> Code {
    let (reply, request) = (Packet::parse(reply).unwrap(), Packet::parse(request).unwrap());
    sign::check_reply(&reply, request.authenticator(), &SharedSecret::new(Secret::new(SECRET))).unwrap();
    reply.code()
}

async fn pending_questions(world: &World) -> i64 {
    sqlx::any::install_default_drivers();
    let mut connection = sqlx::AnyConnection::connect(&world.database()).await.unwrap();
    let row = sqlx::query("select count(*) from prompts where state = 'pending' and kind = 'knock'")
        .fetch_one(&mut connection)
        .await;
    let count = row.unwrap().get(0);
    connection.close().await.unwrap();
    count
}
