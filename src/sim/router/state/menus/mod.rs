//! The menus of RouterOS that are there, names exactly as on the wire.

mod firewall;
mod interface;
mod ppp;
mod radius;
mod system;
mod user_manager;

use super::menu::Menu;
use crate::sim::router::version::RosVersion;

/// The menus that a version has. `packages` says whether User Manager is installed.
pub(super) fn menus(version: RosVersion, user_manager: Package) -> Vec<Menu> {
    let mut all =
        [ppp::menus(), radius::menus(), firewall::menus(), interface::menus(), system::menus(version)].concat();
    match user_manager {
        Package::Installed => all.extend(user_manager::menus()),
        Package::Absent => {}
    }
    all.into_iter().filter_map(|menu| menu.of(version)).collect()
}

/// Whether a package is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    /// Its menus are there.
    Installed,
    /// `no such command prefix`
    Absent,
}

/// Paths that the router itself speaks of.
pub(crate) mod path {
    pub(crate) const SECRET: &str = "/ppp/secret";
    pub(crate) const PROFILE: &str = "/ppp/profile";
    pub(crate) const ACTIVE: &str = "/ppp/active";
    pub(crate) const AAA: &str = "/ppp/aaa";
    pub(crate) const RADIUS: &str = "/radius";
    pub(crate) const INCOMING: &str = "/radius/incoming";
    pub(crate) const FILTER: &str = "/ip/firewall/filter";
    pub(crate) const ADDRESS_LIST: &str = "/ip/firewall/address-list";
    pub(crate) const INTERFACE: &str = "/interface";
    pub(crate) const LIST_MEMBER: &str = "/interface/list/member";
    pub(crate) const QUEUE: &str = "/queue/simple";
    pub(crate) const POOL: &str = "/ip/pool";
    pub(crate) const SERVICE: &str = "/ip/service";
    pub(crate) const IDENTITY: &str = "/system/identity";
    pub(crate) const RESOURCE: &str = "/system/resource";
    pub(crate) const CLOCK: &str = "/system/clock";
    pub(crate) const PACKAGE: &str = "/system/package";
    pub(crate) const USER: &str = "/user";
    pub(crate) const GROUP: &str = "/user/group";
    pub(crate) const USER_ACTIVE: &str = "/user/active";
    pub(crate) const CERTIFICATE: &str = "/certificate";
    pub(crate) const LOG: &str = "/log";
    pub(crate) const UM: &str = "/user-manager";
    pub(crate) const UM_USER: &str = "/user-manager/user";
    pub(crate) const UM_GROUP: &str = "/user-manager/user/group";
    pub(crate) const UM_SESSION: &str = "/user-manager/session";
    pub(crate) const UM_PROFILE: &str = "/user-manager/profile";
    pub(crate) const UM_USER_PROFILE: &str = "/user-manager/user-profile";
    pub(crate) const UM_V6_USER: &str = "/tool/user-manager/user";
    pub(crate) const UM_V6_SESSION: &str = "/tool/user-manager/session";
    pub(crate) const UM_V6_CUSTOMER: &str = "/tool/user-manager/customer";
    pub(crate) const UM_V6_PROFILE: &str = "/tool/user-manager/profile";
}
