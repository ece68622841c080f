//! A cluster whose members know each other: the list of members that are up is itself replicated state.
//!
//! Start a few, each in a terminal of its own, and then stop and start some:
//!
//! ```text
//! cargo run --release --example peer -- 9001
//! cargo run --release --example peer -- 9002 9001
//! cargo run --release --example peer -- 9003 9002
//! ```
//!
//! Each writes a heartbeat under its address every second ([`members`]), connects to some of the others ([`links`]), and
//! prints which of them are up ([`roster`], [`report`]). Nobody is in charge: the third is given the address of the
//! second only, and learns of the first from the second's replica.
//!
//! With `--data DIR`, a peer has a journal in that folder. It prints only what is durable, so after a restart, even after
//! it was killed, it still knows every peer that it has printed, and needs no address to start with.

mod arguments;
mod links;
mod members;
mod report;
mod roster;

use std::{
    convert::Infallible,
    error::Error,
    future::pending,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use futures::StreamExt;
use repred::{Replica, ReplicaBuilder, Schema, error::OpenError};
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval, timeout},
};

use self::{arguments::Arguments, members::Members, report::Report, roster::Roster};

/// How often to say who is up when that has not changed.
const REMINDER: Duration = Duration::from_secs(3);

/// How many beats of somebody may be missed, and the time it has at least: a beat of a millisecond would
/// otherwise be missed whenever the system is busy with something else.
const BEATS_MISSED: u32 = 3;
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

type Failure = Box<dyn Error + Send + Sync>;

// One thread does: a peer mostly waits.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            let _ = writeln!(io::stdout(), "{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("peer: {error}\n\n{}", arguments::HELP);
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer: {}", report::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let listener = listen(arguments.port).await?;
    let members = open(&arguments)?;
    let result = tokio::select! {
        result = take_part(&members, listener, &arguments) => result.map(|never| match never {}),
        // The others see the links end, and miss our beats.
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Failure::from),
    };
    // Links may still hold the replica, so that it would not be closed by being dropped.
    let closed = members.close();
    result.and(closed.map_err(Failure::from))
}

/// A replica of our own, or the one that is in the folder.
fn open(arguments: &Arguments) -> Result<Replica<Members>, Failure> {
    let members = members::nobody(patience(arguments));
    let builder = Replica::builder(members).schema(Schema::new("members", 2));
    match &arguments.data {
        None => Ok(builder.build()),
        Some(folder) if arguments.recovers => open_in(folder, builder.recover()),
        Some(folder) => open_in(folder, builder),
    }
}

fn open_in(folder: &Path, builder: ReplicaBuilder<Members>) -> Result<Replica<Members>, Failure> {
    builder.open(folder).map_err(|error| {
        let help = match error {
            OpenError::Damaged { .. } => ". To go on with that, start with --recover",
            _ => "",
        };
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("cannot open {}: {error}{cause}{help}", folder.display()).into()
    })
}

/// How long a peer may be silent before it counts as down.
fn patience(arguments: &Arguments) -> Duration {
    LEAST_PATIENCE.max(arguments.beat * BEATS_MISSED)
}

/// Writes heartbeats, connects and reports, until something fails.
async fn take_part(
    members: &Replica<Members>,
    listener: TcpListener,
    arguments: &Arguments,
) -> Result<Infallible, Failure> {
    let own = listener.local_addr()?;
    let (roster, known) = members.read(|members| {
        let known: Vec<_> = members::beats(members).map(|(address, _)| address).collect();
        (Roster::new(own, patience(arguments), members), known)
    })?;
    let mut report = Report::new(arguments.is_json);
    if arguments.data.is_some() {
        report.known(known.into_iter())?;
    }
    let first = async {
        match arguments.first {
            Some(port) => links::keep(members, local(port)).await,
            None => pending().await,
        }
    };
    // None of these ends but by an error.
    let (never, ..) = tokio::try_join!(
        beat(members, own, arguments.beat),
        watch(members, roster, report),
        tell(members),
        links::accept(members, listener),
        links::one_more(members, own),
        first,
    )?;
    Ok(never)
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn listen(port: u16) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(local(port)).await;
    listener.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} is in use, perhaps by a peer that still runs: stop it, or choose another port"
        )
        .into(),
        _ => format!("cannot listen on port {port}: {error}; choose another port").into(),
    })
}

/// Writes a heartbeat now and then.
async fn beat(
    members: &Replica<Members>,
    own: SocketAddr,
    every: Duration,
) -> Result<Infallible, Failure> {
    let mut ticks = interval(every);
    // A beat that was late is no reason for two at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        members.edit(|members| members.heartbeat(own, ()))?;
    }
}

/// Tells of what goes wrong where nobody waits for it.
async fn tell(members: &Replica<Members>) -> Result<Infallible, Failure> {
    let mut notices = members.notices()?;
    while let Some(notice) = notices.next().await {
        eprintln!("peer: {notice}");
    }
    Err("the replica is gone".into())
}

/// Reports which peers are up: whenever that changes, and as a reminder.
async fn watch(
    members: &Replica<Members>,
    mut roster: Roster,
    mut report: Report,
) -> Result<Infallible, Failure> {
    let mut changes = members.subscribe()?;
    let mut reminder = Instant::now();
    loop {
        let now = Instant::now();
        members.read(|members| roster.update(members, now))?;
        let fallen = roster.drop_silent(now);
        let has_changed = !fallen.is_empty() || roster.has_grown();
        if has_changed {
            // What is printed is known again, whatever happens to this process.
            members.durable()?.await?;
        }
        for address in fallen {
            report.down(address)?;
        }
        if has_changed || now >= reminder {
            report.up(roster.alive())?;
            reminder = now + REMINDER;
        }
        // Wakes at a change, or when a beat is missing.
        let wait = roster.next_silence().min(reminder).saturating_duration_since(Instant::now());
        let _ = timeout(wait, changes.next()).await;
    }
}
