//! [`Record`]s of a journal written by hand, from the description of the protocol and nothing else.

use std::hash::Hasher;

use repred::journal::{Memory, Storage};
use siphasher::sip::SipHasher24;

use crate::wire::number;

/// The header of a journal's file.
pub fn header(generation: u64, document: u128) -> Vec<u8> {
    let mut bytes = b"repred\x00\x03".to_vec();
    bytes.extend(generation.to_le_bytes());
    bytes.extend(document.to_be_bytes());
    let hash = hash(generation, 0, &bytes);
    bytes.extend(hash.to_le_bytes());
    bytes
}

/// A record of a journal's file, with its kind and its content.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What it is.
    pub kind: u8,
    /// Up to where the file was synced when it was written.
    pub synced: u64,
    /// The rest.
    pub content: &'a [u8],
}

impl Record<'_> {
    /// The record at an offset of the file of a generation.
    pub fn encode(&self, generation: u64, offset: u64) -> Vec<u8> {
        let mut body = vec![self.kind];
        number(&mut body, self.synced);
        body.extend(self.content);
        body.push(0xff);
        let length = (body.len() as u32).to_le_bytes();
        let check = hash(generation, offset, &length) as u32;
        let mut bytes = length.to_vec();
        bytes.extend(check.to_le_bytes());
        bytes.extend(hash(generation, offset, &body).to_le_bytes());
        bytes.extend(body);
        bytes
    }
}

/// Appends a record to the file of a journal that was closed.
pub fn append(disk: &mut Memory, generation: u64, kind: u8, content: &[u8]) {
    let name = format!("journal-{generation:08}");
    let size = disk.size(&name).unwrap();
    let record = Record { kind, synced: size, content }.encode(generation, size);
    assert_eq!(disk.write(&name, size, &record).unwrap(), record.len());
    disk.sync(&name).unwrap();
}

/// The content of a file.
pub fn file(disk: &mut Memory, name: &str) -> Vec<u8> {
    let mut bytes = vec![0; disk.size(name).unwrap() as usize];
    let count = disk.read(name, 0, &mut bytes).unwrap();
    bytes.truncate(count);
    bytes
}

fn hash(generation: u64, offset: u64, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(&generation.to_le_bytes());
    hasher.write(&offset.to_le_bytes());
    hasher.write(&(bytes.len() as u64).to_le_bytes());
    hasher.write(bytes);
    hasher.finish()
}
