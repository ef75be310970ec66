//! A wire of datagrams between radgram and a router: it comes out where a test says, and the test reads what goes over.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// More than any packet has.
const PACKET_BYTES: usize = 4096;

/// A wire from one who asks to one who answers. It is cut when it is dropped.
pub struct Wire {
    near: SocketAddr,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
    carrying: JoinHandle<()>,
}

impl Wire {
    /// What comes to `near` goes to `to`, where it seems to come from `from`; the answers go back to who asked last.
    pub async fn lay(near: UdpSocket, from: IpAddr, to: SocketAddr) -> Self {
        let far = UdpSocket::bind((from, 0)).await.unwrap();
        far.connect(to).await.unwrap();
        let (at, asked) = (near.local_addr().unwrap(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let carrying = tokio::spawn(carry(near, far, asked.clone()));
        Self { near: at, asked, carrying }
    }

    /// Where it is asked.
    pub fn near(&self) -> SocketAddr {
        self.near
    }

    /// What was asked since the last look, in order.
    pub fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn carry(near: UdpSocket, far: UdpSocket, asked: Arc<Mutex<Vec<Vec<u8>>>>) {
    let (mut there, mut back, mut asker) = ([0; PACKET_BYTES], [0; PACKET_BYTES], None);
    loop {
        // An error is the echo of a closed port (ICMP); a datagram that is lost is sent again.
        tokio::select! {
            question = near.recv_from(&mut there) => if let Ok((length, source)) = question {
                asker = Some(source);
                asked.lock().unwrap().push(there[..length].to_vec());
                let _ = far.send(&there[..length]).await;
            },
            answer = far.recv(&mut back) => if let (Ok(length), Some(asker)) = (answer, asker) {
                let _ = near.send_to(&back[..length], asker).await;
            },
        }
    }
}
