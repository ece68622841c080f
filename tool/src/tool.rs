//! [`Tool`]: the command, and what it knows of your types.

use std::{
    fmt,
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use clap::Parser;
use repred::{Replicated, Schema};

use crate::{
    check::{Check, Verdict},
    compact::Compact,
    failure::Failure,
    graph::Graph,
    log::Log,
    stat::Stat,
    state_type::{StateType, Typed},
};

/// The exit code of a command that failed for another reason than a damaged journal.
const FAILED: u8 = 2;

/// The command `repred` for a state type, with a schema or a start that [`run`] cannot know.
///
/// ```no_run
/// use repred::{LwwMap, Schema};
/// use repred_tool::Tool;
///
/// fn main() -> std::process::ExitCode {
///     Tool::of(LwwMap::<u8, f32>::default).schema(Schema::new("temperatures", 2)).run()
/// }
/// ```
pub struct Tool<R> {
    typed: Typed<R>,
}

/// The command `repred` for journals of a state type that have the schema named after it, and begin with
/// its default; see [`Tool`] for others. Return from `main` what this returns.
///
/// With the type, `log` shows updates as JSON, `stat` computes the garbage exactly, `check` also reduces all
/// updates, and `compact` works.
///
/// ```no_run
/// # type Board = repred::Counter;
/// fn main() -> std::process::ExitCode {
///     repred_tool::run::<Board>()
/// }
/// ```
#[must_use]
pub fn run<R: Replicated + Default>() -> ExitCode {
    Tool::of(R::default).run()
}

/// The command `repred` for any journal. Updates of ready-made types are shown as JSON, others as
/// bytes.
#[must_use]
pub fn run_untyped() -> ExitCode {
    obey(None)
}

impl<R: Replicated> Tool<R> {
    /// For journals of a program that begins with this state.
    ///
    /// It must be the same state: which updates are superseded depends on it, so with another one `compact`
    /// would remove the wrong ones.
    pub fn of(initial: impl Fn() -> R + 'static) -> Self {
        let (initial, schema) = (Box::new(initial), Schema::of::<R>());
        Self { typed: Typed { initial, schema, keeps_everything: false } }
    }

    /// The schema that the program gives its replica. Default: the name of the state's type, version 0.
    /// Journals with another schema are read as if the type were not known.
    #[must_use]
    pub fn schema(mut self, schema: Schema) -> Self {
        self.typed.schema = schema;
        self
    }

    /// Compaction leaves out nothing that is superseded, if the program
    /// [keeps everything](repred::ReplicaBuilder::keep_everything). Default: it does.
    #[must_use]
    pub fn keep_everything(mut self) -> Self {
        self.typed.keeps_everything = true;
        self
    }

    /// Does what the command line says. Return from `main` what this returns.
    #[must_use]
    pub fn run(self) -> ExitCode {
        obey(Some(&self.typed))
    }
}

impl<R> fmt::Debug for Tool<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("schema", &self.typed.schema).finish_non_exhaustive()
    }
}

/// Look into the journal of a replica.
#[derive(Debug, Parser)]
#[command(version, about)]
enum Command {
    Log(Log),
    Stat(Stat),
    Check(Check),
    Compact(Compact),
    Graph(Graph),
}

/// Does what the command line says.
fn obey(kind: Option<&dyn StateType>) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = Command::parse().run(kind, &mut out);
    match done.and_then(|verdict| out.flush().map(|()| verdict).map_err(Failure::Output)) {
        Ok(Verdict::Whole) => ExitCode::SUCCESS,
        Ok(Verdict::Damaged) => ExitCode::FAILURE,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // What was found before the error is printed before it.
            let _ = out.flush();
            eprintln!("error: {error}");
            if error.is_damage() { ExitCode::FAILURE } else { ExitCode::from(FAILED) }
        }
    }
}

impl Command {
    fn run(&self, kind: Option<&dyn StateType>, out: &mut dyn Write) -> Result<Verdict, Failure> {
        match self {
            Self::Log(log) => log.run(kind, out)?,
            Self::Stat(stat) => stat.run(kind, out)?,
            Self::Check(check) => return check.run(kind, out),
            Self::Compact(compact) => compact.run(kind, out)?,
            Self::Graph(graph) => graph.run(kind, out)?,
        }
        Ok(Verdict::Whole)
    }
}
