//! A router that passes EAP on, and a client behind it, by hand: one word at a time, so that a test can do what it likes
//! between two.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use radgram::crypto::{mppe, mschap, same};
use radgram::entropy::{Entropy, SystemEntropy};
use radgram::proto::radius::eap::{self, Eap, Method, MsChapV2};
use radgram::proto::radius::{
    AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, Signature, VendorType, hide, sign,
};
use radgram::secret::Secret;
use tokio::net::UdpSocket;

/// Longer than any reply takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn random<const N: usize>() -> [u8; N] {
    let entropy: &dyn Entropy = &SystemEntropy;
    entropy.bytes()
}

/// How many octets each EAP-Message of a packet holds.
pub fn parts(packet: &[u8]) -> Vec<usize> {
    Packet::parse(packet).unwrap().all(AttributeType::EAP_MESSAGE).map(<[u8]>::len).collect()
}

/// A router with one client.
pub struct Nas {
    pub socket: UdpSocket,
    pub server: SocketAddr,
    pub secret: SharedSecret,
    /// User-Name and EAP identity.
    pub identity: String,
    /// The name that the client logs in with.
    pub name: String,
    pub password: String,
    pub caller: String,
    pub nas_identifier: String,
    pub acct_session_id: String,
    pub service_type: Option<u32>,
}

/// What was said to a request.
pub struct Reply {
    pub bytes: Vec<u8>,
    /// Of the request.
    pub authenticator: [u8; 16],
    pub eap: Vec<u8>,
    pub state: Option<Vec<u8>>,
}

impl Reply {
    pub fn packet(&self) -> Packet<'_> {
        Packet::parse(&self.bytes).unwrap()
    }

    pub fn code(&self) -> Code {
        self.packet().code()
    }

    /// The EAP request, of EAP-MSCHAPv2.
    #[track_caller]
    pub fn asked(&self) -> (u8, MsChapV2<'_>) {
        assert_eq!(self.code(), Code::ACCESS_CHALLENGE);
        match Eap::parse(&self.eap) {
            Ok(Eap::Request { identifier, method: Method::MSCHAPV2, data }) => {
                (identifier, MsChapV2::parse(data).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    /// What a Failure says.
    #[track_caller]
    pub fn failed(&self) -> String {
        match self.asked() {
            (_, MsChapV2::Failure { message, .. }) => String::from_utf8(message.to_vec()).unwrap(),
            other => panic!("no failure: {other:?}"),
        }
    }

    /// Reply-Message of a Reject that ends in EAP-Failure.
    #[track_caller]
    pub fn rejected(&self) -> String {
        assert_eq!(self.code(), Code::ACCESS_REJECT);
        assert!(matches!(Eap::parse(&self.eap), Ok(Eap::Failure { .. })), "{:?}", self.eap);
        self.packet().text(AttributeType::REPLY_MESSAGE).unwrap().to_owned()
    }
}

/// A proof, so that the client knows the server's by it.
pub struct Proof {
    pub eap: Vec<u8>,
    success: Vec<u8>,
    keys: mppe::StartKeys,
}

impl Nas {
    pub async fn new(server: SocketAddr, secret: &str, name: &str, password: &str, caller: &str) -> Self {
        Self {
            socket: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
            server,
            secret: SharedSecret::new(Secret::new(secret)),
            identity: name.to_owned(),
            name: name.to_owned(),
            password: password.to_owned(),
            caller: caller.to_owned(),
            nas_identifier: "ikev2".to_owned(),
            acct_session_id: "87100001".to_owned(),
            service_type: Some(2),
        }
    }

    /// An Access-Request with an EAP packet; octets and authenticator.
    pub fn request(&self, eap: &[u8], state: Option<&[u8]>) -> (Vec<u8>, [u8; 16]) {
        let ([identifier], authenticator) = (random(), random());
        let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, Opening::MessageAuthenticator);
        packet.push(AttributeType::USER_NAME, self.identity.as_bytes()).unwrap();
        packet.push(AttributeType::CALLING_STATION_ID, self.caller.as_bytes()).unwrap();
        packet.push(AttributeType::NAS_IDENTIFIER, self.nas_identifier.as_bytes()).unwrap();
        packet.push(AttributeType::ACCT_SESSION_ID, self.acct_session_id.as_bytes()).unwrap();
        if let Some(service_type) = self.service_type {
            packet.push_integer(AttributeType::SERVICE_TYPE, service_type).unwrap();
        }
        eap::push(&mut packet, eap).unwrap();
        if eap.is_empty() {
            packet.push(AttributeType::EAP_MESSAGE, b"").unwrap();
        }
        if let Some(state) = state {
            packet.push(AttributeType::STATE, state).unwrap();
        }
        packet.push(AttributeType::PROXY_STATE, b"of a proxy").unwrap();
        (sign::sign_request(packet, &authenticator, &self.secret), authenticator)
    }

    /// Sends octets and gives the reply, which is checked as a router checks it.
    pub async fn ask(&self, request: &[u8], authenticator: [u8; 16]) -> Reply {
        self.socket.send_to(request, self.server).await.unwrap();
        let mut bytes = vec![0; 4096];
        let received = tokio::time::timeout(PATIENCE, self.socket.recv_from(&mut bytes)).await;
        let (length, _) = received.expect("no reply came").unwrap();
        bytes.truncate(length);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.identifier(), request[1]);
        assert_eq!(sign::check_reply(&packet, &authenticator, &self.secret), Ok(Signature::Present));
        assert_eq!(packet.attributes().next().unwrap().kind, AttributeType::MESSAGE_AUTHENTICATOR);
        assert_eq!(packet.all(AttributeType::PROXY_STATE).collect::<Vec<_>>(), [b"of a proxy"]);
        let (eap, state) =
            (eap::join(&packet).unwrap().unwrap(), packet.first(AttributeType::STATE).map(<[u8]>::to_vec));
        Reply { bytes, authenticator, eap, state }
    }

    /// Says an EAP packet, with the State of the reply before it.
    pub async fn say(&self, eap: &[u8], before: &Reply) -> Reply {
        let (request, authenticator) = self.request(eap, before.state.as_deref());
        self.ask(&request, authenticator).await
    }

    /// The first word: who it is.
    pub async fn introduce(&self) -> Reply {
        let identity = Eap::Response { identifier: 7, method: Method::IDENTITY, data: self.identity.as_bytes() };
        let (request, authenticator) = self.request(&identity.to_bytes(), None);
        self.ask(&request, authenticator).await
    }

    /// The proof that a challenge asks for.
    #[track_caller]
    pub fn proof(&self, challenge: &Reply) -> Proof {
        let (identifier, MsChapV2::Challenge { ident, challenge, .. }) = challenge.asked() else {
            panic!("no challenge")
        };
        let peer_challenge = random();
        let user = self.name.rsplit('\\').next().unwrap().as_bytes();
        let exchange = mschap::Exchange { peer: &peer_challenge, authenticator: &challenge, user };
        let nt_hash = mschap::nt_hash(&self.password);
        let nt_response = mschap::nt_response_v2(&exchange, &nt_hash);
        let data = MsChapV2::Response { ident, peer_challenge, nt_response, name: self.name.as_bytes() }.to_bytes();
        Proof {
            eap: Eap::Response { identifier, method: Method::MSCHAPV2, data: &data }.to_bytes(),
            success: mschap::authenticator_response(&exchange, &nt_hash, &nt_response).to_vec(),
            keys: mppe::StartKeys::new(&nt_hash, &nt_response),
        }
    }

    /// Up to what is said to the proof.
    pub async fn prove(&self) -> (Proof, Reply) {
        let challenge = self.introduce().await;
        let proof = self.proof(&challenge);
        let told = self.say(&proof.eap, &challenge).await;
        (proof, told)
    }

    /// Acknowledges a Success, whose proof must be right, or a Failure.
    pub async fn acknowledge(&self, proof: &Proof, told: &Reply) -> Reply {
        let (identifier, said) = told.asked();
        let seen = match said {
            MsChapV2::Success { message, .. } => {
                assert!(same(message, &proof.success), "the server does not know the password");
                MsChapV2::SuccessSeen
            }
            MsChapV2::Failure { .. } => MsChapV2::FailureSeen,
            other => panic!("{other:?}"),
        };
        let data = seen.to_bytes();
        self.say(&Eap::Response { identifier, method: Method::MSCHAPV2, data: &data }.to_bytes(), told).await
    }

    /// A whole log-in; gives the last reply. An Accept's keys must be the client's.
    pub async fn log_in(&self) -> Reply {
        let (proof, told) = self.prove().await;
        let end = self.acknowledge(&proof, &told).await;
        if end.code() == Code::ACCESS_ACCEPT {
            self.check_accept(&end, &proof);
        }
        end
    }

    #[track_caller]
    pub fn check_accept(&self, end: &Reply, proof: &Proof) {
        let packet = end.packet();
        assert!(matches!(Eap::parse(&end.eap), Ok(Eap::Success { .. })));
        for (kind, key) in
            [(VendorType::MS_MPPE_SEND_KEY, &proof.keys.send), (VendorType::MS_MPPE_RECV_KEY, &proof.keys.recv)]
        {
            let given = hide::reveal_key(packet.vendor(kind).unwrap(), &end.authenticator, &self.secret).unwrap();
            assert!(same(given.expose(), &**key), "the keys are not the client's");
        }
        assert_eq!(packet.text(AttributeType::USER_NAME), Some(self.name.as_str()));
        // Nothing of PPP.
        assert!(packet.first(AttributeType::FRAMED_PROTOCOL).is_none());
        assert!(packet.vendor(VendorType::MS_MPPE_ENCRYPTION_POLICY).is_none());
    }

    /// An accounting record with the Class of an Accept; waits until it is committed.
    pub async fn account(&self, server: SocketAddr, status: u32, accept: &Reply) {
        let [identifier] = random();
        let mut packet = PacketBuilder::new(Code::ACCOUNTING_REQUEST, identifier, Opening::Bare);
        packet.push_integer(AttributeType::ACCT_STATUS_TYPE, status).unwrap();
        packet.push(AttributeType::USER_NAME, self.identity.as_bytes()).unwrap();
        packet.push(AttributeType::CALLING_STATION_ID, self.caller.as_bytes()).unwrap();
        packet.push(AttributeType::NAS_IDENTIFIER, self.nas_identifier.as_bytes()).unwrap();
        packet.push(AttributeType::ACCT_SESSION_ID, self.acct_session_id.as_bytes()).unwrap();
        packet.push(AttributeType::CLASS, accept.packet().first(AttributeType::CLASS).unwrap()).unwrap();
        let request = sign::sign_accounting_request(packet, &self.secret);
        self.socket.send_to(&request, server).await.unwrap();
        let mut bytes = vec![0; 4096];
        let received = tokio::time::timeout(PATIENCE, self.socket.recv_from(&mut bytes)).await;
        let (length, _) = received.expect("no reply came").unwrap();
        assert_eq!(Packet::parse(&bytes[..length]).unwrap().code(), Code::ACCOUNTING_RESPONSE);
    }
}
