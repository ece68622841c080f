//! A backup is what a peer would have been sent, in a file.
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

    // A backup goes into a new replica, which has an id of its own: the one that was saved may still be
    // running, and two that write under one id would confuse everybody.
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

    // What is no backup at all is told from one; the error behind the error says why.
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
