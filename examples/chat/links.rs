//! Links: the connections that are accepted, and those that are made again whenever they end.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use repred::{Replica, error::ConnectionError};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::{Chat, Failure};

/// How long to wait before trying again.
const RETRY: Duration = Duration::from_millis(500);

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Listens on a port.
pub(crate) async fn listen(port: u16) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(local(port)).await;
    listener.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} is in use, perhaps by a chat that still runs: stop it, or choose another port"
        )
        .into(),
        _ => format!("cannot listen on port {port}: {error}; choose another port").into(),
    })
}

/// Runs a connection for each peer that connects.
pub(crate) async fn accept(chat: Replica<Chat>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let chat = chat.clone();
                tokio::spawn(async move {
                    if let Err(error) = run(&chat, stream).await {
                        eprintln!("chat: a peer could not be connected: {error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("chat: cannot accept a connection: {error}; trying again");
                sleep(RETRY).await;
            }
        }
    }
}

/// Connects to a peer, and again whenever the connection has ended.
pub(crate) async fn keep(chat: Replica<Chat>, port: u16) {
    let mut reported = None;
    loop {
        let problem = match TcpStream::connect(local(port)).await {
            Ok(stream) => run(&chat, stream).await.err().map(|error| error.to_string()),
            Err(_) => Some("nobody answers; trying again until somebody does".to_owned()),
        };
        // Each problem is reported once, until another one takes its place.
        if let Some(problem) = problem.as_ref().filter(|_| problem != reported) {
            eprintln!("chat: port {port}: {problem}");
        }
        reported = problem;
        sleep(RETRY).await;
    }
}

/// Replicates over a connection until it ends. A connection that was cut is no error: that happens.
async fn run(chat: &Replica<Chat>, stream: TcpStream) -> Result<(), ConnectionError> {
    // A line is small, and should not wait for more to come.
    let _ = stream.set_nodelay(true);
    match chat.connect(stream.compat()).await {
        Ok(_) | Err(ConnectionError::Io(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
