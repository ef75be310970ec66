//! Looks at everything on a router that radgram depends on.

use super::Fleet;
use crate::domain::router::Router;
use crate::gate::router_api::{ApiFault, Expected, Report};

pub(super) async fn examine(_fleet: &Fleet, _router: &Router, _expected: &Expected) -> Result<Report, ApiFault> {
    Err(ApiFault::Refused("not built".to_owned()))
}
