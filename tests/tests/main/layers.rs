//! The layers of the library, in every folder: a module uses only those before it, and only a few touch the outside.
//!
//! A folder's `mod.rs` lists its modules in reading order. Two rules are left to the reader's eye, because Rust's own
//! idiom breaks them: a `mod.rs` uses what it lists, and a file that continues the folder's main type with more methods
//! uses that type, which stands in `mod.rs`.

use std::{collections::BTreeMap, fs, path::Path};

/// A module's name from the root on: `journal`, `record`.
type Name = Vec<String>;

/// Modules that use a later one all the same, each with the reason. An entry that has become untrue fails the test.
const CIRCLES: &[(&str, &str, &str)] = &[];

/// What may be used of the outside, and by whom.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("std::io", &["journal", "net", "testing"]),
    ("std::fs", &["journal", "testing"]),
    ("std::net", &[]),
    ("std::thread", &["journal/writer", "testing"]),
    ("SystemTime", &["net"]),
    ("Instant", &["journal/writer", "net"]),
    ("getrandom", &["net"]),
    ("futures_", &["net"]),
    ("Condvar", &["journal/writer"]),
    // A journal knows which databases have one in use, and the laws whether the panic hook is in place.
    ("static ", &["journal", "net", "testing"]),
    ("env::", &["testing"]),
];

/// A module of the library, without its unit tests.
#[derive(Debug, Default)]
struct Module {
    /// What it lists, in order.
    children: Vec<String>,
    code: String,
    /// What its `use` declarations name, so that a path through them leads to where the item is.
    imports: BTreeMap<String, Name>,
}

/// All modules by name; the root has none.
#[derive(Debug)]
struct Library(BTreeMap<Name, Module>);

impl Library {
    fn read() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../repred/src");
        let mut library = Self(BTreeMap::new());
        library.add(Name::new(), &source.join("lib.rs"), &source);
        assert!(library.0.len() > 100, "the modules were not found");
        let names: Vec<_> = library.0.keys().cloned().collect();
        for name in names {
            let uses = uses(&library.0[&name].code).into_iter().filter(|path| path.is_import);
            let imports = uses.filter_map(|path| {
                Some((path.alias.clone()?, library.absolute(&name, &path.names)?))
            });
            let imports = imports.collect();
            library.0.entry(name).or_default().imports = imports;
        }
        library
    }

    /// Reads a module and all that are in it.
    fn add(&mut self, name: Name, file: &Path, folder: &Path) {
        let code = without_tests(&without_comments(&fs::read_to_string(file).unwrap()));
        let lines = code.lines().map(without_visibility);
        let children = lines.filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
        let children: Vec<_> = children.map(str::to_owned).collect();
        for child in &children {
            let name = [&name[..], std::slice::from_ref(child)].concat();
            let (file, below) = (folder.join(format!("{child}.rs")), folder.join(child));
            let file = if file.exists() { file } else { below.join("mod.rs") };
            self.add(name, &file, &below);
        }
        self.0.insert(name, Module { children, code, imports: BTreeMap::new() });
    }

    /// A path as it is written in a module, from the root on. `None` for those of other crates.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Name> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module, rest].concat()),
            "super" => {
                let mut base = module;
                let mut rest = path;
                while rest.first().is_some_and(|name| name == "super") {
                    (base, rest) = (&base[..base.len().saturating_sub(1)], &rest[1..]);
                }
                Some([base, rest].concat())
            }
            child if self.0[module].children.iter().any(|other| other == child) => {
                Some([module, path].concat())
            }
            _ => None,
        }
    }

    /// The module in which the item of a path stands, through the `use` declarations on its way.
    fn home(&self, path: &[String], most: usize) -> Name {
        let mut module = Name::new();
        for (at, name) in path.iter().enumerate() {
            let deeper = [&module[..], std::slice::from_ref(name)].concat();
            if self.0.contains_key(&deeper) {
                module = deeper;
            } else if let Some(import) = self.0[&module].imports.get(name).filter(|_| most > 0) {
                return self.home(&[&import[..], &path[at + 1..]].concat(), most - 1);
            } else {
                break;
            }
        }
        module
    }

    /// Which modules of a folder use which later ones of it, in files of these or below.
    fn circles(&self) -> Vec<(String, String)> {
        let mut circles = Vec::new();
        for (name, module) in &self.0 {
            for path in uses(&module.code) {
                let Some(path) = self.absolute(name, &path.names) else { continue };
                let used = self.home(&path, 9);
                let common = name.iter().zip(&used).take_while(|(one, other)| one == other).count();
                let (Some(own), Some(other)) = (name.get(common), used.get(common)) else {
                    continue;
                };
                let order = &self.0[&name[..common]].children;
                let place = |child: &String| order.iter().position(|listed| listed == child);
                if place(other) > place(own) {
                    circles.push((name.join("/"), used.join("/")));
                }
            }
        }
        circles.sort();
        circles.dedup();
        circles
    }
}

/// A path in a module's code.
#[derive(Debug)]
struct Use {
    names: Name,
    /// What a `use` declaration makes of it.
    alias: Option<String>,
    is_import: bool,
}

/// All paths that begin with `crate`, `super` or `self`, and all that `use` declarations name.
fn uses(code: &str) -> Vec<Use> {
    let mut uses = Vec::new();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    for word in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|c| !is_name(c) && c != ':') {
                tree(&code[at..], &[], &mut uses);
            }
        }
    }
    for use_ in &mut uses {
        use_.is_import = false;
    }
    for statement in code.split(';') {
        let line = statement.lines().rev().find_map(|line| {
            without_visibility(line).strip_prefix("use ").map(|rest| rest.as_ptr() as usize)
        });
        if let Some(start) = line {
            tree(&statement[start - statement.as_ptr() as usize..], &[], &mut uses);
        }
    }
    uses
}

/// Reads a path, or a tree of them. Returns how many bytes it takes.
fn tree(code: &str, prefix: &[String], uses: &mut Vec<Use>) -> usize {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = prefix.to_vec();
    let mut at = 0;
    loop {
        at += code[at..].len() - code[at..].trim_start().len();
        if code[at..].starts_with('{') {
            at += 1;
            loop {
                at += tree(&code[at..], &names, uses);
                match code[at..].chars().next() {
                    Some(',') => at += 1,
                    Some('}') => return at + 1 + blank(&code[at + 1..]),
                    _ => return at,
                }
            }
        }
        let length = code[at..].find(|c: char| !is_name(c)).unwrap_or(code.len() - at);
        if length == 0 {
            break;
        }
        names.push(code[at..at + length].to_owned());
        at += length;
        match code[at..].strip_prefix("::") {
            Some(rest) if rest.starts_with(|c: char| is_name(c) || c == '{') => at += 2,
            _ => break,
        }
    }
    at += blank(&code[at..]);
    let mut alias = names.last().cloned();
    if alias.as_deref() == Some("self") && names.len() > 1 {
        names.pop();
        alias = names.last().cloned();
    }
    if let Some(rest) = code[at..].strip_prefix("as ") {
        let length = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        alias = Some(rest[..length].to_owned());
        at += 3 + length + blank(&rest[length..]);
    }
    if names.len() > prefix.len() || alias.is_some() {
        uses.push(Use { names, alias, is_import: true });
    }
    at
}

fn without_visibility(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("pub") else { return line };
    rest.split_once(") ")
        .filter(|_| rest.starts_with('('))
        .map_or(rest, |(_, rest)| rest)
        .trim_start()
}

fn blank(code: &str) -> usize {
    code.len() - code.trim_start().len()
}

fn without_comments(code: &str) -> String {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line.split(" // ").next().unwrap_or(line), "\n"]).collect()
}

fn without_tests(code: &str) -> String {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.replace("#[cfg(test)]\nmod tests;\n", "")
}

#[test]
fn a_module_uses_only_those_before_it() {
    let library = Library::read();
    let circles = library.circles();
    let is_known = |module: &str, used: &str| {
        CIRCLES.iter().any(|(known, other, _)| *known == module && *other == used)
    };
    let mut wrong: Vec<_> = circles
        .iter()
        .filter(|(module, used)| !is_known(module, used))
        .map(|(module, used)| format!("`{module}` uses `{used}`, which comes after it"))
        .collect();
    for (module, used, _) in CIRCLES {
        if !circles.contains(&((*module).to_owned(), (*used).to_owned())) {
            wrong.push(format!("`{module}` does not use `{used}` any more: take it from CIRCLES"));
        }
    }
    assert!(wrong.is_empty(), "{} places:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn only_a_few_modules_touch_the_outside() {
    let library = Library::read();
    let mut wrong = Vec::new();
    for (name, module) in library.0.iter().filter(|(name, _)| !name.is_empty()) {
        let code = module.code.replace("&'static ", "").replace("'static", "");
        for (word, allowed) in OUTSIDE {
            let name = name.join("/");
            let is_in =
                |folder: &&&str| name == ***folder || name.starts_with(&format!("{folder}/"));
            if code.contains(word) && !allowed.iter().any(|folder| is_in(&folder)) {
                wrong.push(format!("`{name}` uses {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_use_of_a_later_module_is_found_through_groups_and_other_modules() {
    let module = |children: &[&str], code: &str| Module {
        children: children.iter().map(|&child| child.to_owned()).collect(),
        code: code.to_owned(),
        imports: BTreeMap::new(),
    };
    let name = |text: &str| text.split('/').map(str::to_owned).collect::<Name>();
    let mut library = Library(BTreeMap::from([
        (Name::new(), module(&["low", "high"], "")),
        (name("low"), module(&["a", "b"], "pub(crate) use self::b::B;")),
        (name("low/a"), module(&[], "use super::B; use crate::{high::{H, I}};")),
        (name("low/b"), module(&[], "use super::a::A; fn f() { super::a::g() }")),
        (name("high"), module(&[], "use crate::low::{B, a};")),
    ]));
    let imports = BTreeMap::from([("B".to_owned(), name("low/b/B"))]);
    library.0.get_mut(&name("low")).unwrap().imports = imports;
    let found = library.circles();
    let expected = [("low/a", "high"), ("low/a", "low/b")];
    assert_eq!(found, expected.map(|(one, other)| (one.to_owned(), other.to_owned())));
    let renamed = uses("pub use self::{\n    b::B as C,\n};");
    assert!(renamed.iter().any(|path| path.alias.as_deref() == Some("C") && path.is_import));
}
