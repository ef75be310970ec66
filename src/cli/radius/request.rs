//! The request that is tried: what it says, and its signature.

use super::{Common, Connection, Event, Test};
use crate::cli::{Failure, input};
use crate::dictionary::{Definition, Dictionary};
use crate::entropy::{Entropy, SystemEntropy};
use crate::proto::radius::dialer::{Dialer, Method, Nonces};
use crate::proto::radius::{
    AttributeType, BuildError, Code, Opening, PacketBuilder, SharedSecret, VendorId, VendorType, sign,
};
use crate::secret::Secret;

const FRAMED: u32 = 2;
const PPP: u32 = 1;
/// NAS-Port-Type Virtual.
const VIRTUAL: u32 = 5;
/// Acct-Authentic RADIUS.
const BY_RADIUS: u32 = 1;

/// A request, not yet signed.
pub(super) struct Request<'a> {
    test: &'a Test,
    /// Of a log-in.
    password: Option<Secret>,
    /// Attributes that were named: definition and octets.
    named: Vec<(&'static Definition, Vec<u8>)>,
}

/// A request as it goes out.
pub(super) struct Sent<'a> {
    bytes: Vec<u8>,
    login: Option<(&'a str, Secret, Method, Nonces)>,
}

impl<'a> Request<'a> {
    /// Reads what is typed: attributes, and the password of a log-in.
    pub(super) fn of(test: &'a Test) -> Result<Self, Failure> {
        let named = test.common().attributes.iter().map(|typed| attribute(typed)).collect::<Result<_, _>>()?;
        let password = match test {
            Test::LogIn { .. } => Some(input::known_secret("password")?),
            Test::Status { .. } | Test::Accounting { .. } | Test::Disconnect { .. } | Test::Change { .. } => None,
        };
        Ok(Self { test, password, named })
    }

    /// Writes and signs it.
    pub(super) fn sign(self, secret: &SharedSecret) -> Result<Sent<'a>, Failure> {
        let entropy: &dyn Entropy = &SystemEntropy;
        let [identifier] = entropy.bytes();
        let [proof_identifier] = entropy.bytes();
        let nonces = Nonces {
            authenticator: entropy.bytes(),
            identifier: proof_identifier,
            challenge: entropy.bytes(),
            peer_challenge: entropy.bytes(),
        };
        let code = code(self.test);
        let login = match (self.test, self.password) {
            (Test::LogIn { name, method, .. }, Some(password)) => {
                Some((name.as_str(), password, method.method(), nonces))
            }
            _ => None,
        };
        let mut sent = Sent { bytes: Vec::new(), login };
        let mut packet = PacketBuilder::new(code, identifier, opening(self.test));
        let full = |error: BuildError| Failure::because(error.to_string());
        push(&mut packet, self.test).map_err(full)?;
        if let Some(dialer) = sent.dialer() {
            dialer.push(&mut packet, secret).map_err(full)?;
        }
        for (definition, octets) in &self.named {
            push_named(&mut packet, definition, octets).map_err(full)?;
        }
        sent.bytes = match code {
            Code::ACCESS_REQUEST | Code::STATUS_SERVER => sign::sign_request(packet, &nonces.authenticator, secret),
            Code::ACCOUNTING_REQUEST => sign::sign_accounting_request(packet, secret),
            _ => sign::sign_coa_request(packet, secret),
        };
        Ok(sent)
    }
}

impl Sent<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Who dials, of a log-in.
    pub(super) fn dialer(&self) -> Option<Dialer<'_>> {
        let (name, password, method, nonces) = self.login.as_ref()?;
        Some(Dialer { name: name.as_bytes(), password, method: *method, nonces })
    }
}

const fn code(test: &Test) -> Code {
    match test {
        Test::Status { .. } => Code::STATUS_SERVER,
        Test::LogIn { .. } => Code::ACCESS_REQUEST,
        Test::Accounting { .. } => Code::ACCOUNTING_REQUEST,
        Test::Disconnect { .. } => Code::DISCONNECT_REQUEST,
        Test::Change { .. } => Code::COA_REQUEST,
    }
}

fn opening(test: &Test) -> Opening {
    let Common { unsigned, .. } = test.common();
    if *unsigned { Opening::Bare } else { Opening::MessageAuthenticator }
}

fn push(packet: &mut PacketBuilder, test: &Test) -> Result<(), BuildError> {
    match test {
        Test::Status { .. } => Ok(()),
        Test::LogIn { name, connection, .. } => {
            push_dial(packet, name)?;
            push_connection(packet, connection)
        }
        Test::Accounting { event, name, connection, .. } => {
            push_dial(packet, name)?;
            packet.push_integer(AttributeType::ACCT_STATUS_TYPE, status(*event))?;
            packet.push_integer(AttributeType::ACCT_AUTHENTIC, BY_RADIUS)?;
            push_connection(packet, connection)
        }
        Test::Disconnect { name, connection, .. } | Test::Change { name, connection, .. } => {
            if let Some(name) = name {
                packet.push(AttributeType::USER_NAME, name.as_bytes())?;
            }
            push_connection(packet, connection)
        }
    }
}

/// What RouterOS says of a PPP client.
fn push_dial(packet: &mut PacketBuilder, name: &str) -> Result<(), BuildError> {
    packet.push_integer(AttributeType::SERVICE_TYPE, FRAMED)?;
    packet.push_integer(AttributeType::FRAMED_PROTOCOL, PPP)?;
    packet.push_integer(AttributeType::NAS_PORT_TYPE, VIRTUAL)?;
    packet.push(AttributeType::USER_NAME, name.as_bytes())?;
    Ok(())
}

fn push_connection(packet: &mut PacketBuilder, connection: &Connection) -> Result<(), BuildError> {
    let Connection { caller, session, address, nas_identifier, nas_ip } = connection;
    let texts = [
        (AttributeType::CALLING_STATION_ID, caller),
        (AttributeType::ACCT_SESSION_ID, session),
        (AttributeType::NAS_IDENTIFIER, nas_identifier),
    ];
    for (kind, text) in texts {
        if let Some(text) = text {
            packet.push(kind, text.as_bytes())?;
        }
    }
    for (kind, address) in [(AttributeType::FRAMED_IP_ADDRESS, address), (AttributeType::NAS_IP_ADDRESS, nas_ip)] {
        if let Some(address) = address {
            packet.push_address(kind, *address)?;
        }
    }
    Ok(())
}

const fn status(event: Event) -> u32 {
    match event {
        Event::Start => 1,
        Event::Stop => 2,
        Event::Interim => 3,
    }
}

fn push_named(packet: &mut PacketBuilder, definition: &Definition, octets: &[u8]) -> Result<(), BuildError> {
    match definition.vendor {
        Some(vendor) => {
            packet.push_vendor(VendorType { vendor: VendorId(vendor), number: definition.number }, octets)?
        }
        None => packet.push(AttributeType(definition.number), octets)?,
    };
    Ok(())
}

/// `NAME=VALUE` by the dictionary.
fn attribute(typed: &str) -> Result<(&'static Definition, Vec<u8>), Failure> {
    let bad = |why: String| Failure::because(format!("--attribute {typed}: {why}"));
    let (name, value) = typed.split_once('=').ok_or_else(|| bad("expected NAME=VALUE".to_owned()))?;
    let definition = Dictionary::current().named(name.trim());
    let definition = definition.ok_or_else(|| bad("the dictionaries have no such attribute".to_owned()))?;
    let octets = definition.encode(value.trim()).map_err(|error| bad(error.to_string()))?;
    Ok((definition, octets))
}
