//! The router's own accounts, read, adopted and changed many at once, while the router breaks off, loses rights and rows.

use radgram::domain::account::Switch;
use radgram::domain::router::{Leases, Scheme};
use radgram::gate::bulk::{Outcome, Run};
use radgram::gate::router_api::{ApiFault, Menu};
use radgram::gate::{AccountStep, AccountSteps, Adoption, Afterwards, Names, Refused};
use radgram::sim::router::ApiFaults;

use crate::hands::{SECRET, dial_as};
use crate::world::{ADMIN, Dialled, Plan, World};

const NAMES: [&str; 3] = ["bob", "carl", "dora"];
const REMOVE: &str = "/ppp/secret/remove";
const PRINT: &str = "/ppp/secret/print";
const SET: &str = "/ppp/secret/set";

fn all(run: Run) -> Adoption {
    Adoption { menu: Menu::Secret, names: Names::All, afterwards: Afterwards::Removed, run }
}

impl World {
    async fn adopts(&self, adoption: &Adoption) -> Result<Vec<Outcome>, Refused> {
        let lines = self.gate().adopt_accounts(&ADMIN, self.router_id().await, adoption, &|_| ()).await?;
        Ok(lines.into_iter().map(|line| line.outcome).collect())
    }

    async fn switches(&self, names: &[&str], switch: Switch) -> Vec<(String, Outcome)> {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let step = AccountStep::Switch(switch);
        let steps = AccountSteps { menu: Menu::Secret, names, step, run: Run::Real };
        let lines = self.gate().change_router_accounts(&ADMIN, self.router_id().await, &steps, &|_| ()).await.unwrap();
        lines.into_iter().map(|line| (line.name, line.outcome)).collect()
    }

    /// The names of radgram's own accounts but Ann's.
    async fn names_here(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.gate().reader().every_account().await.unwrap().into_iter().map(|line| line.account.name).collect();
        names.retain(|name| name != "ann");
        names.sort_unstable();
        names
    }

    fn has_secret(&self, name: &str) -> bool {
        self.router.row(SECRET, "name", name).unwrap().is_some()
    }
}

on_versions! {
    async fn what_breaks_off_while_it_is_adopted_is_done_in_time(world: World, Plan::default()) {
        for name in NAMES {
            world.secret(name);
        }
        world.reach(Scheme::Radius, Leases::Off).await;
        let faults = world.router.api_faults();
        // It breaks while it is read: nothing is half adopted.
        faults.fatal_during(PRINT);
        let broken = world.adopts(&all(Run::Real)).await;
        assert!(matches!(broken, Err(Refused::Router(ApiFault::Unreachable(_)))), "{broken:?}");
        assert!(world.names_here().await.is_empty() && NAMES.iter().all(|name| world.has_secret(name)));

        // It breaks while they are taken off the router: our copies are there, and what is to go is not forgotten.
        type Breaks = fn(&ApiFaults, &str);
        for breaks in [|faults, remove| faults.drop_before(remove), |faults, remove| faults.drop_after(remove), |faults, remove| {
            faults.fatal_during(remove)
        }] as [Breaks; 3]
        {
            breaks(&faults, REMOVE);
        }
        world.until("the API is up again", || async { world.adopts(&all(Run::Dry)).await.is_ok() }).await;
        assert_eq!(world.adopts(&all(Run::Real)).await.unwrap(), [Outcome::Done, Outcome::Done, Outcome::Done]);
        assert_eq!(world.names_here().await, NAMES);
        world.settles().await;
        assert!(NAMES.iter().all(|name| !world.has_secret(name)), "{:?}", world.router.rows(SECRET));
        // From now on the router asks us, and the sealed password is the right one.
        let bob = world.account("bob").await;
        world.gate().bind_account(&ADMIN, bob, Some(world.user().await)).await.unwrap();
        world.gate().grant_session(&ADMIN, bob, crate::world::hours(1)).await.unwrap();
        world.router.dial(dial_as("bob")).await.accepted();
    }
}

on_versions! {
    /// A secret that is still there goes past us: that is seen, told, and over when the router is back.
    async fn a_router_that_is_away_keeps_what_was_adopted_and_it_is_told(world: World, Plan::default()) {
        world.secret("bob");
        world.reach(Scheme::Radius, Leases::Off).await;
        let faults = world.router.api_faults();
        faults.take_right("write");
        assert_eq!(world.adopts(&all(Run::Real)).await.unwrap(), [Outcome::Done]);
        world.until_alarmed("not_done", "bob").await;
        assert!(world.has_secret("bob"));
        world.router.dial(dial_as("bob")).await.accepted();
        world.until_alarmed("no_session", "a secret on the router itself lets it in").await;

        world.api_goes_down().await;
        faults.give_right("write");
        world.api_comes_up();
        world.settles().await;
        assert!(!world.has_secret("bob"));
        world.router.dial(dial_as("bob")).await.rejected();
    }
}

on_versions! {
    async fn a_change_of_many_says_of_each_what_became_of_it(world: World, Plan::default()) {
        for name in NAMES {
            world.secret(name);
        }
        world.reach(Scheme::Radius, Leases::Off).await;
        let faults = world.router.api_faults();
        // The row of the first goes just before it is changed; the answer to the second does not come; the third waits.
        faults.vanish_before(SET);
        faults.drop_after(SET);
        let lines = world.switches(&NAMES, Switch::Disabled).await;
        let words: Vec<(&str, &str)> = lines.iter().map(|(name, outcome)| (name.as_str(), outcome.word())).collect();
        assert_eq!(words, [("bob", "refused"), ("carl", "not_tried"), ("dora", "not_tried")], "{lines:?}");
        assert!(lines[1].1.why().contains("whether it was done is not known"), "{lines:?}");
        assert!(!world.has_secret("bob") && world.secret_is_on("dora"));
        // The same again is all that there is to do.
        world
            .until("it is done", || async {
                let lines = world.switches(&NAMES[1..], Switch::Disabled).await;
                lines.iter().all(|(_, outcome)| *outcome == Outcome::Done)
            })
            .await;
        assert!(!world.secret_is_on("carl") && !world.secret_is_on("dora"));

        faults.take_right("write");
        let lines = world.switches(&NAMES[1..], Switch::Enabled).await;
        assert!(lines.iter().all(|(_, outcome)| outcome.word() == "not_tried"), "{lines:?}");
        assert!(lines[0].1.why().contains("write") && !world.secret_is_on("carl"), "{lines:?}");
    }
}
