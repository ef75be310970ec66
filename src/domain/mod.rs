//! The rules: values and pure functions that need no network, no database and no clock to be tested.

pub mod access;
pub mod account;
pub mod api;
pub mod attribute;
pub mod audit;
pub mod connection;
pub mod credential;
pub mod group;
pub mod habits;
pub mod home;
pub mod hours;
pub mod id;
pub mod operator;
pub mod order;
pub mod policy;
pub mod prompt;
pub mod radsec;
pub mod reason;
pub mod router;
pub mod session;
pub mod setting;
pub mod user;
pub mod want;
