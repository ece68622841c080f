//! Links: the connections that a peer accepts, keeps and makes.
//!
//! Once they are there, all are alike: the same replica runs over each, and what comes in twice is known
//! the second time.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use repred::{Replica, error::Unavailable};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, interval_at, sleep, timeout},
};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::{
    Failure,
    members::{self, Members},
    report::chain,
};

/// How often to link with one more of the others.
const ONE_MORE: Duration = Duration::from_secs(3);

/// How many of them to try, until one answers.
const TRIES: usize = 8;

/// How long to wait before trying again.
const RETRY: Duration = Duration::from_secs(1);

/// How long somebody has to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// Which side of a connection we are.
#[derive(Clone, Copy)]
enum Side {
    Accepts,
    Dials,
}

/// Runs a connection for each peer that connects.
pub(crate) async fn accept(
    members: &Replica<Members>,
    listener: TcpListener,
) -> Result<Infallible, Failure> {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                tokio::spawn(run(members.clone(), stream, from, Side::Accepts));
            }
            Err(error) => {
                // Out of file descriptors, most likely; that may pass.
                eprintln!("peer: cannot accept a connection: {error}; trying again");
                sleep(RETRY).await;
            }
        }
    }
}

/// Links with one peer, and again whenever there is no link with it.
pub(crate) async fn keep(
    members: &Replica<Members>,
    first: SocketAddr,
) -> Result<Infallible, Failure> {
    let mut has_told = false;
    loop {
        // It may have found us before we found it.
        if !is_linked(members, first)? {
            match dial(first).await {
                Ok(stream) => {
                    has_told = false;
                    run(members.clone(), stream, first, Side::Dials).await;
                }
                Err(error) => {
                    if !has_told {
                        let port = first.port();
                        eprintln!(
                            "peer: nobody answers at {first} ({error}); will go on trying. To start a peer \
                             there: cargo run --release --example peer -- {port}"
                        );
                    }
                    has_told = true;
                }
            }
        }
        sleep(RETRY).await;
    }
}

/// Links with one more of the others now and then, until there is a link with each: then whichever of
/// them ends, the rest are still in touch.
pub(crate) async fn one_more(
    members: &Replica<Members>,
    own: SocketAddr,
) -> Result<Infallible, Failure> {
    let mut ticks = interval_at(Instant::now() + ONE_MORE, ONE_MORE);
    loop {
        ticks.tick().await;
        for address in unlinked(members, own)? {
            if let Ok(stream) = dial(address).await {
                tokio::spawn(run(members.clone(), stream, address, Side::Dials));
                break;
            }
        }
    }
}

/// A few of those with whom there is no link, at random.
///
/// Those whose beats are recent come first. Others come after them: one may have been started again, or
/// the network between us may have come back.
fn unlinked(members: &Replica<Members>, own: SocketAddr) -> Result<Vec<SocketAddr>, Unavailable> {
    let peers = members.peers()?;
    let mut unlinked = members.read(|members| {
        let others = members::beats(members).filter(|(address, beat)| {
            *address != own && peers.iter().all(|peer| peer.id != Some(beat.origin()))
        });
        let latest = members::latest(members);
        let keyed = others.map(|(address, _)| {
            let is_silent = members.get(&address, latest).is_none();
            ((is_silent, fastrand::u32(..)), address)
        });
        keyed.collect::<Vec<_>>()
    })?;
    unlinked.sort_unstable();
    let addresses = unlinked.into_iter().map(|(_, address)| address);
    Ok(addresses.take(TRIES).collect())
}

/// Whether there is a connection to the peer that wrote the last beat of this address.
fn is_linked(members: &Replica<Members>, address: SocketAddr) -> Result<bool, Unavailable> {
    let beat = members.read(|members| members.stamp(&address))?;
    let peers = members.peers()?;
    Ok(beat.is_some_and(|beat| peers.iter().any(|peer| peer.id == Some(beat.origin()))))
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    timeout(ANSWER, TcpStream::connect(address)).await?
}

/// Replicates over a connection until it ends.
async fn run(members: Replica<Members>, stream: TcpStream, with: SocketAddr, side: Side) {
    // A beat is small, and should not wait for more to come.
    let _ = stream.set_nodelay(true);
    let connection = members.connect(stream.compat());
    let connection = match side {
        // Anybody can connect, and is told nothing before we know that it is a peer.
        Side::Accepts => connection.listening(),
        Side::Dials => connection,
    };
    if let Err(error) = connection.await {
        eprintln!("peer: the link with {with} ended: {}", chain(&error));
    }
}
