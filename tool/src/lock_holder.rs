//! The process that has a folder open.

use std::{fs, path::Path};

/// The process that has locked a folder, where the system says so.
#[cfg(target_os = "linux")]
pub(crate) fn of(folder: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;

    let locks = fs::read_to_string("/proc/locks").ok()?;
    // The folder is locked as well, and somebody may have removed the file.
    let inodes = [folder.join("lock"), folder.to_owned()].map(|path| fs::metadata(path).ok());
    let inodes = inodes.iter().flatten().map(MetadataExt::ino);
    let process =
        inodes.flat_map(|inode| locks.lines().find_map(move |line| process(line, inode))).next()?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(format!("{} (process {process})", name.trim()))
}

/// Other systems do not say.
#[cfg(not(target_os = "linux"))]
pub(crate) fn of(_folder: &Path) -> Option<String> {
    None
}

/// The process of a line such as `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`, if it is about
/// this file.
#[cfg(target_os = "linux")]
fn process(line: &str, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().skip_while(|word| *word != "WRITE").skip(1);
    let process = words.next()?.parse().ok()?;
    let is_it = words.next()?.rsplit(':').next()? == inode.to_string();
    is_it.then_some(process)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_names_its_holder() {
        let line = "1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF";
        assert_eq!(process(line, 1234), Some(4711));
        assert_eq!(process(line, 123), None);
        assert_eq!(process("", 1234), None);
    }
}
