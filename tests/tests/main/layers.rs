//! The layers of the library: a module uses only those before it, and only `net` touches the outside, and `journal` files.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../repred/src")
}

/// The modules of `lib.rs`, in order.
fn modules() -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    let lines = lib.lines().map(|line| line.strip_prefix("pub ").unwrap_or(line));
    let names = lines.filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    names.map(str::to_owned).collect()
}

/// The code of a module with all that is in its folder, without comments and unit tests.
fn code(module: &str) -> String {
    let mut files = vec![source().join(format!("{module}.rs"))];
    if let Ok(folder) = fs::read_dir(source().join(module)) {
        files.extend(folder.map(|entry| entry.unwrap().path()));
    }
    files.retain(|file| !file.ends_with("tests.rs"));
    let code = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    let code: String = code
        .map(|code| code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned())
        .collect();
    assert!(!code.is_empty(), "module {module} has no code");
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The first names of all paths behind `crate::`, also in groups.
fn uses(code: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let first = |path: &str| path.trim_start().chars().take_while(|&c| is_name(c)).collect();
    let mut names: Vec<String> = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            names.push(first(rest));
            continue;
        };
        let (mut depth, mut start) = (1, 0);
        for (at, c) in group.char_indices() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth == 0 || depth == 1 && c == ',' {
                names.push(first(&group[start..at]));
                start = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn a_module_uses_only_those_before_it() {
    let modules = modules();
    assert!(modules.len() > 15, "the modules were not found: {modules:?}");
    for (place, module) in modules.iter().enumerate() {
        for used in uses(&code(module)) {
            let at = modules.iter().position(|other| *other == used);
            assert!(
                at.is_some(),
                "`{module}` uses crate::{used}, which is no module: name its place"
            );
            assert!(at <= Some(place), "`{module}` uses `{used}`, which comes after it");
        }
    }
}

#[test]
fn only_net_journal_and_testing_touch_the_outside() {
    let outside = [
        "std::io",
        "std::net",
        "std::fs",
        "std::thread",
        "SystemTime",
        "Instant::now",
        "getrandom",
        "futures_",
        "static ",
        "env::",
    ];
    for module in modules().iter().filter(|module| !["net", "testing"].contains(&&***module)) {
        // A journal has files, knows which databases have one in use, and may be written by a thread of its own.
        let of_journal = &["std::io", "std::fs", "static ", "std::thread", "Instant::now"][..];
        let allowed = if module == "journal" { of_journal } else { &[] };
        for word in outside.iter().filter(|word| !allowed.contains(word)) {
            let code = code(module).replace("&'static ", "").replace("'static", "");
            assert!(!code.contains(word), "`{module}` uses {word}");
        }
    }
}
