//! Groups: what is said of a group holds for its accounts, until something nearer is said.

use std::time::Duration;

use radgram::domain::id::GroupId;
use radgram::domain::setting::Level;
use radgram::proto::radius::{AttributeType, Packet};
use radgram::sim::router::{Cause, Tunnel};

use crate::world::{ADMIN, Base, Dialled, ELSEWHERE, HOME, World, minutes};

/// Ann's account in a group, with a session.
async fn staff(world: &World) -> GroupId {
    let group = world.gate().add_group(&ADMIN, "staff").await.unwrap();
    world.gate().put_into_group(&ADMIN, &[world.account("ann").await], Some(group)).await.unwrap();
    world.request().await;
    group
}

async fn say(world: &World, level: Level, name: &str, value: &str) {
    world.gate().set_setting(&ADMIN, name, level, value).await.unwrap();
}

async fn unsay(world: &World, level: Level, name: &str) {
    world.gate().clear_setting(&ADMIN, name, level).await.unwrap();
}

/// Ann gets in, and hangs up.
async fn in_and_out(world: &World) -> Tunnel {
    let tunnel = world.dial().await.accepted();
    tunnel.start_delivered().await;
    tunnel.hang_up(Cause::UserRequest).await;
    world.until_heard().await;
    tunnel
}

fn timeout(tunnel: &Tunnel) -> u32 {
    let accept = Packet::parse(tunnel.accept()).unwrap();
    u32::from_be_bytes(accept.first(AttributeType::SESSION_TIMEOUT).unwrap().try_into().unwrap())
}

on_both! {
    async fn its_hours_networks_and_routers_hold_until_a_nearer_word(world: World) {
        let group = staff(world).await;
        let levels = [Level::User(world.user().await.0), Level::Account(world.account("ann").await.0)];
        // It is Monday, ten o'clock, in the office; Ann dials from home.
        for (setting, shut, open, reason) in [
            ("allowed_hours", "Mo-Fr 08:00-09:00", "Mo-Fr 08:00-18:00", "outside the allowed hours"),
            ("source_networks", "198.51.100.0/24", "203.0.113.0/24, 198.51.100.0/24", "outside the allowed source networks"),
            ("routers", "annex", "annex, office", "the account may not use this router"),
        ] {
            say(world, Level::Group(group.0), setting, shut).await;
            assert_eq!(world.dial().await.rejected(), reason);
            // A person's own word comes before the group's, and an account's before both.
            for level in levels {
                say(world, level, setting, open).await;
                in_and_out(world).await;
                unsay(world, level, setting).await;
                assert_eq!(world.dial().await.rejected(), reason);
            }
            say(world, levels[0], setting, open).await;
            say(world, levels[1], setting, shut).await;
            assert_eq!(world.dial().await.rejected(), reason);
            for level in levels {
                unsay(world, level, setting).await;
            }
            say(world, Level::Group(group.0), setting, open).await;
            in_and_out(world).await;
        }
        // The hours that let her in are the end of the tunnel, too: eight hours are left of them.
        assert_eq!(timeout(&in_and_out(world).await), 8 * 3600);
        world.gate().put_into_group(&ADMIN, &[world.account("ann").await], None).await.unwrap();
        assert!(timeout(&in_and_out(world).await) > 8 * 3600);
    }
}

on_both! {
    async fn its_limits_hold_for_who_is_in_it(world: World) {
        world.set("new_address", "allow").await;
        let group = staff(world).await;
        say(world, Level::Group(group.0), "connections_per_account", "2").await;
        for caller in [HOME, ELSEWHERE] {
            world.dial_from(caller).await.accepted().start_delivered().await;
        }
        world.until_heard().await;
        assert_eq!(world.dial_from("192.0.2.3").await.rejected(), "too many simultaneous connections");
        say(world, Level::Group(group.0), "over_limit", "replace").await;
        world.dial_from("192.0.2.3").await.accepted();
        world.gate().remove_group(&ADMIN, group).await.unwrap();
        assert_eq!(world.dial_from("192.0.2.4").await.rejected(), "too many simultaneous connections");
    }
}

on_both! {
    async fn what_is_open_is_judged_anew_when_its_group_changes(world: World) {
        let group = world.gate().add_group(&ADMIN, "staff").await.unwrap();
        say(world, Level::Group(group.0), "use_within_minutes", "10").await;
        world.request().await;
        world.after(minutes(20));
        // Nothing is due: for who is in no group an unused session is good until its end.
        world.dial_from(HOME).await.accepted().hang_up(Cause::UserRequest).await;
        world.gate().end_session(&ADMIN, world.session().await.unwrap().id).await.unwrap();
        world.request().await;
        world.after(minutes(20));
        assert!(world.session().await.is_some());
        world.gate().put_into_group(&ADMIN, &[world.account("ann").await], Some(group)).await.unwrap();
        world.until_over().await;
    }
}

on_both! {
    async fn every_change_is_written_down_with_names(world: World) {
        let gate = world.gate();
        let ann = world.account("ann").await;
        let group = gate.add_group(&ADMIN, " Staff ").await.unwrap();
        assert!(gate.add_group(&ADMIN, "staff").await.unwrap_err().to_string().contains("taken"));
        assert!(gate.add_group(&ADMIN, "None").await.unwrap_err().to_string().contains("no group"));
        assert_eq!(gate.put_into_group(&ADMIN, &[ann, ann], Some(group)).await.unwrap(), 1);
        assert_eq!(gate.put_into_group(&ADMIN, &[ann], Some(group)).await.unwrap(), 0, "it is there already");
        say(world, Level::Group(group.0), "session_hours", "2").await;
        gate.rename_group(&ADMIN, group, "Team").await.unwrap();
        assert_eq!(gate.remove_group(&ADMIN, group).await.unwrap(), 1);
        for gone in [
            gate.rename_group(&ADMIN, group, "X").await.unwrap_err(),
            gate.put_into_group(&ADMIN, &[ann], Some(group)).await.unwrap_err(),
            gate.set_setting(&ADMIN, "session_hours", Level::Group(group.0), "2").await.unwrap_err(),
        ] {
            assert_eq!(gone.to_string(), "no such group");
        }
        let audit = gate.reader().audit().await.unwrap();
        let lines: Vec<String> = audit.iter().take(5).map(|line| format!("{} {}", line.action, line.detail)).collect();
        let expected = [
            "group.remove Team; accounts left without a group: 1",
            "group.rename Staff: Team",
            "setting.set session_hours = 2 (group Staff)",
            "account.group ann: Staff",
            "group.add Staff",
        ];
        assert_eq!(lines, expected);
        // The session that Ann asks for now is as long as the system says.
        world.request().await;
        assert_eq!(world.session().await.unwrap().until, world.now() + Duration::from_secs(24 * 3600));
    }
}
