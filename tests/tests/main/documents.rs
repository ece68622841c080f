//! Replicas of one document meet, and others refuse each other.

use repred::{
    Counter, DocumentId, Replica,
    error::{LoadError, OpenError, SessionError},
    journal::Memory,
};
use repred_tests::Pair;

const APRIL: u128 = 4;
const MAY: u128 = 5;

#[test]
fn both_sides_of_different_documents_name_both() {
    let none = u128::from(DocumentId::NONE);
    for documents in [[APRIL, MAY], [none, MAY], [APRIL, none]] {
        let mut pair = Pair::new(Counter::default);
        for (core, document) in pair.cores.iter_mut().zip(documents) {
            core.set_document(document.into());
        }
        pair.update(0, 1);
        pair.connect();
        pair.run_until_quiet();
        let [a, b] = documents.map(DocumentId::from);
        assert_eq!(pair.errors[0], Some(SessionError::Document { ours: a, theirs: b }));
        assert_eq!(pair.errors[1], Some(SessionError::Document { ours: b, theirs: a }));
        assert!(pair.cores[1].version().is_empty());
    }
}

#[test]
fn replicas_of_one_document_meet() {
    let mut pair = Pair::new(Counter::default);
    pair.cores.iter_mut().for_each(|core| core.set_document(APRIL.into()));
    pair.update(0, 1);
    pair.connect();
    pair.run_until_quiet();
    assert_eq!(pair.errors, [None, None]);
    assert_eq!(pair.cores[1].state().unwrap().value(), 1);
}

#[test]
fn a_journal_of_another_document_is_refused_and_stays_as_it_was() {
    let disk = Memory::new();
    let votes = |document: u128| Replica::builder(Counter::default()).document(document.into());
    let here = votes(APRIL).open_in(disk.clone()).unwrap();
    here.update(3).unwrap();
    here.compact().unwrap();
    here.close().unwrap();
    drop(here);

    let (ours, theirs) = (MAY.into(), APRIL.into());
    for builder in [votes(MAY), votes(MAY).recover()] {
        match builder.open_in(disk.clone()) {
            Err(OpenError::Content(error)) => {
                assert_eq!(error, SessionError::Document { ours, theirs });
            }
            other => panic!("{other:?}"),
        }
    }
    let again = votes(APRIL).open_in(disk).unwrap();
    assert_eq!(again.read(|votes| votes.value()), Ok(3));
    assert_eq!(again.document(), Ok(APRIL.into()));
}

#[test]
fn a_backup_of_another_document_is_refused() {
    let votes =
        |document: u128| Replica::builder(Counter::default()).document(document.into()).build();
    let (april, may) = (votes(APRIL), votes(MAY));
    april.update(3).unwrap();
    let mut file = Vec::new();
    april.save(&mut file).unwrap();
    let (ours, theirs) = (MAY.into(), APRIL.into());
    match may.load(&mut &*file) {
        Err(LoadError::Content(error)) => {
            assert_eq!(error, SessionError::Document { ours, theirs });
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(may.read(|votes| votes.value()), Ok(0));
}
