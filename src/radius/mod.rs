//! The RADIUS edge: log-ins and accounting over UDP and TLS, and Disconnect- and CoA-Requests to routers.
//!
//! | module | is |
//! |---|---|
//! | [`listener`] | a socket that answers from the address that was asked |
//! | [`server`] | the sockets' tasks, and what all requests share |
//! | `crowd` | who waits when more comes than is handled at once |
//! | `call` | one request, to the gate and back |
//! | [`radsec`] | the same over TLS: connections in the place of sockets |
//! | `peers` | the routers with their secrets made ready |
//! | `eap` | EAP log-ins, which take several requests |
//! | `duplicate` | what was answered a moment ago |
//! | `decode`, `proof`, `reply` | packets into words of the domain, and answers into packets |
//! | `forward`, `home`, `home_port` | what a home server (User Manager) is asked, and its answers |
//! | `dropped` | why there is no answer |
//! | [`coa`] | ends or changes a connection on its router |
//! | [`client`], [`view`] | a request for trying by hand, and packets in words |

mod call;
pub mod client;
pub mod coa;
mod crowd;
mod decode;
mod dropped;
mod duplicate;
mod eap;
mod forward;
mod home;
mod home_port;
pub mod listener;
mod peers;
mod proof;
pub mod radsec;
mod reply;
pub mod server;
pub mod view;

pub use coa::Cutters;
pub use listener::Listener;
pub use server::serve;
