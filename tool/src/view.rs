//! [`View`]: how the updates of a journal are shown.

use repred::{Schema, journal::RawEntry};

use crate::{ready_made, show::Show, state_type::StateType};

/// How the updates of a journal are shown at the present place in it.
pub(crate) struct View<'k> {
    kind: Option<&'k dyn StateType>,
    show: Option<Show>,
}

impl<'k> View<'k> {
    pub(crate) fn new(kind: Option<&'k dyn StateType>) -> Self {
        Self { kind, show: None }
    }

    /// From here on, updates are of this schema.
    pub(crate) fn enter(&mut self, schema: &Schema) {
        let ours = self.kind.filter(|kind| kind.schema().fits(schema));
        self.show = ours
            .map(|kind| kind.show())
            .or_else(|| ready_made::find(schema).map(|found| found.show));
    }

    /// Whether the type of the updates is known.
    pub(crate) fn is_known(&self) -> bool {
        self.show.is_some()
    }

    /// An update as JSON, if its type is known.
    pub(crate) fn show(&self, entry: &RawEntry) -> Option<String> {
        self.show.and_then(|show| show(entry))
    }
}
