//! [`Workload`]: single updates `key → value`, the same at each run.

/// An update as all contenders get it.
pub type Update = (String, u64);

/// Updates of random keys, each with its own value.
#[derive(Debug)]
pub struct Workload {
    keys: Vec<String>,
    order: Vec<u32>,
}

impl Workload {
    /// So many updates over so many keys of ten bytes.
    pub fn new(updates: usize, keys: usize) -> Self {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let order = (0..updates).map(|_| {
            // Marsaglia's xorshift, 2003.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % keys as u64) as u32
        });
        Self { order: order.collect(), keys: (0..keys).map(|key| format!("key{key:07}")).collect() }
    }

    /// The number of updates.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are no updates.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Each update, made as it is asked for: that costs every contender the same.
    pub fn updates(&self) -> impl Iterator<Item = Update> + '_ {
        (1..).zip(&self.order).map(|(value, &key)| (self.keys[key as usize].clone(), value))
    }
}
