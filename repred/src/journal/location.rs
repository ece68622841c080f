//! [`Location`]: where a journal is, so that a copy of it is noticed when it is opened.

use std::fmt;

use super::machine::{Inode, Machine};

/// Bytes of the path that are kept: enough to recognize it by.
const PATH: usize = 200;

/// Where a journal is. A journal notes its place whenever it is opened, and compares it with the one that is noted: so a
/// copy is noticed, such as a folder that was copied with `cp -r` or restored from a backup.
///
/// For a folder, a place is the machine, and the inode and the time of birth of the folder and of the file, which a
/// program that copies cannot copy. Renaming the folder, compacting, restarting the machine and mounting the file
/// system elsewhere on the same machine change none of these. The number of the device is compared only if the machine
/// was not restarted since, and only for disks: other file systems get another number each time that they are mounted.
/// The path is there for whoever reads the error, and is not compared.
///
/// What is not known is not compared. A machine is known by `/etc/machine-id` on Linux, of which only a hash is kept.
///
/// **A copy of a whole disk** is not noticed (that of a virtual machine that is cloned with its id, or a snapshot of a
/// file system), nor is an old file that is written over the present one in its place. Peers find these out.
///
/// **A false alarm costs an id.** A folder that was moved to another disk or to another machine looks like a copy, and so
/// does one on a file system without inodes of its own (FAT) after each mount. Then the replica has a new id, and nothing else
/// is different.
///
/// ```
/// use repred::journal::Location;
///
/// let (was, is) = (Location::numbered(17), Location::numbered(18));
/// assert!(is.is_copy_of(&was));
/// assert!(!is.is_copy_of(&is));
/// assert!(!is.is_copy_of(&Location::default()), "nothing is known of it");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    path: String,
    machine: Machine,
    folder: Inode,
    file: Inode,
}

impl Machine {
    /// Whether it is another machine, or another disk. Its disks may be numbered in another order after a restart.
    fn differs(self, other: Self) -> bool {
        let is_same_start = self.boot != 0 && self.boot == other.boot;
        differ(self.machine, other.machine) || is_same_start && differ(self.device, other.device)
    }
}

impl Inode {
    fn differs(self, other: Self) -> bool {
        differ(self.number, other.number) || differ(self.born, other.born)
    }
}

/// Whether both are known, and not the same.
fn differ(one: u64, other: u64) -> bool {
    one != 0 && other != 0 && one != other
}

impl Location {
    /// A place in a storage of your own, which is told from others by a number that a copy would not have: of a
    /// device, for example. 0 says that it is not known.
    pub fn numbered(number: u64) -> Self {
        Self { folder: Inode { number, born: 0 }, ..Self::default() }
    }

    /// A place in a folder.
    pub(super) fn of_file(path: &str, machine: Machine, folder: Inode, file: Inode) -> Self {
        // Its end says more than its beginning.
        let mut starts = path.len().saturating_sub(PATH)..=path.len();
        let start = starts.find(|start| path.is_char_boundary(*start)).unwrap_or(0);
        Self { path: path[start..].to_owned(), machine, folder, file }
    }

    /// Whether what was written at another place is a copy if it is found here.
    pub fn is_copy_of(&self, was: &Self) -> bool {
        self.machine.differs(was.machine)
            || self.folder.differs(was.folder)
            || self.file.differs(was.file)
    }

    /// The path of the folder, if it has one; only its end, if it is long.
    pub fn path(&self) -> &str {
        &self.path
    }

    // ---- in a journal ----

    fn numbers(&self) -> [u64; 7] {
        let Self { machine: Machine { machine, boot, device }, folder, file, .. } = self;
        [*machine, *boot, *device, folder.number, folder.born, file.number, file.born]
    }

    /// Seven numbers of eight bytes, little endian, and the path.
    pub(super) fn encode(&self) -> Vec<u8> {
        let numbers = self.numbers().into_iter().flat_map(u64::to_le_bytes);
        numbers.chain(self.path.bytes()).collect()
    }

    /// `None` if it was not encoded like that.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, path) = bytes.split_at_checked(7 * 8)?;
        let mut numbers = numbers
            .chunks_exact(8)
            .filter_map(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
        let mut next = || numbers.next();
        Some(Self {
            machine: Machine { machine: next()?, boot: next()?, device: next()? },
            folder: Inode { number: next()?, born: next()? },
            file: Inode { number: next()?, born: next()? },
            path: std::str::from_utf8(path).ok()?.to_owned(),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.path, self.folder.number) {
            ("", 0) => f.write_str("an unknown place"),
            ("", number) => write!(f, "place {number}"),
            (path, _) => f.write_str(path),
        }
    }
}

/// A journal was opened elsewhere than where it was opened last, so it is a copy: it goes on under a new id, as if it had
/// been opened as [`restored`](crate::ReplicaBuilder::restored). Nothing is lost, and nothing has to be done.
///
/// If the original is still in use, it keeps its id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyNoticed {
    /// Where the journal was when it was opened last.
    pub was: Location,
    /// Where it is now.
    pub is: Location,
}

impl CopyNoticed {
    /// If a journal that was opened last at one place is a copy at another one.
    pub(super) fn between(was: Option<&Location>, is: Option<&Location>) -> Option<Self> {
        let (was, is) = (was?, is?);
        is.is_copy_of(was).then(|| Self { was: was.clone(), is: is.clone() })
    }
}

impl fmt::Display for CopyNoticed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { was, is } = self;
        if was.path == is.path {
            // A backup that was put back, for example.
            return write!(f, "{is} is a copy of what was there: it goes on under a new id");
        }
        write!(f, "{is} is a copy of {was}: it goes on under a new id")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location() -> Location {
        let machine = Machine { machine: 1, boot: 2, device: 3 };
        let (folder, file) = (Inode { number: 4, born: 5 }, Inode { number: 6, born: 7 });
        Location::of_file("/data/votes", machine, folder, file)
    }

    #[test]
    fn a_place_round_trips_through_its_encoding() {
        for place in [location(), Location::default(), Location::numbered(9)] {
            let bytes = place.encode();
            assert_eq!(Location::decode(&bytes), Some(place));
            assert_eq!(Location::decode(&bytes[..55]), None);
        }
        assert_eq!(Location::decode(&[0xff; 57]), None, "not UTF-8");
    }

    #[test]
    fn each_number_alone_shows_a_copy_and_an_unknown_one_shows_nothing() {
        let change = |changes: &[(usize, u64)]| {
            let mut numbers = location().numbers();
            changes.iter().for_each(|(at, number)| numbers[*at] = *number);
            let bytes = numbers.into_iter().flat_map(u64::to_le_bytes);
            Location::decode(&bytes.chain(*b"/data/votes").collect::<Vec<_>>()).unwrap()
        };
        for at in 0..7 {
            let (other, unknown) = (change(&[(at, 99)]), change(&[(at, 0)]));
            // The id of a start is only there to say whether numbers of devices can be compared.
            let expected = at != 1;
            assert_eq!(other.is_copy_of(&location()), expected, "number {at}");
            assert_eq!(location().is_copy_of(&other), expected, "number {at}");
            assert!(
                !unknown.is_copy_of(&location()) && !location().is_copy_of(&unknown),
                "number {at}"
            );
        }
        assert!(!change(&[(1, 99), (2, 99)]).is_copy_of(&location()), "the machine was restarted");
        assert!(!change(&[(1, 0), (2, 99)]).is_copy_of(&location()), "it may have been restarted");
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        let long = format!("/{}/votes", "ä".repeat(300));
        let place =
            Location::of_file(&long, Machine::default(), Inode::default(), Inode::default());
        assert!(place.path().ends_with("ä/votes") && place.path().len() <= PATH, "{place}");
    }
}
