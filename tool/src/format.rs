//! How numbers, bytes, ids and errors are written.

use std::{error::Error, ops::RangeInclusive};

use repred::{Dot, ReplicaId};

/// Bytes that are shown of an update whose type is not known.
const SHOWN: usize = 16;

/// The first bytes as hexadecimal digits.
pub(crate) fn short_hex(bytes: &[u8]) -> String {
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("{}{more}", hex(&bytes[..bytes.len().min(SHOWN)]))
}

/// An error and its sources in one line.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number with commas, and what there are so many of.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// Bytes, with commas.
pub(crate) fn bytes(number: u64) -> String {
    count(number, "byte", "bytes")
}

/// A number with commas.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Updates of one origin: `a.3`, or `a.3..5`.
pub(crate) fn dots(origin: ReplicaId, seqs: &RangeInclusive<u64>) -> String {
    let first = Dot::new(origin, *seqs.start());
    if seqs.start() == seqs.end() {
        format!("{first:?}")
    } else {
        format!("{first:?}..{}", seqs.end())
    }
}

/// The name of a type without the modules that it and its parameters are in.
pub(crate) fn without_paths(name: &str) -> String {
    let mut short = String::new();
    for part in name.split_inclusive(|c: char| !(c.is_alphanumeric() || "_:".contains(c))) {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

/// When updates count as written, as far as a journal says.
pub(crate) fn durability(is_strict: bool) -> &'static str {
    if is_strict {
        "nothing is told before it is on the disk"
    } else {
        "told before it is on the disk"
    }
}

/// Whether an id begins so, with or without its leading zeros.
pub(crate) fn is_id(id: ReplicaId, start: &str) -> bool {
    let (digits, start) = (id.to_string(), start.trim_end_matches('…').to_lowercase());
    digits.starts_with(&start) || digits.trim_start_matches('0').starts_with(&start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(count(0, "entry", "entries"), "0 entries");
        assert_eq!(count(1, "entry", "entries"), "1 entry");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(1_234_567), "1,234,567 bytes");
    }

    #[test]
    fn a_type_is_named_without_its_paths() {
        let name = "repred::types::map::Map<alloc::string::String, repred::Set<u8>>";
        assert_eq!(without_paths(name), "Map<String, Set<u8>>");
        assert_eq!(without_paths("u8"), "u8");
    }

    #[test]
    fn an_id_is_found_by_its_beginning() {
        let id = ReplicaId::from(0xa11ce);
        assert!(is_id(id, "a11ce") && is_id(id, "A1") && is_id(id, &id.to_string()));
        assert!(!is_id(id, "11ce") && !is_id(id, "a11ce0"));
        assert!(is_id(ReplicaId::from(u128::MAX), "ffffffff…"));
    }

    #[test]
    fn long_updates_are_cut() {
        assert_eq!(short_hex(&[0, 255]), "00ff");
        assert_eq!(short_hex(&[1; 17]), format!("{}…", "01".repeat(16)));
    }
}
