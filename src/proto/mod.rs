//! Wire formats, pure: bytes in, bytes out; no sockets, no clock, no randomness, no log lines.

pub mod radius;
pub mod routeros;
