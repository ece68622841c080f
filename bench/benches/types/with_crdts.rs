//! `crdts`: its types are operation-based and state-based; there is no history, no clock and no wire
//! format, so postcard encodes operations one by one, and the whole state for who has nothing.

use std::{any::Any, collections::VecDeque};

use ::crdts::{
    CmRDT, CvRDT, GList, GSet, LWWReg, MVReg, Map, Orswot, PNCounter, glist, lwwreg, map, mvreg,
    orswot, pncounter,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    peer::{Contender, Open, Peer},
    workload::{Kind, Op},
};

/// Those of its types.
pub(crate) fn contenders(kind: Kind) -> Vec<Contender> {
    match kind {
        Kind::Counter => of::<PNCounter<Actor>>("crdts PNCounter"),
        Kind::Register => of::<Register>("crdts LWWReg"),
        Kind::MultiRegister => of::<MVReg<u64, Actor>>("crdts MVReg"),
        Kind::LwwMap => of::<Values>("crdts Map of MVReg"),
        Kind::GrowSet => of::<GSet<String>>("crdts GSet"),
        Kind::Set => of::<Orswot<String, Actor>>("crdts Orswot"),
        Kind::Map => of::<Cards>("crdts Map of MVReg, of PNCounter"),
        Kind::Events => of::<GList<u64>>("crdts GList"),
        Kind::Max => vec![],
    }
}

fn of<T: Compared>(name: &str) -> Vec<Contender> {
    let open: Open = Box::new(|id| Box::new(Crdts::<T> { id, state: T::default(), unsaid: None }));
    vec![Contender::single(name, open)]
}

type Actor = u64;

/// The marker is a number that grows, and the author, as for a stamp.
type Register = LWWReg<u64, (u64, Actor)>;

/// The nearest to a map of plain values: a last-writer register can be in no map.
type Values = Map<String, MVReg<u64, Actor>, Actor>;

/// Two maps, for the values of one map are of one type.
#[derive(Default, Serialize, Deserialize)]
struct Cards {
    texts: Values,
    votes: Map<String, PNCounter<Actor>, Actor>,
}

#[derive(Serialize, Deserialize)]
enum CardOp {
    Text(map::Op<String, MVReg<u64, Actor>, Actor>),
    Vote(map::Op<String, PNCounter<Actor>, Actor>),
}

#[derive(Serialize, Deserialize)]
enum Message<O, T> {
    Op(O),
    State(T),
}

struct Crdts<T> {
    id: Actor,
    state: T,
    /// Messages that are still to be said, since there is anybody to hear them.
    unsaid: Option<VecDeque<Vec<u8>>>,
}

impl<T: Compared> Peer for Crdts<T> {
    fn write(&mut self, step: &[Op]) {
        for op in step {
            let mut op = self.state.op(self.id, op);
            if let Some(unsaid) = &mut self.unsaid {
                let message = Message::<_, T>::Op(op);
                unsaid.push_back(encode(&message));
                let Message::Op(same) = message else { unreachable!() };
                op = same;
            }
            self.state.take(op);
        }
    }

    fn meet(&mut self) {
        let state = Message::<T::Op, _>::State(&self.state);
        self.unsaid = Some(VecDeque::from([encode(&state)]));
    }

    fn say(&mut self) -> Option<Vec<u8>> {
        self.unsaid.as_mut()?.pop_front()
    }

    fn hear(&mut self, message: &[u8]) {
        match postcard::from_bytes(message).expect("messages can be read") {
            Message::Op(op) => self.state.take(op),
            Message::State(state) => self.state.join(state),
        }
    }

    fn value(&self) -> u64 {
        self.state.value()
    }

    fn state_alone(&self, ops: &[Op]) -> Option<Box<dyn Any>> {
        let mut state = T::default();
        for op in ops {
            let op = state.op(self.id, op);
            state.take(op);
        }
        Some(Box::new(state))
    }
}

fn encode(message: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(message).expect("everything can be encoded")
}

/// A type of `crdts` as a contender.
trait Compared: Default + Serialize + DeserializeOwned + 'static {
    type Op: Serialize + DeserializeOwned;

    fn op(&self, actor: Actor, op: &Op) -> Self::Op;
    fn take(&mut self, op: Self::Op);
    fn join(&mut self, other: Self);
    fn value(&self) -> u64;
}

macro_rules! compared {
    (
        $Type:ty, $Made:ty, $state:ident, $actor:ident;
        value => $value:expr;
        $($op:pat => $make:expr;)+
    ) => {
        impl Compared for $Type {
            type Op = $Made;

            #[allow(unused_variables, reason = "some operations are the same whatever is there")]
            fn op(&self, $actor: Actor, op: &Op) -> $Made {
                let $state = self;
                match op {
                    $($op => $make,)+
                    other => unreachable!("{other:?} is for another type"),
                }
            }

            fn take(&mut self, op: $Made) {
                self.apply(op);
            }

            fn join(&mut self, other: Self) {
                self.merge(other);
            }

            fn value(&self) -> u64 {
                let $state = self;
                $value as u64
            }
        }
    };
}

compared! { PNCounter<Actor>, pncounter::Op<Actor>, counter, actor;
    value => u64::try_from(counter.read()).expect("it is small");
    Op::Add => counter.inc(actor);
}

compared! { Register, lwwreg::LWWReg<u64, (u64, Actor)>, register, actor;
    value => register.val;
    Op::Write(value) => LWWReg { val: *value, marker: (register.marker.0 + 1, actor) };
}

compared! { MVReg<u64, Actor>, mvreg::Op<u64, Actor>, register, actor;
    value => register.read().val.first().copied().unwrap_or_default();
    Op::Write(value) => register.write(*value, register.read_ctx().derive_add_ctx(actor));
}

compared! { Values, map::Op<String, MVReg<u64, Actor>, Actor>, map, actor;
    value => map.len().val;
    Op::Put(key, value) => write(map, actor, key, *value);
}

compared! { GSet<String>, String, set, actor;
    value => set.read().len();
    Op::Insert(element) => element.clone();
}

compared! { Orswot<String, Actor>, orswot::Op<String, Actor>, set, actor;
    value => set.read().val.len();
    Op::Insert(element) => set.add(element.clone(), set.read_ctx().derive_add_ctx(actor));
    Op::Remove(element) => set.rm(element.clone(), set.contains(element).derive_rm_ctx());
}

compared! { Cards, CardOp, cards, actor;
    value => cards.texts.len().val;
    Op::Text(key, value) => CardOp::Text(write(&cards.texts, actor, key, *value));
    Op::Vote(key) => CardOp::Vote(cards.votes.update(
        key.as_str(),
        cards.votes.read_ctx().derive_add_ctx(actor),
        |votes, _| votes.inc(actor),
    ));
}

// `List` is not used: its `append` walks over all that is there.
compared! { GList<u64>, glist::Op<u64>, list, actor;
    value => list.len();
    Op::Push(event) => list.insert_after(list.last(), *event);
}

fn write(
    map: &Values,
    actor: Actor,
    key: &str,
    value: u64,
) -> map::Op<String, MVReg<u64, Actor>, Actor> {
    let context = map.read_ctx().derive_add_ctx(actor);
    map.update(key, context, |register, context| register.write(value, context))
}

impl Cards {
    fn apply(&mut self, op: CardOp) {
        match op {
            CardOp::Text(op) => self.texts.apply(op),
            CardOp::Vote(op) => self.votes.apply(op),
        }
    }

    fn merge(&mut self, other: Self) {
        self.texts.merge(other.texts);
        self.votes.merge(other.votes);
    }
}
