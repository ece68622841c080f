//! The ids of a derived update's variants, which its visitor says to whoever traces the type.
//!
//! Serde tells a format the names of an enum's variants, and no numbers. Those are their places, but in a derived update.
//! So its visitor says the numbers where it is asked what it expects, in the alternate form, which nobody else uses.

use alloc::vec::Vec;
use core::fmt;

const START: &str = "the variants with the ids ";

/// What a visitor says that knows its variants by ids.
pub(crate) fn write(ids: &[u32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(START)?;
    for (at, id) in ids.iter().enumerate() {
        let separator = if at > 0 { "," } else { "" };
        write!(f, "{separator}{id}")?;
    }
    Ok(())
}

/// The ids, if a visitor has said them.
pub(super) fn read(expected: &str) -> Option<Vec<u32>> {
    let ids = expected.strip_prefix(START)?;
    ids.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().ok()).collect()
}
