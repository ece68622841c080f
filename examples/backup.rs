//! A backup: a file with the messages that a new peer would get.
//!
//! It is saved, loaded into a new replica, and loaded again, which changes nothing. Then it is cut short,
//! and the error says what that means.
//!
//! ```text
//! cargo run --example backup
//! ```

use std::{error::Error, fs::File};

use repred::{GrowSet, Replica};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("repred-backup-{}", std::process::id()));
    let words = Replica::new(GrowSet::<String>::default());
    for word in ["changes", "dot", "origin", "reduce", "stamp"] {
        words.update(word.to_string())?;
    }

    words.save(&mut File::create(&path)?)?;
    let size = std::fs::metadata(&path)?.len();
    println!("saved 5 words in {size} bytes to {}", path.display());

    // A backup is loaded into a new replica, which has an id of its own: the replica that was saved may still
    // run, and two replicas must never write under one id.
    let restored = Replica::new(GrowSet::<String>::default());
    restored.load(&mut File::open(&path)?)?;
    println!("restored: {}", show(&restored)?);

    // It is a merge, so what is written in between stays.
    restored.update("update".to_string())?;
    restored.load(&mut File::open(&path)?)?;
    println!("restored once more: {}", show(&restored)?);

    // A file that was cut short gives what it has, and says that this is not all.
    File::options().write(true).open(&path)?.set_len(size - 1)?;
    let partly = Replica::new(GrowSet::<String>::default());
    if let Err(error) = partly.load(&mut File::open(&path)?) {
        println!("cut short: {error}: {}", show(&partly)?);
    }

    // A file that is no backup is recognized; the error's source says why.
    std::fs::write(
        &path,
        "Dear diary, today I found out that a file is not always a backup, whatever it is called.",
    )?;
    if let Err(error) = partly.load(&mut File::open(&path)?) {
        let reason = error.source().map(ToString::to_string).unwrap_or_default();
        println!("a diary: {error}: {reason}");
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

fn show(words: &Replica<GrowSet<String>>) -> Result<String, Box<dyn Error>> {
    Ok(words.read(|words| words.iter().cloned().collect::<Vec<_>>().join(", "))?)
}
