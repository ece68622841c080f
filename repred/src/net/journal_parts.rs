//! What a replica holds of its journal, and what a builder sets for it.

use crate::journal::{Durability, IfDamaged, Trimming};
pub(super) use crate::journal::{LogWriter, Outbox, ReadOnly};

/// What a builder sets for the journal.
pub(super) struct JournalSettings {
    pub(super) durability: Durability,
    pub(super) if_damaged: IfDamaged,
    pub(super) trimming: Trimming,
    pub(super) is_restored: bool,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            durability: Durability::EveryUpdate,
            if_damaged: IfDamaged::Refuse,
            trimming: Trimming::Never,
            is_restored: false,
        }
    }
}
