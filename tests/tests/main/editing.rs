//! Editing: it reads like plain data, it is one step, and one that fails leaves nothing behind.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures::{FutureExt, StreamExt};
use repred::{
    Counter, Flag, Map, Reduce, Register, Replica, ReplicaEvent, Set, Stamp, UndoLog, Undone,
    edit::{DynPlace, Edit, Editor, Place, Rollback},
    error::{EditError, Unavailable, UpdateError},
};
use repred_tests::Pair;
use serde::{Deserialize, Serialize};

#[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
struct Card {
    text: Register<String>,
    votes: Counter,
    tags: Set<String>,
    is_done: Flag,
}

#[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    votes: Counter,
    cards: Map<u32, Card>,
    lists: Map<String, Map<u32, Set<String>>>,
    ages: BTreeMap<String, Register<u8>>,
    #[reduce(with = raise)]
    high_score: u64,
    points: Points,
    #[reduce(skip)]
    #[serde(skip)]
    cursor: usize,
}

fn raise(high_score: &mut u64, score: u64) -> bool {
    let is_higher = score > *high_score;
    *high_score = score.max(*high_score);
    is_higher
}

/// Written by hand, and editable by a few lines.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Points(i64);

impl Reduce for Points {
    type Update = i8;
    type Changes = bool;

    fn reduce(&mut self, n: i8, _stamp: Stamp) -> bool {
        assert!(n != 99, "99 makes it panic");
        self.0 += i64::from(n);
        n != 0
    }
}

impl Edit for Points {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, _n: &i8, _stamp: Stamp) -> Rollback<Self> {
        let before = *self;
        Box::new(move |points| *points = before)
    }
}

/// An edit that touches everything there is.
fn touch_everything(board: &mut BoardEditor<DynPlace<'_, Board>>) {
    board.title().set("Groceries");
    board.votes().add(5);
    let mut cards = board.cards();
    let mut card = cards.entry(7);
    card.text().set("milk");
    card.votes().add(2);
    card.tags().insert("dairy");
    card.is_done().enable();
    cards.remove(&1);
    board.lists().entry("shop").entry(3).insert("bread");
    board.lists().entry("old").remove(&1);
    board.ages().entry("jim").set(41);
    board.high_score(70);
    board.points().update(3);
    board.as_mut().update(BoardUpdate::Votes(1));
}

fn board() -> Replica<Board> {
    let board = Replica::new(Board::default());
    board
        .edit(|board| {
            board.cards().entry(1).text().set("old");
            board.cards().entry(1).tags().insert("x");
            board.cards().entry(7).tags().insert("y");
            board.lists().entry("old").entry(1).insert("z");
            board.high_score(9);
        })
        .unwrap();
    board
}

mod an_edit {
    use super::*;

    #[test]
    fn reads_what_it_has_written() {
        let board = board();
        let read = board.edit(|board| {
            touch_everything(board);
            assert_eq!(board.title.value(), "Groceries");
            assert!(board.cards.get(&1).is_none(), "it was removed");
            let mut cards = board.cards();
            let mut card = cards.entry(7);
            assert!(card.tags.contains("dairy") && card.tags.contains("y"));
            assert!(card.is_done().value());
            assert!(board.lists.get("old").is_none(), "nothing is left in it");
            (board.votes.value(), board.high_score, board.points.0, *board.ages["jim"].value())
        });
        assert_eq!(read, Ok((6, 70, 3, 41)));
    }

    #[test]
    fn of_an_entry_that_is_not_there_reads_the_default() {
        let board = Replica::new(Board::default());
        let edited = board.edit(|board| {
            let mut cards = board.cards();
            let card = cards.entry(3);
            (card.text.to_string(), card.votes.value())
        });
        assert_eq!(edited, Ok((String::new(), 0)));
        assert_eq!(board.history_len(), Ok(0), "reading writes nothing");
    }

    #[test]
    fn that_changes_nothing_writes_nothing() {
        let board = board();
        let version = board.version();
        board
            .edit(|board| {
                board.votes().add(0);
                board.high_score(1);
                board.cards().entry(1).tags().remove("absent");
                assert!(!board.cards().remove(&99));
            })
            .unwrap();
        assert_eq!(board.version(), version);
    }

    #[test]
    fn is_told_as_one_step() {
        let board = board();
        let mut changes = board.subscribe().unwrap();
        board.edit(touch_everything).unwrap();
        let told: Vec<_> = std::iter::from_fn(|| changes.next().now_or_never().flatten()).collect();
        let ends: Vec<_> = told
            .iter()
            .map(|event| match event {
                ReplicaEvent::Changed { ends_step, .. } => *ends_step,
                _ => panic!("{event:?}"),
            })
            .collect();
        assert!(ends.len() > 10);
        assert_eq!(ends.iter().position(|ends| *ends), Some(ends.len() - 1));
    }

    #[test]
    fn may_not_use_its_replica() {
        let board = board();
        let inner = board.edit(|_| board.edit(|board| board.votes().add(1))).unwrap();
        assert_eq!(inner, Err(UpdateError::Unavailable(Unavailable::Reentrant)));
        assert_eq!(board.edit(|_| board.read(|_| ())), Ok(Err(Unavailable::Reentrant)));
    }
}

mod a_failed_edit {
    use super::*;

    /// Everything there is to see of a replica.
    fn all_of(board: &Replica<Board>) -> (String, u128, usize) {
        let state = board.read(|board| format!("{board:?}")).unwrap();
        (state, board.state_digest().unwrap(), board.history_len().unwrap())
    }

    #[track_caller]
    fn assert_unchanged(fail: impl FnOnce(&Replica<Board>)) {
        let board = board();
        let (before, version) = (all_of(&board), board.version());
        let mut changes = board.subscribe().unwrap();
        fail(&board);
        assert_eq!(all_of(&board), before);
        assert_eq!(board.version(), version);
        assert!(changes.next().now_or_never().is_none(), "nobody is told");
        // It goes on as if nothing had happened.
        board.edit(touch_everything).unwrap();
        let seqs: Vec<_> = board
            .entries_since(&version.unwrap())
            .unwrap()
            .iter()
            .map(|entry| entry.stamp.dot.seq)
            .collect();
        assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    }

    #[test]
    fn by_its_closure_leaves_nothing_behind() {
        assert_unchanged(|board| {
            let edited = board.try_edit(|board| {
                touch_everything(board);
                Err::<(), _>("no")
            });
            assert_eq!(edited, Err(EditError::Closure("no")));
        });
    }

    #[test]
    fn by_a_panic_leaves_nothing_behind() {
        assert_unchanged(|board| {
            let edit = AssertUnwindSafe(|| {
                board.edit(|board| {
                    touch_everything(board);
                    panic!("in the middle");
                })
            });
            assert!(catch_unwind(edit).is_err());
        });
    }

    #[test]
    fn by_an_update_that_is_too_large_leaves_nothing_behind() {
        assert_unchanged(|board| {
            let edited = board.edit(|board| {
                touch_everything(board);
                board.title().set("x".repeat(2 << 20));
                // What comes after it does nothing, and reads as before.
                board.votes().add(1);
                assert_eq!(board.votes.value(), 6);
            });
            assert!(matches!(edited, Err(UpdateError::TooLarge { .. })), "{edited:?}");
        });
    }

    #[test]
    fn by_an_editor_that_refuses_leaves_nothing_behind() {
        assert_unchanged(|board| {
            let edited = board.edit(|board| {
                touch_everything(board);
                board.as_mut().refuse("not today");
            });
            assert_eq!(edited.unwrap_err().to_string(), "the edit was refused: not today");
        });
    }

    #[test]
    fn by_a_reducer_that_panics_poisons() {
        let board = board();
        let edit = AssertUnwindSafe(|| board.edit(|board| board.points().update(99)));
        assert!(catch_unwind(edit).is_err());
        assert_eq!(board.read(|_| ()), Err(Unavailable::Poisoned));
    }
}

#[test]
fn a_counter_refuses_a_sum_that_is_out_of_range() {
    let counter = Replica::new(Counter::default());
    counter.edit(|counter| counter.add(i64::MAX)).unwrap();
    assert_eq!(counter.read(|counter| counter.value()), Ok(i64::MAX.into()), "it is wider");

    let mut state = i128::MAX.to_string();
    state.insert_str(0, r#"{"origins":[],"value":"#);
    state.push('}');
    let full: Counter = serde_json::from_str(&state).unwrap();
    let counter = Replica::new(full);
    let refused = counter.edit(|counter| counter.add(1)).unwrap_err().to_string();
    assert!(refused.contains("out of range"), "{refused}");
    assert_eq!(counter.edit(|counter| counter.add(-1)), Ok(()));
}

/// An edit that takes several messages, cut after each of them.
#[test]
fn an_edit_over_many_messages_is_taken_in_whole_or_not_at_all() {
    let edited = |cuts: usize| {
        let mut pair = Pair::new(Board::default);
        let wall = pair.now().wall;
        pair.cores[0].edit(wall, |board| board.title().set("before")).unwrap();
        pair.cores[0]
            .edit(wall, |board| {
                for card in 0..600 {
                    board.cards().entry(card).text().set("x".repeat(200));
                    board.votes().add(1);
                }
            })
            .unwrap();
        pair.connect();
        let mut messages = 0;
        while messages < cuts {
            if pair.hear(0) || pair.hear(1) || pair.say(0) || pair.say(1) {
                messages += 1;
                let board = pair.cores[1].state().unwrap();
                let counts = (board.cards.len(), board.votes.value());
                assert!([(0, 0), (600, 600)].contains(&counts), "{counts:?} of an edit");
            } else {
                break;
            }
        }
        // The cut; then a new connection.
        pair.connect();
        pair.run_until_quiet();
        pair.assert_converged();
        assert_eq!(pair.cores[1].state().unwrap().votes.value(), 600);
        messages == cuts
    };
    let cuts = (0..).take_while(|cuts| edited(*cuts)).count();
    assert!(cuts > 15, "{cuts} messages are too few to prove anything");
}

mod observing {
    use super::*;

    #[test]
    fn begins_with_the_state_and_leaves_no_gap() {
        let board = board();
        let mut changes = board.subscribe().unwrap();
        board.edit(|board| board.votes().add(1)).unwrap();
        let mut shown = changes.read(|board| board.votes.value()).unwrap();
        board.edit(|board| board.votes().add(2)).unwrap();
        while let Some(Some(ReplicaEvent::Changed { changes, .. })) = changes.next().now_or_never()
        {
            if let BoardChanges::Votes(votes) = &*changes {
                shown += votes.after().unwrap() - votes.before().unwrap();
            }
        }
        assert_eq!(shown, 3);
    }

    #[test]
    fn goes_on_after_a_reset() {
        let board = Replica::builder(Board::default()).limits(|limits| limits.events = 4).build();
        let mut changes = board.subscribe().unwrap();
        for _ in 0..9 {
            board.edit(|board| board.votes().add(1)).unwrap();
        }
        assert!(matches!(changes.next().now_or_never(), Some(Some(ReplicaEvent::Lagged))));
        assert_eq!(changes.read(|board| board.votes.value()), Ok(9));
        assert!(changes.next().now_or_never().is_none(), "one reset, and nothing twice");
    }

    #[test]
    fn of_one_key_gets_the_end_of_each_step() {
        let board = board();
        let mut texts = board.subscribe().unwrap().filtered(|changes| match changes {
            BoardChanges::Cards(cards) if cards.key == 7 => match cards.value()? {
                CardChanges::Text(text) => text.after().cloned(),
                _ => None,
            },
            _ => None,
        });
        board
            .edit(|board| {
                board.cards().entry(7).text().set("one");
                board.cards().entry(7).text().set("two");
                board.cards().entry(8).text().set("other");
            })
            .unwrap();
        let told: Vec<_> = std::iter::from_fn(|| texts.next().now_or_never().flatten())
            .map(|event| match event {
                ReplicaEvent::Changed { changes, ends_step, .. } => {
                    (changes.to_string(), ends_step)
                }
                event => panic!("{event:?}"),
            })
            .collect();
        assert_eq!(told, [("one".into(), false), ("two".into(), true)]);
    }

    #[test]
    fn in_another_language_gets_json() {
        let board = board();
        let mut changes = board.subscribe().unwrap();
        board
            .edit(|board| {
                board.title().set("Groceries");
                board.cards().entry(1).tags().remove("x");
                board.cards().remove(&1);
                board.high_score(70);
            })
            .unwrap();
        let told: Vec<_> = std::iter::from_fn(|| changes.next().now_or_never().flatten())
            .map(|event| match event {
                ReplicaEvent::Changed { changes, .. } => serde_json::to_string(&*changes).unwrap(),
                event => panic!("{event:?}"),
            })
            .collect();
        assert_eq!(
            told,
            [
                r#"{"Title":{"before":"","after":"Groceries"}}"#,
                r#"{"Cards":{"key":1,"change":{"Changed":{"Tags":{"element":"x","change":"Removed"}}}}}"#,
                r#"{"Cards":{"key":1,"change":"Reset"}}"#,
                r#"{"HighScore":true}"#,
            ]
        );
    }
}

mod undoing {
    use super::*;

    fn shown(board: &Replica<Board>) -> String {
        let show = |board: &Board| {
            let cards: Vec<_> = board
                .cards
                .iter()
                .map(|(key, card)| {
                    let tags: Vec<_> = card.tags.iter().cloned().collect();
                    (*key, card.text.to_string(), card.votes.value(), tags, card.is_done.value())
                })
                .collect();
            format!("{} {} {cards:?}", board.title.value(), board.votes.value())
        };
        board.read(show).unwrap()
    }

    fn change_much(board: &mut BoardEditor<DynPlace<'_, Board>>) {
        board.title().set("Groceries");
        board.votes().add(5);
        let mut cards = board.cards();
        cards.entry(7).text().set("milk");
        cards.entry(7).votes().add(2);
        cards.entry(7).tags().remove("y");
        cards.entry(7).is_done().enable();
        cards.entry(8).tags().insert("new");
        cards.remove(&1);
    }

    #[test]
    fn takes_back_an_edit_and_redoing_makes_it_again() {
        let board = board();
        let mut log = UndoLog::new(&board);
        let before = shown(&board);
        log.edit(change_much).unwrap();
        let after = shown(&board);
        for _ in 0..3 {
            assert_eq!(log.undo(), Ok(Undone::Edit));
            assert_eq!(shown(&board), before);
            assert_eq!(log.redo(), Ok(Undone::Edit));
            assert_eq!(shown(&board), after);
        }
        assert_eq!(log.redo(), Ok(Undone::Nothing));
    }

    #[test]
    fn leaves_alone_what_others_have_written_since() {
        let (board, other) = (board(), Replica::new(Board::default()));
        let sync = || {
            let mut file = Vec::new();
            board.save(&mut file).unwrap();
            other.load(&mut &*file).unwrap();
            let mut file = Vec::new();
            other.save(&mut file).unwrap();
            board.load(&mut &*file).unwrap();
        };
        let mut log = UndoLog::new(&board);
        log.edit(change_much).unwrap();
        sync();
        other
            .edit(|board| {
                board.title().set("Shopping");
                board.votes().add(100);
                board.cards().entry(8).tags().insert("theirs");
            })
            .unwrap();
        sync();
        assert_eq!(log.undo(), Ok(Undone::Edit));
        sync();
        let kept = board.read(|board| {
            let tags: Vec<_> = board.cards.get(&8).unwrap().tags.iter().cloned().collect();
            (board.title.to_string(), board.votes.value(), tags)
        });
        assert_eq!(kept, Ok(("Shopping".into(), 100, vec!["theirs".into()])));
        assert_eq!(board.state_digest().unwrap(), other.state_digest().unwrap());
    }

    #[test]
    fn goes_back_step_by_step_and_forth_again() {
        let board = board();
        let mut log = UndoLog::new(&board);
        let mut seen = vec![shown(&board)];
        type Step = fn(&mut BoardEditor<DynPlace<'_, Board>>);
        let steps: [Step; 5] = [
            |board| board.title().set("one"),
            |board| {
                board.title().set("two");
                board.title().set("three");
            },
            |board| {
                board.cards().entry(7).tags().insert("new");
                board.cards().entry(7).is_done().enable();
            },
            |board| {
                board.cards().entry(7).tags().remove("new");
                board.cards().entry(7).is_done().disable();
            },
            |board| assert!(board.cards().remove(&7)),
        ];
        for step in steps {
            log.edit(step).unwrap();
            seen.push(shown(&board));
        }
        for _ in 0..2 {
            for before in seen.iter().rev().skip(1) {
                assert_eq!(log.undo(), Ok(Undone::Edit));
                assert_eq!(shown(&board), *before);
            }
            for after in seen.iter().skip(1) {
                assert_eq!(log.redo(), Ok(Undone::Edit));
                assert_eq!(shown(&board), *after);
            }
        }
    }

    #[test]
    fn leaves_what_others_have_added_to_what_only_grows() {
        use repred::GrowCounter;
        type Views = Map<u32, GrowCounter>;
        let (ours, theirs) = (Replica::new(Views::default()), Replica::new(Views::default()));
        let sync = |from: &Replica<Views>, to: &Replica<Views>| {
            let mut file = Vec::new();
            from.save(&mut file).unwrap();
            to.load(&mut &*file).unwrap();
        };
        let mut log = UndoLog::new(&ours);
        log.edit(|views| views.entry(7).add(1)).unwrap();
        sync(&ours, &theirs);
        theirs.edit(|views| views.entry(7).add(5)).unwrap();
        sync(&theirs, &ours);
        log.undo().unwrap();
        assert_eq!(ours.read(|views| views.get(&7).map(GrowCounter::value)), Ok(Some(6)));
    }

    #[test]
    fn says_what_cannot_be_taken_back() {
        let board = board();
        let mut log = UndoLog::new(&board);
        log.edit(|board| {
            board.high_score(100);
            board.votes().add(1);
        })
        .unwrap();
        assert_eq!(log.undo(), Ok(Undone::Part));
        assert_eq!(board.read(|board| (board.high_score, board.votes.value())), Ok((100, 0)));
    }

    #[test]
    fn a_log_has_a_limit() {
        let board = board();
        let mut log = UndoLog::with_limit(&board, 2);
        for _ in 0..5 {
            log.edit(|board| board.votes().add(1)).unwrap();
        }
        while log.undo().unwrap() != Undone::Nothing {}
        assert_eq!(board.read(|board| board.votes.value()), Ok(3));
        assert_eq!(log.redo_len(), 2);
    }
}

mod the_past {
    use repred::{VersionVector, error::AtError};

    use super::*;

    #[test]
    fn is_exact_on_a_replica_that_keeps_everything() {
        let board = Replica::builder(Board::default()).keep_everything().build();
        let mut past = vec![(board.version().unwrap(), board.read(|b| format!("{b:?}")).unwrap())];
        for round in 0..20u32 {
            board
                .edit(|board| {
                    board.title().set(format!("title {round}"));
                    board.cards().entry(round % 3).text().set(format!("{round}"));
                    board.cards().entry(round % 2).tags().remove("x");
                    board.cards().entry(round % 3).tags().insert("x");
                    board.cards().remove(&(round % 5));
                })
                .unwrap();
            past.push((board.version().unwrap(), board.read(|b| format!("{b:?}")).unwrap()));
        }
        for (version, state) in past {
            assert_eq!(format!("{:?}", board.at(&version, Board::default()).unwrap()), state);
        }
        let refused = board.trim(&board.version().unwrap());
        assert!(refused.unwrap_err().to_string().contains("keeps everything"));
    }

    #[test]
    fn is_unknown_where_it_was_forgotten() {
        let board = Replica::new(Board::default());
        board.edit(|board| board.title().set("one")).unwrap();
        let version = board.version().unwrap();
        board.edit(|board| board.title().set("two")).unwrap();
        assert_eq!(board.at(&version, Board::default()).unwrap_err(), AtError::Forgotten);

        let now = board.version().unwrap();
        board.trim(&now).unwrap();
        let error = board.at(&VersionVector::new(), Board::default()).unwrap_err();
        assert!(matches!(error, AtError::BelowFloor { .. }), "{error}");

        let beyond = now.merged(&VersionVector::from_iter([(7.into(), 1)]));
        let error = board.at(&beyond, Board::default()).unwrap_err();
        assert!(matches!(error, AtError::NotSeen { .. }), "{error}");
    }
}
