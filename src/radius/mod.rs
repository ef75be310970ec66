//! The RADIUS edge: log-ins and accounting over UDP, and Disconnect-Requests to routers.
//!
//! | module | is |
//! |---|---|
//! | [`listener`] | a socket that answers from the address that was asked |
//! | [`server`] | the sockets' tasks, and what all requests share |
//! | `call` | one request, to the gate and back |
//! | `peers` | the routers with their secrets made ready |
//! | `duplicate` | what was answered a moment ago |
//! | `decode`, `reply` | packets into words of the domain, and answers into packets |
//! | `forward`, `home`, `home_port` | what a home server (User Manager) is asked, and its answers |
//! | `dropped` | why there is no answer |
//! | [`coa`] | ends a connection on its router |

mod call;
pub mod coa;
mod decode;
mod dropped;
mod duplicate;
mod forward;
mod home;
mod home_port;
pub mod listener;
mod peers;
mod reply;
pub mod server;

pub use coa::Cutters;
pub use listener::Listener;
pub use server::serve;
