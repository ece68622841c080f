//! [`LogFile`]: the file of one generation of a log.

use std::io;

use super::storage::{Storage, uninterrupted};

/// The file of one generation of a log: `journal-00000003` is the third that compaction has written.
///
/// There is no manifest. The journal is the file of the largest generation, so renaming `journal-00000004.new` to
/// `journal-00000004` is the step at which that one takes over, and files of smaller generations are leftovers.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    pub(super) generation: u64,
    pub(super) name: String,
    /// Where the next record goes. The file may be longer; see `allocated`.
    pub(super) size: u64,
    /// Up to here the file has bytes. From `size` on they are zeros.
    pub(super) allocated: u64,
    /// The size up to which it survives a loss of power.
    pub(super) synced: u64,
}

impl LogFile {
    /// The file of the largest generation; `None` if there is no log yet. It has not been read, so it counts as full of
    /// records, none of them synced.
    pub(super) fn find(storage: &mut impl Storage) -> io::Result<Option<Self>> {
        let names = uninterrupted(|| storage.names())?;
        let Some(latest) = names.iter().filter_map(|name| generation(name)).max() else {
            return Ok(None);
        };
        let mut file = Self::new(latest);
        file.size = uninterrupted(|| storage.size(&file.name))?;
        file.allocated = file.size;
        Ok(Some(file))
    }

    /// An empty file under the name that makes it the journal.
    pub(super) fn new(generation: u64) -> Self {
        let name = format!("journal-{generation:08}");
        Self { generation, name, size: 0, allocated: 0, synced: 0 }
    }

    /// An empty file under the name that it has while it is written.
    pub(super) fn unfinished(generation: u64) -> Self {
        let file = Self::new(generation);
        Self { name: file.name + ".new", ..file }
    }

    /// The name of a damaged file that is kept.
    pub(super) fn damaged_name(&self) -> String {
        format!("damaged-{:08}", self.generation)
    }
}

/// Whether a file of this name was written by a log: by an earlier generation, or by a compaction that did not end.
pub(super) fn is_of_log(name: &str) -> bool {
    generation(name.strip_suffix(".new").unwrap_or(name)).is_some()
}

/// The generation of a file of this name, if it is one.
fn generation(name: &str) -> Option<u64> {
    let generation = name.strip_prefix("journal-")?.parse().ok()?;
    // `journal-7` and `journal-+0000007` are not ours. The last generation of all could have no successor.
    (LogFile::new(generation).name == name && generation < u64::MAX).then_some(generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_log_writes_are_taken_for_its_files() {
        for (name, expected) in [
            ("journal-00000007", Some(7)),
            ("journal-123456789", Some(123_456_789)),
            ("journal-7", None),
            ("journal-+0000007", None),
            ("journal-00000007.new", None),
            ("journal-18446744073709551615", None),
            ("damaged-00000007", None),
            ("lock", None),
        ] {
            assert_eq!(generation(name), expected, "{name}");
        }
        assert!(is_of_log("journal-00000007.new") && !is_of_log("journal-00000007.old"));
    }
}
