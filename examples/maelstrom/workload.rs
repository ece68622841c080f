//! [`Workload`]: what clients ask for, and what they are answered.

use repred::{ReplicaId, sans_io::Core};
use serde_json::{Value, json};

use crate::store::{Store, StoreUpdate};

/// What clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    Echo,
    UniqueIds,
    Broadcast,
    GSet,
    GCounter,
    PnCounter,
}

/// The workloads by the names that Maelstrom gives them.
pub(crate) const NAMES: [(&str, Workload); 6] = [
    ("echo", Workload::Echo),
    ("unique-ids", Workload::UniqueIds),
    ("broadcast", Workload::Broadcast),
    ("g-set", Workload::GSet),
    ("g-counter", Workload::GCounter),
    ("pn-counter", Workload::PnCounter),
];

/// What a request comes to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// At once.
    Now(Value),
    /// After this is written.
    After(StoreUpdate, Value),
}

/// Ids that nobody else makes, nor this node after another start.
#[derive(Debug)]
pub(crate) struct Ids {
    start: ReplicaId,
    count: u64,
}

impl Ids {
    /// `start` is the id of this start of the node.
    pub(crate) fn new(start: ReplicaId) -> Self {
        Self { start, count: 0 }
    }

    fn next(&mut self) -> String {
        self.count += 1;
        format!("{}-{}", self.start, self.count)
    }
}

/// Maelstrom's codes for what is wrong with a request.
const NOT_SUPPORTED: u64 = 10;
const MALFORMED: u64 = 12;

impl Workload {
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(other, _)| *other == name).map(|(_, workload)| *workload)
    }

    /// Answers a request.
    pub(crate) fn answer(
        self,
        request: &Value,
        core: &Core<Store>,
        ids: &mut Ids,
    ) -> Result<Answer, Value> {
        let kind = request["type"].as_str().unwrap_or_default();
        let field = |name: &str| {
            let value = request.get(name).cloned();
            value.ok_or_else(|| error(MALFORMED, &format!("a `{kind}` has a `{name}`")))
        };
        let ok = |kind: &str| json!({ "type": kind });
        match (self, kind) {
            (Self::Echo, "echo") => {
                Ok(Answer::Now(json!({ "type": "echo_ok", "echo": field("echo")? })))
            }
            (Self::UniqueIds, "generate") => {
                Ok(Answer::Now(json!({ "type": "generate_ok", "id": ids.next() })))
            }
            (Self::Broadcast, "broadcast") => {
                let update = StoreUpdate::Values(field("message")?.to_string());
                Ok(Answer::After(update, ok("broadcast_ok")))
            }
            (Self::Broadcast, "read") => {
                Ok(Answer::Now(json!({ "type": "read_ok", "messages": values(core)? })))
            }
            (Self::GSet, "add") => {
                let update = StoreUpdate::Values(field("element")?.to_string());
                Ok(Answer::After(update, ok("add_ok")))
            }
            (Self::GSet, "read") => {
                Ok(Answer::Now(json!({ "type": "read_ok", "value": values(core)? })))
            }
            (Self::GCounter | Self::PnCounter, "add") => {
                let delta = field("delta")?.as_i64();
                let is_allowed = |delta: &i64| self == Self::PnCounter || *delta >= 0;
                let delta = delta.filter(is_allowed).ok_or_else(|| {
                    error(MALFORMED, "a `delta` is an integer, and in a g-counter not below zero")
                })?;
                Ok(Answer::After(StoreUpdate::Sum(delta), ok("add_ok")))
            }
            (Self::GCounter | Self::PnCounter, "read") => {
                let sum = core.state().map_err(|_| poisoned())?.sum.value();
                let sum = i64::try_from(sum).map_err(|_| error(13, "the sum is out of range"))?;
                Ok(Answer::Now(json!({ "type": "read_ok", "value": sum })))
            }
            // Links follow it; that is the node's business.
            (_, "topology") => Ok(Answer::Now(ok("topology_ok"))),
            _ => Err(error(NOT_SUPPORTED, &format!("`{kind}` is no request of this workload"))),
        }
    }
}

fn values(core: &Core<Store>) -> Result<Vec<Value>, Value> {
    let values = &core.state().map_err(|_| poisoned())?.values;
    Ok(values.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

/// An answer that says what is wrong.
pub(crate) fn error(code: u64, text: &str) -> Value {
    json!({ "type": "error", "code": code, "text": text })
}

fn poisoned() -> Value {
    error(13, "the state is gone")
}
