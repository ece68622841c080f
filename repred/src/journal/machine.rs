//! [`Machine`]: what the system says of the machine that it runs on.

use std::fs::Metadata;

/// The machine, its last start, and a device in it. 0 is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Machine {
    /// A hash of the id of the machine.
    pub(super) machine: u64,
    /// A hash of the id of its last start.
    pub(super) boot: u64,
    /// The number of the device.
    pub(super) device: u64,
}

/// What a file system tells a folder or a file from others by. 0 is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) number: u64,
    /// When it was made, in nanoseconds since 1970. A file system may use the number of a file that was removed again.
    pub(super) born: u64,
}

impl Machine {
    /// The machine that this runs on, and the device of a file or folder.
    #[cfg(target_os = "linux")]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::{fs, os::unix::fs::MetadataExt};
        // systemd asks not to give the id of a machine away; a hash is as good.
        let read = |kind, path| fs::read_to_string(path).map_or(0, |id| hashed(kind, id.trim()));
        Self {
            machine: read("machine", "/etc/machine-id"),
            boot: read("boot", "/proc/sys/kernel/random/boot_id"),
            device: if is_disk(metadata.dev()) { metadata.dev() } else { 0 },
        }
    }

    /// Other systems say none of this without `unsafe`.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(_metadata: &Metadata) -> Self {
        Self::default()
    }
}

impl Inode {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let born = metadata.created().ok();
        let born = born.and_then(|born| born.duration_since(std::time::UNIX_EPOCH).ok());
        let born = born.and_then(|born| u64::try_from(born.as_nanos()).ok()).unwrap_or(0);
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let number = 0;
        Self { number, born }
    }
}

/// Whether a device is a disk, or a part of one. Others have no major number, and get another minor number each time
/// that they are mounted: overlays, network file systems, file systems in memory.
#[cfg(any(target_os = "linux", test))]
fn is_disk(device: u64) -> bool {
    let major = (device >> 8) & 0xfff | (device >> 32) & 0xffff_f000;
    major != 0
}

/// A hash of an id; 0 if there is none.
#[cfg(any(target_os = "linux", test))]
fn hashed(kind: &str, id: &str) -> u64 {
    // systemd writes this until it has drawn an id.
    if id.is_empty() || id == "uninitialized" {
        return 0;
    }
    use std::hash::Hasher;
    let mut hasher = siphasher::sip::SipHasher24::new();
    for part in ["repred place", kind, id] {
        hasher.write(part.as_bytes());
        hasher.write_u8(0);
    }
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_not_there_is_unknown_and_one_of_another_kind_is_another() {
        assert_eq!((hashed("machine", ""), hashed("machine", "uninitialized")), (0, 0));
        assert_ne!(hashed("machine", "a"), hashed("machine", "b"));
        assert_ne!(hashed("machine", "a"), hashed("boot", "a"));
    }

    #[test]
    fn a_disk_is_told_from_what_gets_a_number_when_it_is_mounted() {
        assert!(is_disk(0xfe00), "254:0");
        assert!(is_disk(0x10_3000_0801));
        assert!(!is_disk(0x34), "0:52");
    }
}
