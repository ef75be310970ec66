//! The doctor: looks at everything on a router that radgram depends on, and says what is wrong, why it matters, and the
//! commands that mend it.
//!
//! Reading ([`inventory`]) and judging ([`judge`]) are apart: the rules need no router. Nothing is changed, and no password is
//! asked for.

mod chart;
mod entry;
pub mod inventory;
mod lease;
mod radius;
mod rule;
mod secret;
mod server;
mod system;
mod user;
mod value;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use self::chart::Chart;
use self::inventory::Inventory;
use super::command::Console;
use crate::domain::router::{Router, Scheme};
use crate::gate::router_api::{ApiFault, Expected, Gravity, Report};
use crate::text::one_line;

/// Looks at a router.
///
/// # Errors
/// The router is out of reach, or lets us not in. What it does not let us see is a finding.
pub async fn examine(console: &dyn Console, router: &Router, expected: &Expected) -> Result<Report, ApiFault> {
    let seen = inventory::read(console, router, expected.server).await?;
    Ok(judge(&seen, router, expected))
}

/// What is right and wrong with what was seen.
pub fn judge(seen: &Inventory, router: &Router, expected: &Expected) -> Report {
    let mut chart = Chart::default();
    for (menu, fault) in seen.unread() {
        chart.find(
            Gravity::Warning,
            format!("unread:{menu}"),
            format!("{menu} could not be looked at: {}.", one_line(&fault.to_string())),
            "What is wrong there stays unseen.",
            Vec::new(),
        );
    }
    match router.scheme {
        Scheme::Radius => {
            radius::look_at_aaa(seen, expected, &mut chart);
            radius::look_at_entries(seen, router, expected, &mut chart);
            radius::look_at_incoming(seen, expected, &mut chart);
            secret::look(seen, expected, &mut chart);
        }
        Scheme::Api => system::look_at_user_manager(seen, router, &mut chart),
    }
    rule::look(seen, expected, &mut chart);
    lease::look(seen, router, &mut chart);
    server::look(seen, &mut chart);
    user::look_at_rights(seen, expected, &mut chart);
    user::look_at_service(seen, router, expected.server, &mut chart);
    system::look_at_version(seen, router, &mut chart);
    system::look_at_clock(seen, expected.now, &mut chart);
    chart.report()
}
