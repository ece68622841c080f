//! [`Show`]: an update as JSON.

use repred::journal::RawEntry;
use serde::{Serialize, de::DeserializeOwned};

/// Shows an update as JSON; `None` if it has another type after all.
pub(crate) type Show = fn(&RawEntry) -> Option<String>;

/// How updates of a type are shown.
pub(crate) fn json<U: Serialize + DeserializeOwned>(entry: &RawEntry) -> Option<String> {
    serde_json::to_string(&entry.decode::<U>().ok()?).ok()
}
