//! `loro`: a document that keeps every operation. A step is a transaction; its message is an export of what
//! came since the last, who has nothing gets an export of all updates.

use std::{any::Any, collections::VecDeque};

use ::loro::{ExportMode, LoroCounter, LoroDoc, LoroList, LoroMap, VersionVector};

use crate::{
    peer::{Contender, Peer},
    workload::{Kind, Op},
};

/// Those of its types.
pub(crate) fn contenders(kind: Kind) -> Vec<Contender> {
    let name = match kind {
        Kind::Counter => Some("loro LoroCounter"),
        Kind::Register => Some("loro LoroMap, one key"),
        Kind::LwwMap => Some("loro LoroMap"),
        Kind::GrowSet | Kind::Set => Some("loro LoroMap to true"),
        Kind::Map => Some("loro LoroMap of LoroMap"),
        Kind::Events => Some("loro LoroList"),
        Kind::MultiRegister | Kind::Max => None,
    };
    Contender::both(name, move |id| Loro::new(kind, id))
}

struct Loro {
    kind: Kind,
    doc: LoroDoc,
    counter: LoroCounter,
    map: LoroMap,
    list: LoroList,
    said: VersionVector,
    unsaid: Option<VecDeque<Vec<u8>>>,
}

impl Loro {
    fn new(kind: Kind, id: u64) -> Self {
        let doc = LoroDoc::new();
        // As long as those that chance gives.
        doc.set_peer_id(u64::MAX / 3 - id).expect("nothing is written yet");
        let (counter, map, list) =
            (doc.get_counter("one"), doc.get_map("all"), doc.get_list("all"));
        Self { kind, doc, counter, map, list, said: VersionVector::default(), unsaid: None }
    }

    fn apply(&self, op: &Op) {
        let done = match op {
            Op::Add => self.counter.increment(1.0),
            Op::Write(value) => self.map.insert("one", *value as i64),
            Op::Put(key, value) => self.map.insert(key, *value as i64),
            Op::Insert(element) => self.map.insert(element, true),
            Op::Remove(element) => self.map.delete(element),
            Op::Text(key, value) => self.card(key).insert("text", *value as i64),
            Op::Vote(key) => {
                let votes = self.card(key).ensure_mergeable_counter("votes");
                votes.and_then(|votes| votes.increment(1.0))
            }
            Op::Push(event) => self.list.push(*event as i64),
            Op::Raise(_) => unreachable!("there is no maximum"),
        };
        done.expect("it can be written");
    }

    fn card(&self, key: &str) -> LoroMap {
        self.map.ensure_mergeable_map(key).expect("it can be written")
    }
}

impl Peer for Loro {
    fn write(&mut self, step: &[Op]) {
        step.iter().for_each(|op| self.apply(op));
        self.doc.commit();
        if let Some(unsaid) = &mut self.unsaid {
            let news = self.doc.export(ExportMode::updates(&self.said));
            unsaid.push_back(news.expect("it can be encoded"));
            self.said = self.doc.oplog_vv();
        }
    }

    fn meet(&mut self) {
        let all = self.doc.export(ExportMode::all_updates()).expect("it can be encoded");
        self.unsaid = Some(VecDeque::from([all]));
        self.said = self.doc.oplog_vv();
    }

    fn say(&mut self) -> Option<Vec<u8>> {
        self.unsaid.as_mut()?.pop_front()
    }

    fn hear(&mut self, message: &[u8]) {
        self.doc.import(message).expect("messages can be read");
    }

    fn value(&self) -> u64 {
        match self.kind {
            Kind::Counter => self.counter.get_value() as u64,
            Kind::Register => {
                let one = self.map.get("one").and_then(|one| one.into_value().ok());
                one.and_then(|one| one.into_i64().ok()).expect("it was written") as u64
            }
            Kind::Events => self.list.len() as u64,
            _ => self.map.len() as u64,
        }
    }

    fn state_alone(&self, _ops: &[Op]) -> Option<Box<dyn Any>> {
        None
    }
}
