//! `radgram radius test`: the program asks a server and a router, and says what came back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/edge.rs"]
mod edge;

use std::net::SocketAddr;
use std::process::Stdio;

use edge::{CALLER, Edge, LOCALHOST, SECRET, secret};
use radgram::crypto::{mppe, mschap};
use radgram::proto::radius::{Code, Opening, Packet, PacketBuilder, VendorType, hide, sign};
use radgram::sim::router::{Dial, DialOutcome, IncomingConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use tokio::process::Command;

/// Runs it with these lines on standard input: whether it succeeded, and all that it said.
async fn test(line: &str, input: &str) -> (bool, String) {
    let (code, said) = ran(line, input).await;
    (code == Some(0), said)
}

/// The same with its exit code.
async fn ran(line: &str, input: &str) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_radgram"))
        .args(["radius", "test"])
        .args(line.split_whitespace())
        .env_clear()
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[track_caller]
fn says(said: &(bool, String), succeeds: Succeeds, parts: &[&str]) {
    let (success, text) = said;
    assert_eq!(*success, succeeds == Succeeds::Yes, "{text}");
    for part in parts {
        assert!(text.contains(part), "no {part} in {text}");
    }
    for secret in [SECRET, "clientPass", "wrongPass"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[derive(PartialEq, Eq)]
enum Succeeds {
    Yes,
    No,
}

#[tokio::test]
async fn each_method_logs_in_and_the_servers_proofs_are_looked_at() {
    let edge = Edge::start().await;
    for method in ["pap", "chap", "mschapv1", "mschapv2"] {
        let line = format!("log-in User --method {method} --caller {CALLER} --server {}", edge.auth);
        let said = test(&line, "testing123\nclientPass\n").await;
        let parts = ["Access-Request", "User-Name = \"User\"", "Access-Accept", "Session-Timeout = 28800", "<hidden"];
        says(&said, Succeeds::Yes, &parts);
        let keys = if method.starts_with("ms") { "MPPE keys: right." } else { "The Message-Authenticator is right." };
        says(&said, Succeeds::Yes, &[keys]);
        assert_eq!(said.1.contains("MS-CHAP2-Success: right."), method == "mschapv2");
        let said = test(&line, "testing123\nwrongPass\n").await;
        says(
            &said,
            Succeeds::No,
            &["Access-Reject", "Reply-Message = \"Access denied\"", "the answer is Access-Reject"],
        );
    }
}

#[tokio::test]
async fn what_else_a_server_is_asked() {
    let edge = Edge::start().await;
    let said = test(&format!("status --server {}", edge.auth), "testing123\n").await;
    says(&said, Succeeds::Yes, &["Status-Server", "Access-Accept"]);
    let start = format!(
        "accounting start User --session 81a00001 --caller {CALLER} --nas-identifier desk --server {} \
         --attribute Framed-IP-Address=10.8.0.5",
        edge.acct
    );
    let said = test(&start, "testing123\n").await;
    says(&said, Succeeds::Yes, &["Acct-Status-Type = Start", "Framed-IP-Address = 10.8.0.5", "Accounting-Response"]);
    assert_eq!(edge.gate.reader().open_connection_count().await.unwrap(), 1);
    let silent = format!("status --timeout 1 --tries 1 --server {}", edge.auth);
    says(&test(&silent, "another\n").await, Succeeds::No, &["no answer after 1 transmissions"]);
}

#[tokio::test]
async fn a_router_is_told_to_change_and_to_end_a_connection() {
    let edge = Edge::start().await;
    let router = edge.router_that(|config| config.incoming = Some(IncomingConfig::new(LOCALHOST))).await;
    let DialOutcome::Connected(tunnel) = router.dial(Dial::new("User", "clientPass")).await else {
        panic!("not connected")
    };
    let (at, session) = (router.incoming_addr().unwrap(), tunnel.acct_session_id().to_owned());
    let change = format!("change User --session {session} --server {at} --attribute Mikrotik-Rate-Limit=5M/5M");
    let said = test(&change, "testing123\n").await;
    says(&said, Succeeds::Yes, &["CoA-Request", "Mikrotik-Rate-Limit = \"5M/5M\"", "CoA-ACK"]);
    assert_eq!(tunnel.rate_limit().as_deref(), Some("5M/5M"));
    let nobody = format!("disconnect User --session 81fffff0 --server {at}");
    says(&test(&nobody, "testing123\n").await, Succeeds::No, &["Disconnect-NAK", "Error-Cause = "]);
    let said = test(&format!("disconnect User --session {session} --server {at}"), "testing123\n").await;
    says(&said, Succeeds::Yes, &["Disconnect-ACK"]);
    tunnel.ended().await;
}

/// How a server that lets everybody in proves that it knows the password.
#[derive(Debug, Clone, Copy)]
enum Proves {
    /// As a client expects it; without keys, which need not be there.
    All,
    /// The same, and does not sign what it says.
    AllUnsigned,
    /// Not at all.
    Nothing,
    /// With another password.
    Another,
    /// With the right one, and with the keys of another.
    AllButTheKeys,
    /// With the right one, and one key of two.
    AllButOneKey,
}

/// Where such a server listens.
async fn server(proves: Proves) -> SocketAddr {
    let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            socket.send_to(&accept(&buffer[..length], proves), client).await.unwrap();
        }
    });
    address
}

fn accept(request: &[u8], proves: Proves) -> Vec<u8> {
    let request = Packet::parse(request).unwrap();
    let (password, keys_of) = match proves {
        Proves::All | Proves::AllUnsigned => (Some("clientPass"), None),
        Proves::Nothing => (None, None),
        Proves::Another => (Some("another"), None),
        Proves::AllButTheKeys => (Some("clientPass"), Some("another")),
        Proves::AllButOneKey => (Some("clientPass"), Some("clientPass")),
    };
    let opening = match proves {
        Proves::AllUnsigned => Opening::Bare,
        _ => Opening::MessageAuthenticator,
    };
    // MS-CHAP2-Response: identifier, flags, peer challenge (16), reserved (8), response (24); RFC 2548 §2.3.2.
    let challenge: [u8; 16] = request.vendor(VendorType::MS_CHAP_CHALLENGE).unwrap().try_into().unwrap();
    let proof = request.vendor(VendorType::MS_CHAP2_RESPONSE).unwrap();
    let (peer, response): ([u8; 16], [u8; 24]) = (proof[2..18].try_into().unwrap(), proof[26..].try_into().unwrap());
    let exchange = mschap::Exchange { peer: &peer, authenticator: &challenge, user: b"User" };
    let mut reply = PacketBuilder::new(Code::ACCESS_ACCEPT, request.identifier(), opening);
    if let Some(password) = password {
        let success = mschap::authenticator_response(&exchange, &mschap::nt_hash(password), &response);
        reply.push_vendor(VendorType::MS_CHAP2_SUCCESS, &[&proof[..1], &success].concat()).unwrap();
    }
    if let Some(password) = keys_of {
        let keys = mppe::StartKeys::new(&mschap::nt_hash(password), &response);
        let hidden = |key, salt| hide::hide_key(key, salt, request.authenticator(), &secret());
        reply.push_vendor(VendorType::MS_MPPE_SEND_KEY, &hidden(&keys.send, [0, 1])).unwrap();
        if !matches!(proves, Proves::AllButOneKey) {
            reply.push_vendor(VendorType::MS_MPPE_RECV_KEY, &hidden(&keys.recv, [0, 2])).unwrap();
        }
    }
    sign::sign_reply(reply, request.authenticator(), &secret())
}

#[tokio::test]
async fn a_server_that_does_not_prove_itself_is_no_success_though_it_lets_in() {
    let signed = "The Message-Authenticator is right.";
    for (proves, code, parts) in [
        (Proves::All, 0, [signed, "MS-CHAP2-Success: right."]),
        (
            Proves::AllUnsigned,
            0,
            ["There is no Message-Authenticator: RouterOS from 7.15 on does not take it.", "MS-CHAP2-Success: right."],
        ),
        (Proves::Nothing, 1, [signed, "MS-CHAP2-Success: missing; a VPN client hangs up"]),
        (Proves::Another, 1, [signed, "MS-CHAP2-Success: wrong; a VPN client hangs up"]),
        (Proves::AllButTheKeys, 1, ["MS-CHAP2-Success: right.", "MPPE keys: wrong; a VPN client hangs up"]),
        (Proves::AllButOneKey, 1, ["MS-CHAP2-Success: right.", "MPPE keys: missing; a VPN client hangs up"]),
    ] {
        let line = format!("log-in User --caller {CALLER} --server {}", server(proves).await);
        let (ended, said) = ran(&line, "testing123\nclientPass\n").await;
        assert_eq!(ended, Some(code), "{proves:?}: {said}");
        let succeeds = if code == 0 { Succeeds::Yes } else { Succeeds::No };
        says(&(code == 0, said), succeeds, &[&["Access-Accept"][..], &parts].concat());
    }
}

#[tokio::test]
async fn what_is_typed_wrong_is_said() {
    for (line, part) in [
        ("status --server nowhere", "--server nowhere: expected"),
        ("status --attribute Session-Timeout", "expected NAME=VALUE"),
        ("status --attribute No-Such=1", "no such attribute"),
        ("status --attribute Session-Timeout=soon", "Session-Timeout takes a number"),
    ] {
        says(&test(line, "testing123\n").await, Succeeds::No, &[part]);
    }
    says(&test("status", "").await, Succeeds::No, &["the shared secret is one line on standard input"]);
}
