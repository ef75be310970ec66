//! Every way in which a packet can be wrong, sent to the server: what is not answered and what is refused, each counted under
//! its own word. The packets are those of `tests/vectors/malformed*.txt`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/blocks.rs"]
mod blocks;
#[path = "support/eap.rs"]
mod eap;
#[path = "support/edge.rs"]
mod edge;

use std::net::IpAddr;
use std::time::Duration;

use blocks::{Block, blocks};
use eap::Nas;
use edge::{CALLER, Client, Edge, LOCALHOST, SECRET, checked, pap};
use radgram::crypto::hex;
use radgram::proto::radius::{Code, Opening, Signature};

const NOT_PACKETS: &str = include_str!("vectors/malformed.txt");
const REQUESTS: &str = include_str!("vectors/malformed_requests.txt");
/// What operators read about each word.
const GUIDE: &str = include_str!("../docs/radius.md");

/// Longer than anything takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What becomes of a vector.
#[derive(Clone, Copy)]
enum Fate {
    Dropped(&'static str),
    Refused(&'static str),
}

impl Fate {
    #[track_caller]
    fn of(block: &Block<'static>) -> Self {
        let dropped = block.find("dropped").or(block.find("label")).map(Self::Dropped);
        dropped.or(block.find("refused").map(Self::Refused)).unwrap_or_else(|| panic!("{}: no fate", block.title))
    }

    fn word(self) -> &'static str {
        match self {
            Self::Dropped(word) | Self::Refused(word) => word,
        }
    }

    fn count(self, edge: &Edge) -> u64 {
        match self {
            Self::Dropped(word) => edge.drops(word),
            Self::Refused(word) => edge.gate.metrics().refusals(word),
        }
    }
}

async fn client(router: Option<&str>) -> Client {
    let last = match router {
        None => return Client::new(LOCALHOST).await,
        Some("old") => 3,
        Some("strict") => 4,
        Some("stranger") => 99,
        Some(other) => panic!("no router {other}"),
    };
    Client::new(IpAddr::from([127, 0, 0, last])).await
}

/// Sends a vector; it must be counted once, and be refused or not answered at all.
async fn send(edge: &Edge, block: &Block<'static>) {
    let (fate, octets) = (Fate::of(block), hex::decode(block.text("hex")).unwrap());
    let server = if block.find("port") == Some("acct") { edge.acct } else { edge.auth };
    let (client, before) = (client(block.find("from")).await, fate.count(edge));
    match fate {
        Fate::Dropped(word) => {
            client.send(server, &octets).await;
            until_counted(edge, fate, before).await;
            if word != "unknown_router" {
                // The next reply is to this one; `ask` sees that it is.
                client.ask(server, &client.status()).await;
            }
        }
        Fate::Refused(_) => {
            let reply = client.ask(server, &octets).await;
            assert_eq!(checked(&reply, &octets), (Code::ACCESS_REJECT, Signature::Present), "{}", block.title);
        }
    }
    assert_eq!(fate.count(edge), before + 1, "{}: {}", block.title, fate.word());
}

/// Waits until one more was counted: some are looked up in the database first.
async fn until_counted(edge: &Edge, fate: Fate, before: u64) {
    let counted = async {
        while fate.count(edge) == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let word = fate.word();
    tokio::time::timeout(PATIENCE, counted).await.unwrap_or_else(|_| panic!("never counted under {word}"));
}

/// None of what was wrong has left a trace by which a good log-in fails.
async fn still_serves(edge: &Edge) {
    let good = pap(Opening::MessageAuthenticator, "User", "clientPass", |_| ());
    let reply = Client::new(LOCALHOST).await.ask(edge.auth, &good).await;
    assert_eq!(checked(&reply, &good).0, Code::ACCESS_ACCEPT);
    assert_eq!(edge.gate.metrics().accepts.get(), 1, "something wrong was let in");
    assert_eq!(edge.gate.metrics().records.get(), 0, "something wrong was booked");
}

#[tokio::test]
async fn octets_that_are_no_packet_are_counted_and_not_answered() {
    let edge = Edge::start().await;
    for block in blocks(NOT_PACKETS) {
        send(&edge, &block).await;
    }
    still_serves(&edge).await;
}

#[tokio::test]
async fn requests_that_are_wrong_are_counted_and_let_nobody_in() {
    let edge = Edge::start().await;
    for block in blocks(REQUESTS).iter().filter(|block| block.kind() == "malformed") {
        send(&edge, block).await;
    }
    still_serves(&edge).await;
}

#[tokio::test]
async fn what_is_no_answer_to_a_challenge_is_counted_and_lets_nobody_in() {
    let edge = Edge::start().await;
    let nas = Nas::new(edge.auth, SECRET, "User", "clientPass", CALLER).await;
    let client = Client::new(LOCALHOST).await;
    for block in blocks(REQUESTS).iter().filter(|block| block.kind() == "said") {
        let challenge = nas.introduce().await;
        assert_eq!(challenge.asked().0, 8, "the vectors answer this one");
        let (request, authenticator) =
            nas.request(&hex::decode(block.text("eap")).unwrap(), challenge.state.as_deref());
        let (fate, before) = (Fate::of(block), Fate::of(block).count(&edge));
        match fate {
            Fate::Dropped(_) => client.is_not_answered(edge.auth, &request).await,
            Fate::Refused(_) => {
                nas.ask(&request, authenticator).await.rejected();
            }
        }
        assert_eq!(fate.count(&edge), before + 1, "{}: {}", block.title, fate.word());
    }
    still_serves(&edge).await;
}

#[test]
fn every_word_is_explained_to_operators() {
    for block in blocks(NOT_PACKETS).iter().chain(&blocks(REQUESTS)) {
        let word = Fate::of(block).word();
        assert!(GUIDE.contains(&format!("`{word}`")), "docs/radius.md does not explain {word} ({})", block.title);
    }
}
