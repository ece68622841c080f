//! `automerge`: a document that keeps every change. A step is a transaction and makes one change, of which
//! the message consists; who has nothing gets the saved document.

use std::{any::Any, collections::VecDeque};

use ::automerge::{
    ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, transaction::Transactable,
};

use crate::{
    peer::{Contender, Peer},
    workload::{Kind, Op},
};

/// Those of its types.
pub(crate) fn contenders(kind: Kind) -> Vec<Contender> {
    let name = match kind {
        Kind::Counter => Some("automerge counter"),
        Kind::Register | Kind::MultiRegister => Some("automerge, one key"),
        Kind::LwwMap => Some("automerge map"),
        Kind::GrowSet | Kind::Set => Some("automerge map to true"),
        Kind::Map => Some("automerge map of maps"),
        Kind::Events => Some("automerge list"),
        Kind::Max => None,
    };
    Contender::both(name, move |id| Automerge::new(kind, id))
}

struct Automerge {
    kind: Kind,
    doc: AutoCommit,
    /// Where everything is; the author of the first step makes it.
    place: Option<ObjId>,
    unsaid: Option<VecDeque<Vec<u8>>>,
}

impl Automerge {
    fn new(kind: Kind, id: u64) -> Self {
        // As long as those that chance gives.
        let actor = ActorId::from((u128::MAX / 3 - u128::from(id)).to_be_bytes());
        Self { kind, doc: AutoCommit::new().with_actor(actor), place: None, unsaid: None }
    }

    /// What others have to have before they can write to it too.
    fn found(&mut self) -> ObjId {
        let place = match self.kind {
            Kind::Events => self.doc.put_object(ROOT, "all", ObjType::List),
            Kind::Counter => self.doc.put(ROOT, "one", ScalarValue::counter(0)).map(|()| ROOT),
            _ => Ok(ROOT),
        };
        self.place.insert(place.expect("it can be written")).clone()
    }

    fn apply(&mut self, place: &ObjId, op: &Op) {
        let doc = &mut self.doc;
        let done = match op {
            Op::Add => doc.increment(place, "one", 1),
            Op::Write(value) => doc.put(place, "one", *value),
            Op::Put(key, value) => doc.put(place, key, *value),
            Op::Insert(element) => doc.put(place, element, true),
            Op::Remove(element) => doc.delete(place, element),
            Op::Text(key, value) => {
                let card = self.card(place, key);
                self.doc.put(card, "text", *value)
            }
            Op::Vote(key) => {
                let card = self.card(place, key);
                self.doc.increment(card, "votes", 1)
            }
            Op::Push(event) => {
                let end = doc.length(place);
                doc.insert(place, end, *event)
            }
            Op::Raise(_) => unreachable!("there is no maximum"),
        };
        done.expect("it can be written");
    }

    fn card(&mut self, place: &ObjId, key: &str) -> ObjId {
        if let Some((_, card)) = self.doc.get(place, key).expect("it can be read") {
            return card;
        }
        let card = self.doc.put_object(place, key, ObjType::Map).expect("it can be written");
        let votes = self.doc.put(&card, "votes", ScalarValue::counter(0));
        votes.expect("it can be written");
        card
    }

    fn one(&self) -> u64 {
        let one = self.doc.get(ROOT, "one").expect("it can be read");
        let (value, _) = one.expect("it was written");
        value.as_i64().expect("it is a number") as u64
    }
}

impl Peer for Automerge {
    fn write(&mut self, step: &[Op]) {
        let place = self.place.clone().unwrap_or_else(|| self.found());
        for op in step {
            self.apply(&place, op);
        }
        self.doc.commit();
        if let Some(unsaid) = &mut self.unsaid {
            let change = self.doc.get_last_local_change().expect("it was just written");
            unsaid.push_back(change.raw_bytes().to_vec());
        }
    }

    fn meet(&mut self) {
        self.unsaid = Some(VecDeque::from([self.doc.save()]));
    }

    fn say(&mut self) -> Option<Vec<u8>> {
        self.unsaid.as_mut()?.pop_front()
    }

    fn hear(&mut self, message: &[u8]) {
        self.doc.load_incremental(message).expect("messages can be read");
    }

    fn value(&self) -> u64 {
        match self.kind {
            Kind::Counter | Kind::Register | Kind::MultiRegister => self.one(),
            Kind::Events => {
                let list = self.doc.get(ROOT, "all").expect("it can be read");
                self.doc.length(list.expect("it was written").1) as u64
            }
            _ => self.doc.length(ROOT) as u64,
        }
    }

    fn state_alone(&self, _ops: &[Op]) -> Option<Box<dyn Any>> {
        None
    }
}
