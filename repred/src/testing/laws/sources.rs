//! Updates from other crates' generators: `proptest` strategies and `arbitrary`.

use super::Laws;
use crate::reduce::Replicated;
#[cfg(feature = "arbitrary")]
use crate::testing::Chance;

#[cfg(feature = "arbitrary")]
impl<R: Replicated> Laws<R> {
    /// Takes updates from the `arbitrary` crate. With the feature `arbitrary`.
    ///
    /// Its values are wide: say with `Arbitrary` that keys are few, or use what needs no such help, the
    /// made-up updates of [`Laws::of`].
    pub fn arbitrary(self) -> Self
    where
        R::Update: for<'a> arbitrary::Arbitrary<'a>,
    {
        self.make_updates(|_, chance| arbitrary::Unstructured::new(&bytes(chance)).arbitrary().ok())
    }
}

/// Bytes that are alike most of the time, since generators make wide values of wide bytes, and wide values
/// never meet: one of three patterns, with up to two bytes changed near the front, which decides most.
#[cfg(feature = "arbitrary")]
fn bytes(chance: &mut Chance) -> Vec<u8> {
    /// More than most updates take.
    const BYTES: usize = 512;
    let mut bytes = match chance.below(3) {
        0 => vec![0; BYTES],
        1 => vec![1; BYTES],
        _ => (0..BYTES).map(|at| (at * at * 167 + at * 59 + 13) as u8).collect(),
    };
    for _ in 0..chance.below(3) {
        let at = chance.below(24) as usize;
        bytes[at] = *chance.pick(&[0, 1, 2, 100, 255]);
    }
    bytes
}

#[cfg(feature = "proptest")]
impl<R: Replicated> Laws<R> {
    /// Takes updates from a `proptest` strategy. With the feature `proptest`.
    ///
    /// A value is one of the strategy's, simplified by it as often as is decided. So values are alike
    /// often enough to meet, and get simpler together with the history around them.
    pub fn strategy(
        self,
        strategy: impl proptest::strategy::Strategy<Value = R::Update> + 'static,
    ) -> Self {
        use proptest::{
            strategy::ValueTree,
            test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
        };

        /// How often a value is simplified at most, and how many values there are.
        const SIMPLER: u64 = 12;
        const VALUES: u64 = 32;

        self.make_updates(move |_, chance| {
            let simpler = SIMPLER - chance.below(SIMPLER + 1);
            let seed = [chance.below(VALUES) as u8 + 1; 16];
            let rng = TestRng::from_seed(RngAlgorithm::XorShift, &seed);
            let mut runner = TestRunner::new_with_rng(Config::default(), rng);
            let mut tree = strategy.new_tree(&mut runner).ok()?;
            let _ = (0..simpler).all(|_| tree.simplify());
            Some(tree.current())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        reducer::{Reducer, reducer},
        testing::{Law, LawsError},
    };

    fn last_to_arrive_wins() -> Reducer<BTreeMap<u8, u16>, (u8, u16)> {
        reducer(BTreeMap::new(), |map, (key, value)| map.insert(key % 3, value) != Some(value))
    }

    fn assert_order_is_broken(laws: Laws<Reducer<BTreeMap<u8, u16>, (u8, u16)>>) {
        let Err(LawsError::Broken(violation)) = laws.run() else { panic!("not found") };
        assert_eq!(violation.law(), Law::Order);
        assert_eq!(violation.case().len(), 2, "{violation}");
    }

    #[cfg(feature = "arbitrary")]
    #[test]
    fn updates_come_from_arbitrary() {
        assert_order_is_broken(Laws::of(last_to_arrive_wins).arbitrary());
    }

    #[cfg(feature = "proptest")]
    #[test]
    fn updates_come_from_a_strategy() {
        let strategy = (0..3_u8, proptest::num::u16::ANY);
        assert_order_is_broken(Laws::of(last_to_arrive_wins).strategy(strategy));
    }
}
