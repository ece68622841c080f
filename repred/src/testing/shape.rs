//! A type's shape in a golden file: a test that fails when a change of a type would make old data unreadable, or misread.

use std::{env, fs, io, path::Path};

use serde::de::DeserializeOwned;

use crate::{
    reduce::{Reduce, Replicated},
    shape::{Relation, Shape, ShapeDifference},
};

/// The environment variable that makes [`assert_golden`] write the file anew; its value is `overwrite`.
pub const OVERWRITE: &str = "REPRED_GOLDEN";

/// Compares the shape of a state and its updates with the one in a file: what their types ask of serde, which is what stored and
/// sent data consists of. If there is no file, writes one: commit it with the test.
///
/// Data has no types in it, so a change of a type makes old journals and other programs unreadable, unless it is one that
/// [grows](crate::Schema::grown_from). This test finds out before a user does. To accept a change, run the
/// test once with `REPRED_GOLDEN=overwrite`.
///
/// ```
/// use repred::{Counter, testing::shape::assert_golden};
///
/// # let folder = std::env::temp_dir().join(format!("repred-golden-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("votes.shape");
/// // `let path = "tests/votes.shape"`, in your repository.
/// assert_golden::<Counter>(&path);
/// assert!(std::fs::read_to_string(&path)?.contains("update i64"));
/// assert_golden::<Counter>(&path);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A relative path begins at the folder of the package, where `cargo test` runs tests.
///
/// # Panics
///
/// If the shape differs from that in the file, with the first place that differs, and whether a program with this shape can
/// read what one with the other has written; if the file is no shape, or cannot be read or written.
#[track_caller]
pub fn assert_golden<R: Reduce + DeserializeOwned>(path: impl AsRef<Path>) {
    compare(&Shape::with_defaults::<R, R::Update>(), path.as_ref());
}

/// The same for a state whose type cannot be named or decoded, such as that of a closure.
///
/// ```
/// use repred::{reducer, testing::shape::assert_golden_of};
///
/// # let path = std::env::temp_dir().join(format!("repred-golden-of-{}.shape", std::process::id()));
/// let sum = reducer(0_i64, |sum, more: i64| {
///     *sum += more;
///     more != 0
/// });
/// assert_golden_of(&sum, &path);
/// assert_golden_of(&sum, &path);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// As [`assert_golden`] does.
#[track_caller]
pub fn assert_golden_of<R: Replicated>(state: &R, path: impl AsRef<Path>) {
    match state.shape_with_defaults() {
        Some(shape) => compare(&shape, path.as_ref()),
        None => panic!("this type does not say what its shape is"),
    }
}

#[track_caller]
fn compare(shape: &Shape, path: &Path) {
    let shown = path.display();
    let write = || match fs::write(path, shape.to_text()) {
        Ok(()) => {}
        Err(error) => panic!("{shown} cannot be written: {error}"),
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return write(),
        Err(error) => panic!("{shown} cannot be read: {error}"),
    };
    let golden = Shape::parse(&text);
    if golden.as_ref().is_ok_and(|golden| golden.to_text() == shape.to_text()) {
        return;
    }
    if env::var(OVERWRITE).is_ok_and(|value| value == "overwrite") {
        return write();
    }
    match golden {
        Ok(golden) => panic!("the shape in {shown} has changed: {}", report(shape, &golden)),
        Err(_) => {
            panic!("{shown} is no shape; run this test with {OVERWRITE}=overwrite to write one")
        }
    }
}

/// What has changed, and what to do.
fn report(now: &Shape, golden: &Shape) -> String {
    let change = match now.compare(golden, Relation::Same) {
        Ok(()) => "fields of its state were moved, or have or lack a default now".to_owned(),
        Err(ShapeDifference::Type { path, ours, theirs }) => {
            format!("{path} is {ours} now, and {theirs} in the file")
        }
        Err(difference) => difference.to_string(),
    };
    let advice = match now.compare(golden, Relation::Newer) {
        Ok(()) => format!(
            "This has grown from what it was: it reads old data. Give the schema a new version, with `grown_from` the old one, \
             and run this test with {OVERWRITE}=overwrite."
        ),
        Err(ShapeDifference::Type { path, ours, theirs }) => format!(
            "It cannot read old data, because of {path}: {ours} now, {theirs} in the file. Undo the change, or give the schema \
             another version or name, without `grown_from`, and run this test with {OVERWRITE}=overwrite."
        ),
        Err(_) => format!("Run this test with {OVERWRITE}=overwrite if that is intended."),
    };
    format!("{change}.\n{advice}\n\nIn the file:\n{}\nNow:\n{}", golden.to_text(), now.to_text())
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::stamp::Stamp;

    macro_rules! board {
        ($name:ident { $($(#[$attribute:meta])* $field:ident: $ty:ty),* }) => {
            #[derive(Default, Serialize, Deserialize)]
            #[serde(rename = "Board")]
            struct $name {
                $($(#[$attribute])* $field: $ty),*
            }

            impl Reduce for $name {
                type Update = String;
                type Changes = bool;

                fn reduce(&mut self, _: String, _: Stamp) -> bool {
                    false
                }
            }
        };
    }

    board!(Old { title: String, votes: i64 });
    board!(Grown { #[serde(default)] tags: Vec<String>, title: String, votes: i64 });
    board!(Changed { title: String, votes: u64 });

    fn failure<R: Reduce + DeserializeOwned>(path: &Path) -> String {
        let panic = catch_unwind(|| assert_golden::<R>(path)).unwrap_err();
        *panic.downcast::<String>().unwrap()
    }

    #[test]
    fn a_changed_type_fails_with_the_place_and_whether_it_reads_old_data() {
        let path = env::temp_dir().join(format!("repred-golden-test-{}.shape", std::process::id()));
        let _ = fs::remove_file(&path);
        assert_golden::<Old>(&path);
        assert_golden::<Old>(&path);

        let grown = failure::<Grown>(&path);
        assert!(grown.contains("Board.tags is [str] now, and nothing in the file"), "{grown}");
        assert!(grown.contains("it reads old data"), "{grown}");

        let changed = failure::<Changed>(&path);
        assert!(changed.contains("Board.votes is u64 now, and i64 in the file"), "{changed}");
        assert!(changed.contains("cannot read old data"), "{changed}");

        assert_golden::<Old>(&path);
        fs::write(&path, "no shape").unwrap();
        assert!(failure::<Old>(&path).contains("is no shape"));
        fs::remove_file(path).unwrap();
    }
}
