//! Endpoints: other protocols, and several documents, over the transports that replicas use.

use std::{
    cell::OnceCell,
    collections::VecDeque,
    rc::Rc,
    task::{Context, Poll},
};

use futures::{executor::block_on, future::join};
use repred::{
    Connection, Counter, Replica, Set,
    error::{ConnectionError, EndpointError},
    net::{ByteStream, Platform},
    pipe,
    sans_io::{Endpoint, Framing, Monotonic, Now, WriteProgress},
};
use repred_tests::Ending;

/// Says one line, and hears one; a protocol that is not ours.
struct Line {
    to_say: Option<&'static str>,
    /// Shared, so that it can be looked at when the connection is over.
    heard: Rc<OnceCell<String>>,
}

impl Line {
    fn new(to_say: &'static str) -> Self {
        Self { to_say: Some(to_say), heard: Rc::default() }
    }
}

impl Endpoint for Line {
    fn handle_bytes(&mut self, bytes: &[u8], _now: Now) -> Result<usize, EndpointError> {
        let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
            return Ok(0);
        };
        let line = String::from_utf8(bytes[..end].to_vec());
        let line = line.map_err(|error| EndpointError::Other(error.into()))?;
        assert_eq!(self.heard.set(line), Ok(()), "one line is said");
        Ok(end + 1)
    }

    fn poll_bytes(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Now,
        out: &mut Vec<u8>,
    ) -> Poll<Result<(), EndpointError>> {
        let Some(line) = self.to_say.take() else { return Poll::Pending };
        out.extend_from_slice(line.as_bytes());
        Poll::Ready(Ok(()))
    }

    fn may_end(&self) -> bool {
        self.heard.get().is_some()
    }

    fn close(&mut self, _now: Now) {}

    fn is_closed(&self) -> bool {
        self.heard.get().is_some() && self.to_say.is_none()
    }
}

fn connect(a: impl Endpoint + Unpin, b: impl Endpoint + Unpin) -> (Ending, Ending) {
    let (left, right) = pipe(1 << 16);
    let a = Connection::new(a, ByteStream::new(left), Platform::system());
    let b = Connection::new(b, ByteStream::new(right), Platform::system());
    block_on(join(a, b))
}

#[test]
fn a_transport_carries_a_protocol_that_is_not_ours() {
    let (a, b) = (Line::new("hello\n"), Line::new("good day\n"));
    let (a_heard, b_heard) = (Rc::clone(&a.heard), Rc::clone(&b.heard));
    let ended = connect(a, b);
    assert!(matches!(ended, (Ok(_), Ok(_))), "{ended:?}");
    assert_eq!(a_heard.get().map(String::as_str), Some("good day"));
    assert_eq!(b_heard.get().map(String::as_str), Some("hello"));
}

#[test]
fn a_stream_that_ends_before_the_endpoint_allows_it_is_an_error() {
    let (ended, cut) = connect(Line::new("no end of line"), Line::new("good day\n"));
    assert!(ended.is_ok(), "{ended:?}");
    assert!(matches!(cut, Err(ConnectionError::Io(_))), "{cut:?}");
}

#[test]
fn the_error_of_another_protocol_reaches_the_caller() {
    let noise = Noise(VecDeque::from([b"\xff\n".to_vec()]));
    let (failed, _) = connect(Line::new("good day\n"), noise);
    assert!(matches!(failed, Err(ConnectionError::Endpoint(_))), "{failed:?}");
}

/// Says these bytes, and does not care what it hears.
struct Noise(VecDeque<Vec<u8>>);

impl Endpoint for Noise {
    fn handle_bytes(&mut self, bytes: &[u8], _now: Now) -> Result<usize, EndpointError> {
        Ok(bytes.len())
    }

    fn poll_bytes(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Now,
        out: &mut Vec<u8>,
    ) -> Poll<Result<(), EndpointError>> {
        let Some(bytes) = self.0.pop_front() else { return Poll::Pending };
        out.extend(bytes);
        Poll::Ready(Ok(()))
    }

    fn close(&mut self, _now: Now) {}

    fn is_closed(&self) -> bool {
        false
    }
}

/// Several conversations over one transport: each message behind its channel and its length.
struct Multiplexer {
    channels: Vec<Box<dyn Endpoint>>,
}

impl Multiplexer {
    const HEAD: usize = 5;

    fn each(
        &mut self,
        mut act: impl FnMut(&mut dyn Endpoint) -> Result<(), EndpointError>,
    ) -> Result<(), EndpointError> {
        self.channels.iter_mut().try_for_each(|channel| act(&mut **channel))
    }
}

impl Endpoint for Multiplexer {
    fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> Result<usize, EndpointError> {
        let mut rest = bytes;
        while let Some((head, behind)) = rest.split_at_checked(Self::HEAD) {
            let len = u32::from_le_bytes(head[1..].try_into().expect("four bytes")) as usize;
            let Some((message, next)) = behind.split_at_checked(len) else { break };
            self.channels[usize::from(head[0])].handle_bytes(message, now)?;
            rest = next;
        }
        Ok(bytes.len() - rest.len())
    }

    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Poll<Result<(), EndpointError>> {
        let start = out.len();
        for (channel, endpoint) in self.channels.iter_mut().enumerate() {
            let mut message = Vec::new();
            if let Poll::Ready(polled) = endpoint.poll_bytes(cx, now, &mut message) {
                polled?;
                out.push(channel as u8);
                out.extend_from_slice(&(message.len() as u32).to_le_bytes());
                out.extend_from_slice(&message);
            }
        }
        if out.len() > start { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn handle_sent(&mut self, progress: WriteProgress, now: Now) -> Result<(), EndpointError> {
        self.each(|channel| channel.handle_sent(progress, now))
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        self.channels.iter().filter_map(|channel| channel.poll_timeout()).min()
    }

    fn handle_timeout(&mut self, now: Now) -> Result<(), EndpointError> {
        self.each(|channel| channel.handle_timeout(now))
    }

    fn may_end(&self) -> bool {
        self.channels.iter().all(|channel| channel.may_end())
    }

    fn close(&mut self, now: Now) {
        self.channels.iter_mut().for_each(|channel| channel.close(now));
    }

    fn is_closed(&self) -> bool {
        self.channels.iter().any(|channel| channel.is_closed())
    }
}

#[test]
fn two_documents_of_different_types_share_a_transport() {
    let votes = [Replica::new(Counter::default()), Replica::new(Counter::default())];
    let guests = [Replica::new(Set::<String>::default()), Replica::new(Set::<String>::default())];
    votes[0].update(3).unwrap();
    guests[1].edit(|guests| guests.insert("jim".to_string())).unwrap();

    let multiplexer = |at: usize| Multiplexer {
        channels: vec![
            Box::new(votes[at].endpoint(Framing::Messages)),
            Box::new(guests[at].endpoint(Framing::Messages)),
        ],
    };
    let (left, right) = pipe(1 << 16);
    let a = Connection::new(multiplexer(0), ByteStream::new(left), Platform::system());
    let b = Connection::new(multiplexer(1), ByteStream::new(right), Platform::system());
    let synced = async {
        votes[1].synced().await.unwrap();
        guests[0].synced().await.unwrap();
        assert_eq!(votes[1].read(|votes| votes.value()).unwrap(), 3);
        assert!(guests[0].read(|guests| guests.contains("jim")).unwrap());
    };
    let links = futures::future::select(Box::pin(join(a, b)), Box::pin(synced));
    assert!(matches!(block_on(links), futures::future::Either::Right(_)), "a link has ended");
}
