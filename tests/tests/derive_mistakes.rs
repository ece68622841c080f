//! What the compiler says where `#[derive(Reduce)]` or the traits behind it are used wrongly: each mistake
//! once, at its place, with what to write instead.
//!
//! The lists of implementing types in the expectations grow with the library; after a look at the
//! difference, `TRYBUILD=overwrite cargo test -p repred-tests --test derive_mistakes` accepts it.

#[test]
fn each_mistake_is_reported_once_and_at_its_place() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
