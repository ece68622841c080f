//! The command itself, as a shell runs it.

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use repred::{
    Counter, Durability, LwwMap, Replica, Schema, Time,
    sans_io::{Core, SessionConfig},
};

use common::{Author, Folder, Said, now};

type Prices = LwwMap<String, u32>;

fn config() -> SessionConfig {
    SessionConfig::for_state::<Prices>()
}

fn repred(args: &[&str], folder: &Path) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repred"));
    common::said(command.args(args).arg(folder))
}

#[track_caller]
fn assert_said(said: &Said, code: i32, lines: &[&str]) {
    let Said { out, err, .. } = said;
    assert_eq!(out.lines().collect::<Vec<_>>(), lines, "\n{out}{err}");
    assert_eq!((said.code, &**err), (code, ""));
}

/// An error names what is wrong, and nothing is said beside it.
#[track_caller]
fn assert_error(said: &Said, code: i32, parts: &[&str]) {
    let Said { out, err, .. } = said;
    assert!(err.starts_with("error: ") && out.is_empty(), "\n{out}{err}");
    parts.iter().for_each(|part| assert!(err.contains(part), "no {part} in {err}"));
    assert_eq!(said.code, code);
}

fn open(folder: &Folder) -> Author<Prices> {
    Author::open(folder, 0xa, config(), Durability::EveryUpdate)
}

/// Three entries of one replica, two of them an edit.
fn prices(folder: &Folder) -> Author<Prices> {
    let mut author = open(folder);
    author.update(("tea".into(), Some(5)));
    author.update_all(vec![("milk".into(), Some(2)), ("tea".into(), Some(6))]);
    author
}

/// The file of the journal.
fn file(folder: &Folder) -> PathBuf {
    folder.path().join("journal-00000001")
}

/// Changes the file behind everybody's back.
fn damage(folder: &Folder, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file(folder)).unwrap();
    change(&mut bytes);
    fs::write(file(folder), bytes).unwrap();
}

#[test]
fn a_log_lists_each_update() {
    let folder = Folder::new("log");
    prices(&folder).close();
    let schema = Schema::of::<Prices>();
    assert_said(
        &repred(&["log"], folder.path()),
        0,
        &[
            "-- opened by a, nothing is told before it is on the disk",
            &format!("-- LwwMap<String, u32> ({schema})"),
            "2023-11-14T22:13:20.000000000Z  a.1              6 B  [\"tea\",5]",
            "2023-11-14T22:13:20.000000031Z  a.2              7 B  edit 2..3 [\"milk\",2]",
            "2023-11-14T22:13:20.000000062Z  a.3              6 B  edit 2..3 [\"tea\",6]",
            "-- closed",
        ],
    );
}

#[test]
fn a_log_lists_skips_and_snapshots() {
    let folder = Folder::new("forgotten");
    let mut author = prices(&folder);
    author.journal.compact(&mut author.core).unwrap();
    let log = repred(&["log", "--limit", "3"], folder.path());
    let forgotten = "                             a.1  forgotten";
    assert_eq!(log.out.lines().next(), Some(forgotten));

    let version = author.core.version();
    author.core.trim(&version).unwrap();
    author.journal.compact(&mut author.core).unwrap();
    let log = repred(&["log", "--limit", "1"], folder.path());
    assert!(log.out.starts_with("-- a snapshot of {a:3}, "), "{}", log.out);
}

#[test]
fn a_log_can_be_filtered() {
    let folder = Folder::new("select");
    let mut author = prices(&folder);
    let mut peer = Core::new(0xb0b.into(), Prices::default());
    peer.update(("rice".into(), Some(9)), now().wall).unwrap();
    author.hear(&mut peer, &config());

    let rice = "2023-11-14T22:13:20.000000000Z  b0b.1            7 B  [\"rice\",9]";
    assert_said(&repred(&["log", "--origin", "b0"], folder.path()), 0, &[rice]);
    assert_said(&repred(&["log", "--limit", "1"], folder.path()), 0, &[rice]);
    let since = repred(&["log", "--since", "2023-11-14T22:13:20Z"], folder.path());
    assert_eq!(since.out.lines().count(), 4);
    assert_said(&repred(&["log", "--since", "2023-11-15"], folder.path()), 0, &[]);
    let wrong = repred(&["log", "--since", "yesterday"], folder.path());
    assert!(wrong.code == 2 && wrong.err.contains("how long ago, such as 2h"), "{}", wrong.err);
}

#[test]
fn what_looks_wrong_in_a_journal_is_named_by_check_and_by_stat() {
    let folder = Folder::new("problems");
    let mut author = prices(&folder);
    let far = Time::ZERO + Duration::from_secs(200 * 86_400 * 365);
    author.core.update(("tea".into(), Some(7)), far).unwrap();
    author.save();
    author.core.set_id(0xb.into());
    author.core.update(("tea".into(), Some(8)), far).unwrap();
    author.save();
    author.close();
    fs::write(folder.path().join("journal-00000002.new"), b"half").unwrap();
    for command in ["check", "stat"] {
        let said = repred(&[command], folder.path());
        assert_eq!((said.code, &*said.err), (0, ""));
        let problems: Vec<_> =
            said.out.lines().filter(|line| line.starts_with("problem")).collect();
        let parts = [
            "journal-00000002.new is there",
            "ahead of this machine's clock",
            "took a new id 1 time",
        ];
        assert_eq!(problems.len(), parts.len(), "{}", said.out);
        for (problem, part) in problems.into_iter().zip(parts) {
            assert!(problem.contains(part), "{problem}");
        }
    }
}

#[test]
fn a_log_for_programs_has_an_object_on_each_line() {
    let folder = Folder::new("json");
    prices(&folder).close();
    let id = "0000000000000000000000000000000a";
    let entry = |nanos: u32, seq: u32, size: u32, rest: &str| {
        format!(
            r#"{{"kind":"entry","time":"2023-11-14T22:13:20.{nanos:09}Z","micros":1700000000000000,"origin":"{id}","seq":{seq},"size":{size},{rest}}}"#
        )
    };
    let log = repred(&["log", "--json"], folder.path());
    let lines: Vec<_> = log.out.lines().collect();
    assert_eq!(lines[0], format!(r#"{{"id":"{id}","kind":"opened","strict":true}}"#));
    assert_eq!(
        lines[2..],
        [
            entry(0, 1, 6, r#""update":["tea",5]"#),
            entry(31, 2, 7, r#""edit":[2,3],"update":["milk",2]"#),
            entry(62, 3, 6, r#""edit":[2,3],"update":["tea",6]"#),
            r#"{"kind":"closed"}"#.to_owned(),
        ]
    );
}

#[test]
fn updates_of_an_unknown_type_are_bytes() {
    let folder = Folder::new("unknown");
    let config = SessionConfig::new(Schema::new("votes", 1));
    let mut author = Author::<Counter>::open(&folder, 0xa, config, Durability::System);
    author.update(-1);
    author.close();
    assert_said(
        &repred(&["log"], folder.path()),
        0,
        &[
            "-- opened by a, told before it is on the disk",
            "-- votes, version 1; not known to this command, so its updates are shown as bytes",
            "2023-11-14T22:13:20.000000000Z  a.1              1 B  01",
            "-- closed",
        ],
    );
    let log = repred(&["log", "--json", "--origin", "a"], folder.path());
    assert!(log.out.ends_with("\"size\":1,\"hex\":\"01\"}\n"), "{}", log.out);
}

#[test]
fn a_journal_in_numbers_also_while_it_is_in_use() {
    let folder = Folder::new("stat");
    let in_use = prices(&folder);
    let (size, schema) = (in_use.journal.size(), Schema::of::<Prices>());
    let zeros = fs::metadata(file(&folder)).unwrap().len() - size;
    let zeros = format!("{},{:03}", zeros / 1000, zeros % 1000);
    assert_said(
        &repred(&["stat"], folder.path()),
        0,
        &[
            "journal    journal-00000001, generation 1",
            &format!("size       {size} bytes, and {zeros} bytes preallocated"),
            "torn       nothing",
            &format!("schema     LwwMap<String, u32> ({schema})"),
            "written    as a, opened 1 time; nothing is told before it is on the disk; not closed: in use, or ended by a crash",
            "version    {a:3}",
            "floor      {}",
            "snapshot   none",
            "entries    3 (19 bytes), 2 of them in edits",
            "forgotten  0 updates",
            "garbage    at least 0 bytes; what is superseded is known only with the type",
            "origins    1",
            "  0000000000000000000000000000000a  seq 3, floor 0, 3 entries, the last at 2023-11-14T22:13:20.000000062Z",
        ],
    );
}

#[test]
fn a_whole_journal_is_whole_and_a_torn_one_too() {
    let folder = Folder::new("check");
    let author = prices(&folder);
    let size = author.journal.size();
    let whole = format!("journal-00000001 is whole: {size} bytes, 3 entries");
    assert_said(&repred(&["check"], folder.path()), 0, &[&whole]);

    damage(&folder, |bytes| bytes[size as usize..][..5].fill(7));
    let torn = "5 bytes after that are torn: left by a crash, or just being written; they are cut off when the journal is opened";
    assert_said(&repred(&["check"], folder.path()), 0, &[&whole, torn]);
    let bytes = fs::read(file(&folder)).unwrap();
    assert_eq!(bytes[size as usize..][..6], [7, 7, 7, 7, 7, 0], "it is as it was");
}

#[test]
fn damage_is_an_error_with_its_place_and_what_is_left() {
    let folder = Folder::new("damage");
    let mut author = open(&folder);
    author.update(("tea".into(), Some(5)));
    let first = author.journal.size();
    author.update(("milk".into(), Some(2)));
    author.update(("rice".into(), Some(9)));
    drop(author);
    damage(&folder, |bytes| bytes[first as usize + 20] ^= 1);
    let before = fs::read(file(&folder)).unwrap();
    assert_said(
        &repred(&["check"], folder.path()),
        1,
        &[
            &format!("{} is damaged at byte {first}", file(&folder).display()),
            "`recover` would keep what comes before: 1 entry, version {a:1}",
            "peers may have the rest",
        ],
    );
    // What can be read is told first.
    let log = repred(&["log", "--origin", "a"], folder.path());
    assert!(log.out.contains("[\"tea\",5]") && log.err.contains("is damaged at byte"));
    assert_eq!((log.out.lines().count(), log.code), (1, 1));
    assert_eq!(repred(&["log", "--limit", "1"], folder.path()).out, log.out);
    let stat = repred(&["stat"], folder.path());
    assert!(stat.out.contains("entries    1 (6 bytes)\n") && stat.code == 1, "{}", stat.out);
    assert!(stat.err.contains("is damaged at byte"), "{}", stat.err);
    let picture = folder.path().join("graph.svg");
    let graph = repred(&["graph", "-o", picture.to_str().unwrap()], folder.path());
    assert!(graph.out.starts_with("1 update in ") && graph.code == 1, "{}", graph.out);
    fs::remove_file(picture).unwrap();
    assert_eq!(fs::read(file(&folder)).unwrap(), before, "it is as it was");
}

#[test]
fn a_missing_folder_a_missing_journal_and_a_foreign_file_have_their_own_errors() {
    let folder = Folder::new("none");
    let path = folder.path().display().to_string();
    for command in ["log", "stat", "check", "compact", "graph"] {
        assert_error(&repred(&[command], folder.path()), 2, &[&path, "cannot be read"]);
        assert!(!folder.path().exists(), "{command} makes none");
    }
    fs::create_dir_all(folder.path()).unwrap();
    for command in ["log", "stat", "check", "compact", "graph"] {
        let said = repred(&[command], folder.path());
        assert_error(&said, 2, &["there is no journal in", &path]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{command} makes nothing");
    }
    fs::write(file(&folder), "#!/bin/sh\necho 'this is no journal at all'\n").unwrap();
    let foreign = file(&folder).display().to_string();
    let foreign = format!("{foreign} is damaged at byte 0; nothing of it can be read");
    assert_said(&repred(&["check"], folder.path()), 1, &[&foreign]);
    assert_error(&repred(&["log"], folder.path()), 1, &["damaged at byte 0"]);
    assert_error(&repred(&["stat"], &file(&folder)), 2, &["cannot be read"]);
}

#[test]
fn compaction_needs_the_type() {
    let folder = Folder::new("compact");
    prices(&folder).close();
    let before = fs::read(file(&folder)).unwrap();
    let said = repred(&["compact"], folder.path());
    assert_error(
        &said,
        2,
        &[
            "cannot be compacted by this command",
            "`LwwMap<String, u32>`",
            "repred_tool::run::<YourState>()",
        ],
    );
    assert_eq!(fs::read(file(&folder)).unwrap(), before);
}

#[test]
fn a_graph_has_a_node_for_each_update_and_arrows_to_its_causes() {
    let folder = Folder::new("graph");
    let mut author = prices(&folder);
    let mut peer = Core::new(0xb0b.into(), Prices::default());
    for price in 1..=3 {
        peer.update(("rice".into(), Some(price)), now().wall).unwrap();
        author.hear(&mut peer, &config());
    }
    author.update(("rice".into(), Some(4)));
    let picture = folder.path().join("graph.svg");
    let args = ["graph", "--output", &picture.display().to_string()];
    let said = repred(&args, folder.path());
    assert_said(&said, 0, &[&format!("7 updates in {}", picture.display())]);
    let svg = fs::read_to_string(&picture).unwrap();
    assert_eq!(svg.matches("<circle").count(), 7);
    assert_eq!(svg.matches("marker-end").count(), 1);
    assert!(svg.contains("[\"rice\",3]\nb0b.3 at 2023-11-14T22:13:20.000000062Z<"), "{svg}");

    let last = repred(&["graph", "--limit", "2", args[1], args[2]], folder.path());
    assert!(last.out.starts_with("2 updates"), "{}{}", last.out, last.err);
    assert!(fs::read_to_string(&picture).unwrap().contains("the last 2 of 7 updates"));
}

#[test]
fn a_replica_keeps_writing_while_its_journal_is_read() {
    let folder = Folder::new("goes-on");
    let votes = Replica::builder(Counter::default()).id(0xa.into()).open(folder.path()).unwrap();
    for number in 1..=20 {
        votes.update(1).unwrap().wait().unwrap();
        let log = repred(&["log", "--origin", "a"], folder.path());
        assert_eq!((log.out.lines().count(), log.code), (number, 0), "{}", log.err);
        assert_eq!(repred(&["check"], folder.path()).code, 0);
    }
    votes.close().unwrap();
}
