//! The same program under several executors.

use futures::{
    AsyncRead, AsyncWrite, StreamExt,
    future::{join3, select},
};
use repred::{
    Connection, Counter, GrowSet, Pipe, Reducer, Replica, Subscription, net::Synced, pipe,
};
use tokio_util::compat::TokioAsyncReadCompatExt;

#[test]
fn handles_and_futures_can_move_between_threads() {
    fn is_shared<T: Send + Sync + Clone + 'static>() {}
    fn is_sent<T: Send + 'static>() {}
    is_shared::<Replica<Counter>>();
    is_shared::<Replica<GrowSet<String>>>();
    is_shared::<Replica<Reducer<Vec<u8>, String>>>();
    is_sent::<Connection<Counter, repred::net::ByteStream<Pipe>>>();
    is_sent::<Connection<Reducer<Vec<u8>, String>, repred::net::ByteStream<Pipe>>>();
    is_sent::<Subscription<Counter>>();
    is_sent::<Synced<Counter>>();
}

/// Catches up, then meets live updates, then hangs up.
async fn program<Io>(a: Io, b: Io)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    for i in 1..=1000 {
        here.update(i).unwrap();
        there.update(-2 * i).unwrap();
    }
    let links = join3(here.connect(a), there.connect(b), async {
        here.synced().await.unwrap();
        there.synced().await.unwrap();
        let mut changes = there.subscribe().unwrap();
        here.update(7).unwrap();
        changes.next().await.unwrap();
        assert_eq!(here.version(), there.version());
        assert_eq!(here.state_digest(), there.state_digest());
        assert_eq!(there.read(|votes| votes.value()), Ok(7 - 500_500));
    });
    // The connections go on for ever; what counts is that the third is done.
    let links = async {
        let (a, b, ()) = links.await;
        (a, b)
    };
    let done = async {
        let mut changes = there.subscribe().unwrap();
        while there.read(|votes| votes.value()).unwrap() != 7 - 500_500 {
            changes.next().await;
        }
    };
    select(Box::pin(links), Box::pin(done)).await;
}

#[test]
fn a_program_runs_under_futures() {
    let (a, b) = pipe(100);
    futures::executor::block_on(program(a, b));
}

#[test]
fn a_program_runs_under_smol_over_tcp() {
    smol::block_on(async {
        let listener = smol::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let a = smol::net::TcpStream::connect(address).await.unwrap();
        let (b, _) = listener.accept().await.unwrap();
        let task = smol::spawn(program(a, b));
        task.await;
    });
}

#[test]
fn a_program_runs_under_tokio_over_tcp_on_one_thread_and_on_two() {
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let two = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    for runtime in [one, two] {
        runtime.unwrap().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let a = tokio::net::TcpStream::connect(address).await.unwrap();
            let (b, _) = listener.accept().await.unwrap();
            let task = tokio::spawn(program(a.compat(), b.compat()));
            task.await.unwrap();
        });
    }
}
