//! Every moment of a run, every state a crash may leave there, every moment of the recovery from it, and so on twice.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::check::{Violation, goes_on, recovers};
use crate::machine::Moment;
use crate::mutant::Mutation;
use crate::power::{Random, losses};

/// Losses looked at for each moment: of the crawl, of its recovery, and of the recovery from a crash of that.
const LOSSES: [usize; 3] = [8, 3, 2];

/// One of so many crashes of the crawl is crawled on from, to the end: writing Parquet takes longer than all the rest.
const GOES_ON: usize = 6;

/// Walks through crashes and counts them.
pub(crate) struct Explorer {
    mutation: Option<Mutation>,
    recoveries: usize,
    random: Random,
    breadth: usize,
    seen: Seen,
    /// The moments whose losses were looked at: of the crawl, of its recovery, and of the recovery from a crash of that.
    crashed: [Seen; LOSSES.len()],
    continued: usize,
    /// States looked at.
    pub(crate) states: usize,
}

impl Explorer {
    /// Recoveries are crashed as well, `recoveries` times at most; `breadth` multiplies the losses looked at.
    pub(crate) fn new(mutation: Option<Mutation>, recoveries: usize, seed: u64, breadth: usize) -> Self {
        let random = Random(seed);
        Self {
            mutation,
            recoveries,
            random,
            breadth,
            seen: Seen::default(),
            crashed: Default::default(),
            continued: 0,
            states: 0,
        }
    }

    /// Checks every state that a crash in one of these moments may leave, and that crashes of its recovery may.
    pub(crate) fn explore(&mut self, moments: &[Moment], depth: usize) -> Result<(), Violation> {
        for moment in moments {
            if !self.crashed[depth].is_new(moment) {
                continue;
            }
            for state in losses(&moment.state, LOSSES[depth] * self.breadth, &mut self.random) {
                self.visit(&Moment { state, promised: moment.promised }, depth)?;
            }
            // The program may also have been killed while the system went on.
            self.visit(moment, depth)?;
            if depth == 0 {
                self.lose_later(moment)?;
            }
        }
        Ok(())
    }

    fn visit(&mut self, crashed: &Moment, depth: usize) -> Result<(), Violation> {
        self.states += 1;
        if !self.seen.is_new(crashed) {
            return Ok(());
        }
        let recovery = recovers(crashed, self.mutation)?;
        if depth == 0 && self.random.below(GOES_ON) == 0 {
            self.continued += 1;
            goes_on(crashed, self.mutation)?;
        }
        if depth < self.recoveries { self.explore(&recovery, depth + 1) } else { Ok(()) }
    }

    /// Changes that a killed run had not made durable may still be undone while the next run works.
    fn lose_later(&mut self, killed: &Moment) -> Result<(), Violation> {
        if self.random.below(GOES_ON.div_ceil(self.breadth)) != 0 {
            return Ok(());
        }
        self.continued += 1;
        for later in goes_on(killed, self.mutation)? {
            for state in losses(&later.state, 2, &mut self.random) {
                self.visit(&Moment { state, promised: later.promised }, LOSSES.len() - 1)?;
            }
        }
        Ok(())
    }

    /// Returns the number of states that were tried.
    pub(crate) fn summary(&self) -> String {
        format!("{} states, {} of them different, {} crawled on from", self.states, self.seen.0.len(), self.continued)
    }
}

/// Moments that were looked at: one that is as another was continues as that one did.
#[derive(Default)]
pub(crate) struct Seen(HashSet<u64>);

impl Seen {
    /// Returns true the first time.
    pub(crate) fn is_new(&mut self, moment: &Moment) -> bool {
        let mut hasher = DefaultHasher::new();
        moment.promised.hash(&mut hasher);
        moment.state.hash(&mut hasher);
        self.0.insert(hasher.finish())
    }
}
