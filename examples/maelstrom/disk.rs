//! [`Disk`]: what a node knew, in a file that outlives it.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
};

use repred::{Core, Loading, Now, Saving, SessionConfig};

use crate::store::Store;

/// A file that holds a message of a session on each line, as hexadecimal digits.
///
/// A line without an end was cut by a crash before anything of it had been said, and is dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    path: PathBuf,
    file: File,
    saving: Saving,
}

impl Disk {
    /// Loads the file of a node into a core that is new, and writes it anew under the core's id.
    pub(crate) fn open(
        directory: &Path,
        name: &str,
        core: &mut Core<Store>,
        now: Now,
    ) -> io::Result<Self> {
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(io::Error::other(format!("the node's name is no file name: {name:?}")));
        }
        fs::create_dir_all(directory).map_err(|error| blame(directory, &error))?;
        let path = directory.join(format!("{name}.log"));
        load(&path, core, now).map_err(|error| blame(&path, &error))?;
        Self::write_anew(directory, &path, core, now).map_err(|error| blame(&path, &error))
    }

    /// The old file stays until all of the new one is on the disk.
    fn write_anew(
        directory: &Path,
        path: &Path,
        core: &mut Core<Store>,
        now: Now,
    ) -> io::Result<Self> {
        let fresh = path.with_extension("new");
        let saving = Saving::new(&SessionConfig::for_state::<Store>(), core, now);
        let saving = saving.map_err(io::Error::other)?;
        let mut disk = Self { path: path.to_owned(), file: File::create(&fresh)?, saving };
        disk.append(core)?;
        fs::rename(&fresh, path)?;
        File::open(directory)?.sync_all()?;
        Ok(disk)
    }

    /// Writes what the core has learnt since. When this returns, it is on the disk.
    pub(crate) fn save(&mut self, core: &mut Core<Store>) -> io::Result<()> {
        self.append(core).map_err(|error| blame(&self.path, &error))
    }

    fn append(&mut self, core: &mut Core<Store>) -> io::Result<()> {
        let (mut message, mut lines) = (Vec::new(), String::new());
        while self.saving.poll_message(core, &mut message).map_err(io::Error::other)? {
            message.drain(..).for_each(|byte| write!(lines, "{byte:02x}").expect("into a String"));
            lines.push('\n');
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.file.write_all(lines.as_bytes())?;
        self.file.sync_data()
    }
}

fn load(path: &Path, core: &mut Core<Store>, now: Now) -> io::Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let (mut file, mut line, mut number) = (BufReader::new(file), String::new(), 0);
    let mut loading = Loading::new(SessionConfig::for_state::<Store>());
    while file.read_line(&mut line)? > 0 {
        let Some(digits) = line.strip_suffix('\n') else { break };
        number += 1;
        let wrong = |what: String| io::Error::other(format!("line {number}: {what}"));
        let message = unhex(digits).ok_or_else(|| wrong("no hexadecimal digits".to_owned()))?;
        loading.handle_message(core, &message, now).map_err(|error| wrong(error.to_string()))?;
        line.clear();
    }
    Ok(())
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|&[high, low]| Some((digit(high)? * 16 + digit(low)?) as u8));
    if rest.is_empty() { bytes.collect() } else { None }
}

fn blame(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
