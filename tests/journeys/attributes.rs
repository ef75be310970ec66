//! Reply attributes: what an operator says of an account is what its tunnel gets.

use std::net::Ipv4Addr;

use radgram::domain::attribute::Subject;
use radgram::proto::radius::{Packet, VendorType};

use crate::world::{ADMIN, Base, Dialled, World};

on_both! {
    async fn the_tunnel_gets_the_accounts_address_and_profile(world: World) {
        let account = world.account("ann").await;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let written = [pair("Framed-IP-Address", "10.8.0.77"), pair("Mikrotik-Group", "staff")];
        world.gate().set_attributes(&ADMIN, Subject::Account(account), &written).await.unwrap();
        world.request().await;
        let tunnel = world.dial().await.accepted();
        assert_eq!(tunnel.address(), Ipv4Addr::new(10, 8, 0, 77));
        let accept = Packet::parse(tunnel.accept()).unwrap();
        assert_eq!(accept.vendor(VendorType::MIKROTIK_GROUP), Some(&b"staff"[..]));
        tunnel.start_delivered().await;
        world.until_heard().await;
        assert_eq!(world.gate().reader().connections().await.unwrap()[0].framed_ip, Some(Ipv4Addr::new(10, 8, 0, 77).into()));

        // What holds is read again after a crash.
        world.restart().await;
        let again = world.dial().await.accepted();
        assert_eq!(again.address(), Ipv4Addr::new(10, 8, 0, 77));
    }
}
