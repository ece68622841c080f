//! Replicas that meet over TCP, on a thread of their own.

use std::thread;

use repred::{Replica, Replicated};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

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
        Self { handle, stop: Some(stop), thread: Some(thread::spawn(run)) }
    }

    /// Runs a connection until it ends. It counts from now on.
    ///
    /// # Panics
    ///
    /// If the stream blocks.
    pub fn connect<R: Replicated>(&self, replica: &Replica<R>, stream: std::net::TcpStream) {
        let _entered = self.handle.enter();
        let stream = TcpStream::from_std(stream).expect("the stream does not block");
        let connection = replica.connect(stream.compat());
        self.handle.spawn(async move {
            // When the other side is just dropped it ends in an error; the rounds check what counts.
            let _ = connection.await;
        });
    }

    /// Runs any future on this thread.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Waits for something that happens on this thread or elsewhere.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
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
