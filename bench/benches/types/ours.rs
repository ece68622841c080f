//! repred: [`Core`]s that are edited or updated, and [`Session`]s between them.

use std::any::Any;

use repred::{
    Counter, Events, GrowSet, LwwMap, Map, Max, MultiRegister, Reduce, Register, ReplicaId,
    Replicated, Set, Stamp, Time,
    edit::{DynPlace, Edit},
    sans_io::{Core, Monotonic, Now, Session, SessionConfig},
    types::{EventsUpdate, MapUpdate, SetUpdate},
};
use serde::{Deserialize, Serialize};

use crate::{
    peer::{Contender, Open, Peer},
    workload::{Kind, Op},
};

/// Those of repred's types.
pub(crate) fn contenders(kind: Kind) -> Vec<Contender> {
    match kind {
        Kind::Counter => of::<Counter>(),
        Kind::Max => of::<Max<u64>>(),
        Kind::Register => of::<Register<u64>>(),
        Kind::MultiRegister => of::<MultiRegister<u64>>(),
        Kind::LwwMap => of::<LwwMap<String, u64>>(),
        Kind::GrowSet => of::<GrowSet<String>>(),
        Kind::Set => of::<Set<String>>(),
        Kind::Map => of::<Map<String, Card>>(),
        Kind::Events => of::<Events<u64>>(),
    }
}

fn of<R: Compared>() -> Vec<Contender> {
    let open = |how| -> Open { Box::new(move |id| Box::new(Ours::<R>::new(id, how))) };
    vec![
        Contender::single("Core::edit", open(How::Edit)),
        Contender::single("Core::update", open(How::Update)),
        Contender::batched("Core::edit", open(How::Edit)),
    ]
}

/// What the map holds.
#[derive(Reduce, Clone, Default, Serialize, Deserialize)]
struct Card {
    text: Register<u64>,
    votes: Counter,
}

/// How an operation is written.
#[derive(Clone, Copy)]
enum How {
    Edit,
    Update,
}

struct Ours<R: Compared> {
    core: Core<R>,
    session: Option<Session>,
    how: How,
    micros: u64,
    now: Now,
}

impl<R: Compared> Ours<R> {
    fn new(id: u64, how: How) -> Self {
        let micros = 1_700_000_000_000_000;
        let now = Now { wall: Time::from_micros(micros), monotonic: Monotonic::ZERO };
        // A short id would be shorter in memory and on the wire than those that chance gives.
        let id = ReplicaId::from(u128::MAX / 3 - u128::from(id));
        Self { core: Core::new(id, R::default()), session: None, how, micros, now }
    }

    fn wall(&mut self) -> Time {
        self.micros += 3;
        Time::from_micros(self.micros)
    }
}

impl<R: Compared> Peer for Ours<R> {
    fn write(&mut self, step: &[Op]) {
        let wall = self.wall();
        match self.how {
            How::Edit => {
                let edit = |editor: &mut R::Editor<DynPlace<'_, R>>| {
                    step.iter().for_each(|op| R::edit(editor, op));
                };
                self.core.edit(wall, edit).expect("every edit can be written");
            }
            How::Update => {
                for op in step {
                    let update = self.core.state().expect("nothing panics").update(op);
                    self.core.update(update, wall).expect("every update can be written");
                }
            }
        }
    }

    fn meet(&mut self) {
        let config = SessionConfig::for_state::<R>();
        self.session = Some(Session::new(config, &mut self.core, self.now));
    }

    fn say(&mut self) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        let session = self.session.as_mut()?;
        let polled = session.poll_message(&mut self.core, self.now, &mut message);
        polled.expect("everything can be sent").then_some(message)
    }

    fn hear(&mut self, message: &[u8]) {
        let session = self.session.as_mut().expect("they have met");
        let taken = session.handle_message(&mut self.core, message, self.now);
        taken.expect("everything can be taken in");
    }

    fn value(&self) -> u64 {
        self.core.state().expect("nothing panics").value()
    }

    fn state_alone(&self, ops: &[Op]) -> Option<Box<dyn Any>> {
        let mut state = R::default();
        for (seq, op) in (1..).zip(ops) {
            let update = state.update(op);
            state.reduce(update, Stamp::new(Time::from_micros(seq), self.core.id(), seq));
        }
        Some(Box::new(state))
    }
}

/// A type of repred as a contender.
trait Compared: Replicated + Edit + Default {
    fn edit(editor: &mut Self::Editor<DynPlace<'_, Self>>, op: &Op);
    fn update(&self, op: &Op) -> Self::Update;
    fn value(&self) -> u64;
}

macro_rules! compared {
    (
        $Type:ty, $state:ident, $editor:ident;
        value => $value:expr;
        $($op:pat => $edit:expr, $update:expr;)+
    ) => {
        impl Compared for $Type {
            fn edit($editor: &mut Self::Editor<DynPlace<'_, Self>>, op: &Op) {
                match op {
                    $($op => {
                        $edit;
                    })+
                    other => unreachable!("{other:?} is for another type"),
                }
            }

            #[allow(unused_variables, reason = "most updates are the same whatever is there")]
            fn update(&self, op: &Op) -> Self::Update {
                let $state = self;
                match op {
                    $($op => $update,)+
                    other => unreachable!("{other:?} is for another type"),
                }
            }

            fn value(&self) -> u64 {
                let $state = self;
                $value as u64
            }
        }
    };
}

compared! { Counter, counter, editor;
    value => counter.value();
    Op::Add => editor.add(1), 1;
}

compared! { Max<u64>, max, editor;
    value => max.value().copied().unwrap_or_default();
    Op::Raise(value) => editor.raise(*value), *value;
}

compared! { Register<u64>, register, editor;
    value => *register.value();
    Op::Write(value) => editor.set(*value), *value;
}

compared! { MultiRegister<u64>, register, editor;
    value => register.value().copied().unwrap_or_default();
    Op::Write(value) => editor.set(*value), register.write(*value);
}

compared! { LwwMap<String, u64>, map, editor;
    value => map.len();
    Op::Put(key, value) => editor.insert(key, *value), (key.clone(), Some(*value));
}

compared! { GrowSet<String>, set, editor;
    value => set.len();
    Op::Insert(element) => editor.insert(element), element.clone();
}

compared! { Set<String>, set, editor;
    value => set.len();
    Op::Insert(element) => editor.insert(element), SetUpdate::Insert(element.clone());
    Op::Remove(element) => editor.remove(element), set.removal(element.clone());
}

compared! { Map<String, Card>, map, editor;
    value => map.len();
    Op::Text(key, value) => editor.entry(key).text().set(*value),
        MapUpdate::Entry(key.clone(), Box::new(CardUpdate::Text(*value)));
    Op::Vote(key) => editor.entry(key).votes().add(1),
        MapUpdate::Entry(key.clone(), Box::new(CardUpdate::Votes(1)));
}

compared! { Events<u64>, events, editor;
    value => events.len();
    Op::Push(event) => editor.push(*event), EventsUpdate::Event(*event);
}
