//! The command for a type of one's own: this program is that command when it is told so, and
//! otherwise the test.

mod common;

use std::{
    env, fs,
    path::Path,
    process::{Command, ExitCode},
};

use repred::{Counter, Durability, GrowSet, LwwMap, Reduce, Schema, sans_io::SessionConfig};
use repred_tool::Tool;
use serde::{Deserialize, Serialize};

use common::{Author, Folder, Said};

#[derive(Reduce, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Board {
    names: GrowSet<String>,
    latest: LwwMap<u8, u64>,
    votes: Counter,
}

/// What tells this program to be the command.
const IS_COMMAND: &str = "REPRED_TOOL_IS_COMMAND";

fn schema() -> Schema {
    Schema::new("board", 2).grown_from(1)
}

fn main() -> ExitCode {
    if env::var_os(IS_COMMAND).is_some() {
        return Tool::of(Board::default).schema(schema()).run();
    }
    type Test = (&'static str, fn(&str));
    let tests: [Test; 5] = [
        ("updates_are_shown_as_json", updates_are_shown_as_json),
        ("garbage_is_told_exactly_and_left_out", garbage_is_told_exactly_and_left_out),
        ("what_is_in_use_is_not_compacted", what_is_in_use_is_not_compacted),
        ("what_cannot_be_reduced_is_damage", what_cannot_be_reduced_is_damage),
        ("another_schema_is_refused", another_schema_is_refused),
    ];
    for (name, test) in tests {
        test(name);
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn board(args: &[&str], folder: &Path) -> Said {
    let mut command = Command::new(env::current_exe().unwrap());
    common::said(command.env(IS_COMMAND, "1").args(args).arg(folder))
}

fn author(folder: &Folder) -> Author<Board> {
    Author::open(folder, 0xa, SessionConfig::new(schema()), Durability::EveryUpdate)
}

fn updates_are_shown_as_json(name: &str) {
    let folder = Folder::new(name);
    let mut author = author(&folder);
    author.update(BoardUpdate::Votes(3));
    author.update_all(vec![BoardUpdate::Names("jim".into()), BoardUpdate::Latest((7, None))]);
    assert_eq!(
        board(&["log"], folder.path()).out.lines().collect::<Vec<_>>(),
        [
            "-- opened by a, nothing is told before it is on the disk",
            "-- board, version 2",
            r#"2023-11-14T22:13:20.000000000Z  a.1              3 B  {"Votes":3}"#,
            r#"2023-11-14T22:13:20.000000031Z  a.2              6 B  edit 2..3 {"Names":"jim"}"#,
            r#"2023-11-14T22:13:20.000000062Z  a.3              4 B  edit 2..3 {"Latest":[7,null]}"#,
        ]
    );
}

fn garbage_is_told_exactly_and_left_out(name: &str) {
    let folder = Folder::new(name);
    let mut author = author(&folder);
    (0..1000).for_each(|number| author.update(BoardUpdate::Latest((1, Some(number)))));
    let before = author.journal.size();
    let told = garbage(&folder);
    author.close();
    let said = board(&["compact"], folder.path());
    assert_eq!((said.code, &*said.err), (0, ""));

    // The last record of both says that it was closed.
    let closed = fs::metadata(folder.path().join("journal-00000002")).unwrap().len();
    let after = closed - (garbage_bytes(&garbage(&folder)));
    assert_eq!(told, format!("{}: compacted, it has {after} bytes", thousands(before - after)));
    assert!(before > 50 * after, "{before} and {after}");
    let log = board(&["log", "--origin", "a"], folder.path()).out;
    assert_eq!(
        log.lines().collect::<Vec<_>>(),
        [
            "                             a.1..999  forgotten",
            r#"2023-11-14T22:13:20.000031218Z  a.1000           6 B  {"Latest":[1,999]}"#,
        ]
    );
    let check = board(&["check"], folder.path());
    let whole =
        format!("journal-00000002 is whole: {}, 1 entry, 999 updates forgotten", thousands(closed));
    assert_eq!(check.out, format!("{whole}\nall of it can be reduced\n"));
    // It is the same replica, with the same state.
    let config = SessionConfig::new(schema());
    let again = Author::<Board>::open(&folder, 0xb, config, Durability::EveryUpdate);
    assert_eq!(again.core.id(), 0xa.into());
    assert_eq!(again.core.state().unwrap().latest.get(&1), Some(&999));
}

/// What the journal in a folder is told to have of garbage.
fn garbage(folder: &Folder) -> String {
    let out = board(&["stat"], folder.path()).out;
    let row = out.lines().find_map(|line| line.strip_prefix("garbage")).unwrap();
    row.trim().to_owned()
}

fn garbage_bytes(told: &str) -> u64 {
    told.split(' ').next().unwrap().replace(',', "").parse().unwrap()
}

fn thousands(bytes: u64) -> String {
    format!("{},{:03} bytes", bytes / 1000, bytes % 1000)
}

fn what_is_in_use_is_not_compacted(name: &str) {
    let folder = Folder::new(name);
    let mut author = author(&folder);
    author.update(BoardUpdate::Votes(3));
    let file = folder.path().join("journal-00000001");
    let before = fs::read(&file).unwrap();
    let said = board(&["compact"], folder.path());
    assert!(
        said.err.contains("is in use: stop ") && said.err.ends_with(" first\n"),
        "{}",
        said.err
    );
    #[cfg(target_os = "linux")]
    assert!(said.err.contains(&format!("(process {})", std::process::id())), "{}", said.err);
    assert_eq!((said.code, &*said.out), (2, ""));
    assert_eq!(fs::read(&file).unwrap(), before);
}

fn what_cannot_be_reduced_is_damage(name: &str) {
    let folder = Folder::new(name);
    let config = SessionConfig::new(schema());
    // Another type under the same name: what it writes is no update of a board.
    let mut other = Author::<Counter>::open(&folder, 0xa, config, Durability::EveryUpdate);
    other.update(-1000);
    let said = board(&["check"], folder.path());
    assert!(said.out.contains("is whole") && said.out.contains("does not fit"), "{}", said.out);
    assert_eq!(said.code, 1);
    let log = board(&["log", "--origin", "a"], folder.path());
    assert_eq!(log.out, "2023-11-14T22:13:20.000000000Z  a.1              2 B  cf0f\n");
}

fn another_schema_is_refused(name: &str) {
    let folder = Folder::new(name);
    let config = SessionConfig::new(Schema::new("votes", 1));
    Author::<Counter>::open(&folder, 0xa, config, Durability::EveryUpdate).update(3);
    for command in ["compact", "check"] {
        let said = board(&[command], folder.path());
        assert!(said.err.contains("is of votes, version 1; this is the tool for board"));
        assert_eq!(said.code, 2);
    }
    let log = board(&["log", "--limit", "1"], folder.path());
    assert_eq!(log.out, "2023-11-14T22:13:20.000000000Z  a.1              1 B  06\n");
    assert!(board(&["stat"], folder.path()).out.contains("garbage    at least 0 bytes"));
}
