//! A line to the router's API on which `listen` is refused, as a router does that has no such command.

use std::net::{Ipv4Addr, SocketAddr};

use radgram::proto::routeros::{Decoder, Limits, Sentence, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Opens one to `router`, for any number of connections, and gives its address.
pub async fn mute_line(router: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(relay(client, router));
        }
    });
    address
}

/// Sentence by sentence, so that an answer of its own never stands within one of the router's.
async fn relay(mut client: TcpStream, router: SocketAddr) -> Option<()> {
    let mut server = TcpStream::connect(router).await.ok()?;
    let (mut up, mut down) = (Decoder::new(Limits::default()), Decoder::new(Limits::default()));
    let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
    loop {
        let (mut to_router, mut to_client) = (Vec::new(), Vec::new());
        tokio::select! {
            length = client.read(&mut asked) => up.feed(asked.get(..length.ok().filter(|length| *length > 0)?)?),
            length = server.read(&mut answered) => down.feed(answered.get(..length.ok().filter(|length| *length > 0)?)?),
        }
        while let Some(sentence) = up.next_sentence().ok()? {
            match (sentence.first().ends_with(b"/listen"), sentence.tag()) {
                (true, Some(tag)) => {
                    let trap = Sentence::reply("!trap").tagged(tag).with("message", "no such command");
                    encode(&trap, &mut to_client);
                    encode(&Sentence::reply("!done").tagged(tag), &mut to_client);
                }
                (true, None) | (false, _) => encode(&sentence, &mut to_router),
            }
        }
        while let Some(sentence) = down.next_sentence().ok()? {
            encode(&sentence, &mut to_client);
        }
        server.write_all(&to_router).await.ok()?;
        client.write_all(&to_client).await.ok()?;
    }
}
