//! `yrs`: a document whose deleted content is collected. A step is a transaction, whose update is the
//! message; who has nothing gets the whole state as one update.

use std::{any, collections::VecDeque};

use ::yrs::{
    Any, Array as _, ArrayRef, Doc, Map as _, MapPrelim, MapRef, Out, ReadTxn as _, StateVector,
    Transact as _, TransactionMut, Update, any::Number, updates::decoder::Decode as _,
};

use crate::{
    peer::{Contender, Peer},
    workload::{Kind, Op},
};

/// Those of its types. It has no counter: that of a card is read and written again, so that of two
/// concurrent additions one is lost.
pub(crate) fn contenders(kind: Kind) -> Vec<Contender> {
    let name = match kind {
        Kind::Register => Some("yrs Map, one key"),
        Kind::LwwMap => Some("yrs Map"),
        Kind::GrowSet | Kind::Set => Some("yrs Map to true"),
        Kind::Map => Some("yrs Map of Map, no counter"),
        Kind::Events => Some("yrs Array"),
        Kind::Counter | Kind::MultiRegister | Kind::Max => None,
    };
    Contender::both(name, move |id| Yrs::new(kind, id))
}

struct Yrs {
    kind: Kind,
    doc: Doc,
    map: MapRef,
    array: ArrayRef,
    unsaid: Option<VecDeque<Vec<u8>>>,
}

impl Yrs {
    fn new(kind: Kind, id: u64) -> Self {
        // As long as those that chance gives, of 53 bits.
        let doc = Doc::with_client_id((1 << 52) + id);
        let (map, array) = (doc.get_or_insert_map("all"), doc.get_or_insert_array("list"));
        Self { kind, doc, map, array, unsaid: None }
    }
}

fn apply(txn: &mut TransactionMut<'_>, map: &MapRef, array: &ArrayRef, op: &Op) {
    match op {
        Op::Write(value) => drop(map.insert(txn, "one", *value as i64)),
        Op::Put(key, value) => drop(map.insert(txn, key.as_str(), *value as i64)),
        Op::Insert(element) => drop(map.insert(txn, element.as_str(), true)),
        Op::Remove(element) => drop(map.remove(txn, element)),
        Op::Text(key, value) => drop(card(txn, map, key).insert(txn, "text", *value as i64)),
        Op::Vote(key) => {
            let card = card(txn, map, key);
            let votes = card.get(txn, "votes").and_then(number).unwrap_or_default();
            card.insert(txn, "votes", (votes + 1) as i64);
        }
        Op::Push(event) => drop(array.push_back(txn, *event as i64)),
        Op::Add | Op::Raise(_) => unreachable!("there is no such type"),
    }
}

fn card(txn: &mut TransactionMut<'_>, map: &MapRef, key: &str) -> MapRef {
    match map.get(txn, key) {
        Some(Out::YMap(card)) => card,
        _ => map.insert(txn, key, MapPrelim::default()),
    }
}

fn number(value: Out) -> Option<u64> {
    match value {
        Out::Any(Any::Number(Number::Int(value))) => Some(value as u64),
        _ => None,
    }
}

impl Peer for Yrs {
    fn write(&mut self, step: &[Op]) {
        let mut txn = self.doc.transact_mut();
        step.iter().for_each(|op| apply(&mut txn, &self.map, &self.array, op));
        txn.commit();
        if let Some(unsaid) = &mut self.unsaid {
            unsaid.push_back(txn.encode_update_v1());
        }
    }

    fn meet(&mut self) {
        let all = self.doc.transact().encode_state_as_update_v1(&StateVector::default());
        self.unsaid = Some(VecDeque::from([all]));
    }

    fn say(&mut self) -> Option<Vec<u8>> {
        self.unsaid.as_mut()?.pop_front()
    }

    fn hear(&mut self, message: &[u8]) {
        let update = Update::decode_v1(message).expect("messages can be read");
        self.doc.transact_mut().apply_update(update).expect("updates fit");
    }

    fn value(&self) -> u64 {
        let txn = self.doc.transact();
        match self.kind {
            Kind::Register => self.map.get(&txn, "one").and_then(number).expect("it was written"),
            Kind::Events => self.array.len(&txn).into(),
            _ => self.map.len(&txn).into(),
        }
    }

    fn state_alone(&self, _ops: &[Op]) -> Option<Box<dyn any::Any>> {
        None
    }
}
