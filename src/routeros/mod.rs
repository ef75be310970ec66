//! Routers over their RouterOS API: what is sent, what is looked at, and how a router is prepared.

pub mod command;
pub mod doctor;
pub mod script;

#[cfg(test)]
mod machine;
