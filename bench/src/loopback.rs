//! Replicas that meet over TCP, on a thread of their own.

use std::thread;

use repred::{Replica, Replicated};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Handle},
    sync::oneshot,
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// A TCP stream as `futures` sees it.
pub type Stream = Compat<TcpStream>;

/// A thread that runs the connections of some replicas, as one process would.
#[derive(Debug)]
pub struct Host {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Host {
    /// Starts the thread.
    ///
    /// # Panics
    ///
    /// If the system has no thread to give.
    pub fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system gives a runtime");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || drop(runtime.block_on(stopped));
        Self {
            handle,
            stop: Some(stop),
            thread: Some(thread::spawn(run)),
        }
    }

    /// Where to spawn futures.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a connection until it ends.
    pub fn connect<R: Replicated>(&self, replica: &Replica<R>, stream: std::net::TcpStream) {
        let replica = replica.clone();
        self.handle.spawn(async move {
            let stream = TcpStream::from_std(stream).expect("the runtime has a driver");
            // It ends in an error when the other side is just dropped; the rounds check what counts.
            let _ = replica.connect(stream.compat()).await;
        });
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Two ends of a TCP connection on this machine, neither of which blocks.
///
/// # Panics
///
/// If the system has no port to give.
pub fn loopback() -> (std::net::TcpStream, std::net::TcpStream) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let pair = async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (here, there) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (here, (there, _)) = (here?, there?);
        here.set_nodelay(true)?;
        there.set_nodelay(true)?;
        Ok::<_, std::io::Error>((here.into_std()?, there.into_std()?))
    };
    let runtime = runtime.expect("the system gives a runtime");
    runtime.block_on(pair).expect("the system gives a port")
}
