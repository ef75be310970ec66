//! `on_expiry`: at the end of a session the router's own account of the same name is disabled, too.

use radgram::domain::router::{Leases, Scheme};
use radgram::domain::want::WantedState;
use radgram::sim::router::DialOutcome;

use crate::world::{Dialled, HOME, Plan, ann_from, hours};

const ALSO_DISABLE: &str = "disconnect_and_disable_on_router";

on_versions! {
    /// With the scheme `radius` a secret of the name goes past us; it is up with the session, and with it, it goes.
    async fn with_scheme_radius_the_routers_own_account_ends_with_the_session(world: World, Plan::default()) {
        world.secret("ann");
        world.reach(Scheme::Radius, Leases::Off).await;
        world.looks(1).await;
        assert!(world.secret_is_on("ann"), "with on_expiry = disconnect it is not ours to switch");
        world.set("on_expiry", ALSO_DISABLE).await;
        world.request().await;
        world.until_fulfilled().await;
        assert!(world.secret_is_on("ann"));
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        world.until_alarmed("no_session", "a secret on the router itself lets it in").await;
        let redial = async {
            tunnel.ended().await;
            world.router.dial(ann_from(HOME)).await
        };
        world.after(hours(24));
        let (outcome, ()) = tokio::join!(redial, world.until_over());
        assert!(!matches!(outcome, DialOutcome::Connected(_)), "{outcome:?}");
        world.until_secret("ann", WantedState::Off).await;
        world.settles().await;
        world.dial().await.rejected();
        // The next session enables it again.
        world.request().await;
        world.until_secret("ann", WantedState::On).await;
    }
}

on_versions! {
    async fn with_scheme_api_it_is_so_in_any_case(world: World, Plan::default()) {
        world.secret("ann");
        world.set("on_expiry", ALSO_DISABLE).await;
        world.reach(Scheme::Api, Leases::Off).await;
        world.until_secret("ann", WantedState::Off).await;
        world.request().await;
        world.until_secret("ann", WantedState::On).await;
        let tunnel = world.dial().await.accepted();
        world.until("the connection is known", || async { !world.connections().await.is_empty() }).await;
        let redial = async {
            tunnel.ended().await;
            world.router.dial(ann_from(HOME)).await
        };
        world.after(hours(24));
        let (outcome, ()) = tokio::join!(redial, world.until_over());
        assert!(!matches!(outcome, DialOutcome::Connected(_)), "{outcome:?}");
        world.settles().await;
        assert!(!world.secret_is_on("ann"));
    }
}
