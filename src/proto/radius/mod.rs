//! The RADIUS codec: RFC 2865, 2866, 2869, 3579, 5176, and Microsoft's attributes of RFC 2548.
//!
//! | module | is |
//! |---|---|
//! | [`code`] | what kind of packet |
//! | [`attribute`] | numbers of attributes and vendors, one attribute and its typed value |
//! | [`packet`] | a borrowed, checked view of a datagram |
//! | [`frame`] | packets out of a stream of octets |
//! | [`build`] | writing a packet |
//! | [`sign`] | Authenticators and Message-Authenticator: make and verify |
//! | [`dialer`] | the dialler's half of a log-in |
//! | [`hide`] | User-Password and MPPE keys: hide and reveal |
//! | [`eap`] | EAP packets, EAP-MSCHAPv2, and the server's side of one such log-in |
//!
//! Bytes from the network never panic here: indexing and unchecked arithmetic are refused by the lints below.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::panic))]

pub mod attribute;
pub mod build;
pub mod code;
pub mod dialer;
pub mod eap;
pub mod frame;
pub mod hide;
pub mod packet;
pub mod sign;

pub use attribute::{Attribute, AttributeType, VendorId, VendorType};
pub use build::{BuildError, Opening, PacketBuilder};
pub use code::Code;
pub use frame::{BadLength, Framer};
pub use packet::{Malformed, Packet};
pub use sign::{Forged, SharedSecret, Signature};
