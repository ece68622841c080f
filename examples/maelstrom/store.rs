//! [`Store`]: what the nodes replicate.

use repred::{Counter, GrowSet, Reduce};
use serde::{Deserialize, Serialize};

/// What the nodes replicate. A workload uses one of the two.
#[derive(Debug, Default, Reduce, Serialize, Deserialize)]
pub(crate) struct Store {
    /// Values as the text of their JSON.
    pub(crate) values: GrowSet<String>,
    pub(crate) sum: Counter,
}
