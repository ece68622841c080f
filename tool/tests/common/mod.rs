//! Journals to look into.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use repred::{
    Durability, Reduce, Replicated, Time,
    journal::{Files, Journal},
    sans_io::{BackupReader, BackupWriter, Core, Monotonic, Now, SessionConfig},
};

/// A folder that is gone when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("repred-tool-{name}-{}", std::process::id());
        let folder = Self(env::temp_dir().join(name));
        let _ = fs::remove_dir_all(folder.path());
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.path());
    }
}

/// A replica with a journal, an id that it was given, and a clock that stands still.
pub(crate) struct Author<R: Replicated> {
    pub(crate) core: Core<R>,
    pub(crate) journal: Journal<Files>,
}

pub(crate) fn now() -> Now {
    Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO }
}

impl<R: Replicated + Default> Author<R> {
    pub(crate) fn open(
        folder: &Folder,
        id: u128,
        config: SessionConfig,
        level: Durability,
    ) -> Self {
        let mut core = Core::new(id.into(), R::default());
        let files = Files::open(folder.path()).unwrap();
        let journal = Journal::open(files, &mut core, &config, level, now()).unwrap();
        Self { core, journal }
    }

    pub(crate) fn update(&mut self, update: <R as Reduce>::Update) {
        self.core.update(update, now().wall).unwrap();
        self.save();
    }

    pub(crate) fn update_all(&mut self, updates: Vec<<R as Reduce>::Update>) {
        self.core.update_all(updates, now().wall).unwrap();
        self.save();
    }

    pub(crate) fn save(&mut self) {
        self.journal.write(&mut self.core).unwrap();
        self.journal.sync().unwrap();
    }

    /// Takes in all that another replica has.
    #[allow(dead_code, reason = "not all tests have peers")]
    pub(crate) fn hear(&mut self, peer: &mut Core<R>, config: &SessionConfig) {
        let mut saving = BackupWriter::new(config, peer, now()).unwrap();
        let mut loading = BackupReader::new(config.clone());
        let mut message = Vec::new();
        while saving.poll_message(peer, &mut message).unwrap() {
            loading.handle_message(&mut self.core, &message, now()).unwrap();
            message.clear();
        }
        self.save();
    }

    pub(crate) fn close(mut self) {
        self.journal.close(&mut self.core).unwrap();
    }
}

/// What a command has said, and how it ended.
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { out: text(output.stdout), err: text(output.stderr), code: output.status.code().unwrap() }
}
