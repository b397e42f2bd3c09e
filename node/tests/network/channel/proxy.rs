//! One who sits on the path between two nodes, on the loopback interface.

use std::net::SocketAddr;

use libp2p::{Multiaddr, multiaddr::Protocol};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
};

/// What the proxy does to a connection.
#[derive(Clone, Debug)]
pub enum Attack {
    /// Answers for the listener that it does not know the post-quantum channel.
    Strip,
    /// Changes the name of the channel in the dialler's offer.
    Alter,
    /// Cuts the dialler's bytes off after this many.
    Truncate(usize),
    /// Changes the dialler's message or frame of this number, from nought: A, C, frames.
    Flip(usize),
    /// Sends the message or frame of this number twice.
    Repeat(usize),
    /// Sends the message or frame of this number after the next one.
    Swap(usize),
    /// Leaves out the message or frame of this number.
    Drop(usize),
}

/// Listens for diallers of `target` and does the same to each.
pub async fn proxy(target: &Multiaddr, attack: Attack) -> SocketAddr {
    let target = socket(target);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let attack = attack.clone();
            tokio::spawn(async move {
                let server = TcpStream::connect(target).await.unwrap();
                // What is done to a connection usually ends it.
                let _ended = interfere(client, server, attack).await;
            });
        }
    });
    address
}

pub fn socket(address: &Multiaddr) -> SocketAddr {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) => (ip, port).into(),
        other => panic!("{other:?}"),
    }
}

async fn interfere(
    mut client: TcpStream,
    mut server: TcpStream,
    attack: Attack,
) -> std::io::Result<()> {
    let header = negotiation(&mut client).await?;
    let mut offer = negotiation(&mut client).await?;
    match attack {
        Attack::Strip => {
            client.write_all(&header).await?;
            client.write_all(b"\x03na\n").await?;
            server.write_all(&header).await?;
            assert_eq!(negotiation(&mut server).await?, header);
            copy_bidirectional(&mut client, &mut server).await?;
            return Ok(());
        }
        Attack::Alter => {
            let at = offer.windows(3).position(|it| it == b"768").unwrap();
            offer[at..at + 3].copy_from_slice(b"512");
        }
        _ => {}
    }
    server.write_all(&[header, offer].concat()).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
    if let Attack::Truncate(length) = attack {
        copy(&mut from_client.take(length as u64), &mut to_server).await?;
        to_server.shutdown().await?;
        back.await??;
        return Ok(());
    }
    let mut held = None;
    for number in 0.. {
        let frame = frame(&mut from_client).await?;
        forward(&mut to_server, number, frame, &mut held, &attack).await?;
    }
    Ok(())
}

async fn forward(
    to: &mut OwnedWriteHalf,
    number: usize,
    mut frame: Vec<u8>,
    held: &mut Option<Vec<u8>>,
    attack: &Attack,
) -> std::io::Result<()> {
    match attack {
        Attack::Flip(of) if *of == number => *frame.last_mut().unwrap() ^= 1,
        Attack::Repeat(of) if *of == number => to.write_all(&frame).await?,
        Attack::Drop(of) if *of == number => return Ok(()),
        Attack::Swap(of) if *of == number => {
            *held = Some(frame);
            return Ok(());
        }
        _ => {}
    }
    to.write_all(&frame).await?;
    if let Some(held) = held.take() {
        to.write_all(&held).await?;
    }
    Ok(())
}

/// A message of multistream-select, with its length.
pub async fn negotiation(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = from.read_u8().await?;
    assert!(length < 0x80, "the messages here are short");
    let mut message = vec![length; usize::from(length) + 1];
    from.read_exact(&mut message[1..]).await?;
    Ok(message)
}

/// A message or frame of the channel, with its length.
async fn frame(from: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<Vec<u8>> {
    let length = from.read_u16().await?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.resize(2 + usize::from(length), 0);
    from.read_exact(&mut frame[2..]).await?;
    Ok(frame)
}
