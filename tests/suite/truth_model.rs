//! The protocol by which a place is the truth of a dataset, as a small machine all of whose states are looked at: two runs at a time,
//! begun anew when they were killed, and a store whose puts are done and unheard, lost, or done later. It is drawn in
//! `dataset::place::truth`.

use std::collections::HashSet;

/// A commit, by the run that made it and the commits before it: no two are alike.
type Chain = Vec<u8>;

/// The content of the head.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Head {
    /// The run of each commit.
    chain: Chain,
    /// The run that goes on.
    run: u8,
}

/// A put of the head: the content that it builds on, and the new one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Put {
    seen: Head,
    content: Head,
}

/// The next thing that a run does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Open,
    /// Puts the head, so many more times.
    Head(Put, u8),
    /// Reads the head back, behind a put of which nothing is known, or that was refused.
    ReadBack(Put, u8),
    /// Begins its next commit.
    Fetch,
    /// Puts parts and record of its next commit.
    Files(Head),
    /// Ends with 75.
    Overtaken,
    /// Ends with 3, or was killed.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Run {
    id: u8,
    /// The head as it wrote it last.
    own: Option<Head>,
    step: Step,
    /// Set once its fence is acknowledged.
    is_open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    head: Head,
    /// The commits whose parts and record are there.
    files: Vec<Chain>,
    runs: [Run; 2],
    begun: u8,
    /// Puts that were given up and may still arrive.
    late: Vec<Put>,
    /// The longest chain that was acknowledged.
    acknowledged: Chain,
    /// The run that was the last one to open.
    opened_last: u8,
    /// Faults that may still happen.
    faults: u8,
}

/// The protocol, or one with a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Right,
    NoFence,
    NoCondition,
    HeadFirst,
    NoReadBack,
}

const RUNS: u8 = 3;
const FAULTS: u8 = 2;
const COMMITS: usize = 2;

impl State {
    fn first() -> Self {
        let run = |id| Run { id, own: None, step: Step::Open, is_open: false };
        let head = Head { chain: Vec::new(), run: 0 };
        let (files, late, acknowledged) = (Vec::new(), Vec::new(), Vec::new());
        Self { head, files, runs: [run(1), run(2)], begun: 2, late, acknowledged, opened_last: 0, faults: FAULTS }
    }

    /// Does a put where its condition holds. Returns false if it was refused.
    fn put(&mut self, put: &Put, protocol: Protocol) -> Result<bool, String> {
        if self.head != put.seen && protocol != Protocol::NoCondition {
            return Ok(false);
        }
        let (before, now) = (&self.head.chain, &put.content.chain);
        if !now.starts_with(before) {
            return Err(format!("{now:?} replaces {before:?}: commits are lost, or two chains were mixed"));
        }
        if now.len() > before.len() && put.content.run != self.opened_last {
            return Err(format!("run {} commits behind the opening of run {}", put.content.run, self.opened_last));
        }
        if let Some(missing) = (1..=now.len()).find(|n| !self.files.contains(&now[..*n].to_vec())) {
            return Err(format!("the head names commit {missing} of {now:?}, whose files are not there"));
        }
        self.head = put.content.clone();
        Ok(true)
    }

    /// Takes note that a run was answered: its head was the head.
    fn acknowledge(&mut self, at: usize, content: Head, protocol: Protocol) {
        let run = &mut self.runs[at];
        if !run.is_open {
            run.is_open = true;
            self.opened_last = run.id;
        }
        if content.chain.len() > self.acknowledged.len() {
            self.acknowledged.clone_from(&content.chain);
        }
        let is_due = protocol == Protocol::HeadFirst && !self.files.contains(&content.chain);
        run.step = if is_due { Step::Files(content.clone()) } else { Step::Fetch };
        run.own = Some(content);
    }

    /// Returns the states that may follow.
    fn next(&self, protocol: Protocol) -> Result<Vec<Self>, String> {
        if !self.head.chain.starts_with(&self.acknowledged) {
            return Err(format!("{:?} was acknowledged, and the head has {:?}", self.acknowledged, self.head.chain));
        }
        let mut next = Vec::new();
        for (at, late) in self.late.iter().enumerate() {
            let mut state = self.clone();
            state.late.remove(at);
            state.put(late, protocol)?;
            next.push(state);
        }
        for (at, run) in self.runs.iter().enumerate() {
            self.step(at, run, protocol, &mut next)?;
            if !matches!(run.step, Step::Gone | Step::Overtaken) && self.faults > 0 {
                let mut state = Self { faults: self.faults - 1, ..self.clone() };
                if let Step::Head(put, _) = &run.step {
                    // Killed with a put on its way.
                    let mut state = state.clone();
                    state.late.push(put.clone());
                    state.runs[at].step = Step::Gone;
                    next.push(state);
                }
                state.runs[at].step = Step::Gone;
                next.push(state);
            }
        }
        Ok(next)
    }

    fn step(&self, at: usize, run: &Run, protocol: Protocol, next: &mut Vec<Self>) -> Result<(), String> {
        let mut state = self.clone();
        let fault = self.faults > 0;
        match &run.step {
            Step::Open => {
                let seen = self.head.clone();
                if protocol == Protocol::NoFence {
                    state.acknowledge(at, seen, protocol);
                } else {
                    let content = Head { run: run.id, ..seen.clone() };
                    state.runs[at].step = Step::Head(Put { seen, content }, 2);
                }
                next.push(state);
            }
            Step::Fetch => {
                let own = run.own.clone().unwrap();
                if own.chain.len() < COMMITS {
                    let content = Head { chain: [own.chain.clone(), vec![run.id]].concat(), run: run.id };
                    let put = Put { seen: own, content: content.clone() };
                    let first = protocol == Protocol::HeadFirst;
                    state.runs[at].step = if first { Step::Head(put, 2) } else { Step::Files(content) };
                    next.push(state);
                }
            }
            Step::Files(content) => {
                state.files.push(content.chain.clone());
                state.files.sort();
                state.files.dedup();
                let own = run.own.clone().unwrap();
                let is_named = own == *content;
                let put = Put { seen: own, content: content.clone() };
                state.runs[at].step = if is_named { Step::Fetch } else { Step::Head(put, 2) };
                next.push(state);
            }
            Step::Head(put, tries) => {
                let unknown = match protocol {
                    // What is not answered is put again, and what is refused is another's.
                    Protocol::NoReadBack => match tries {
                        0 => Step::Gone,
                        _ => Step::Head(put.clone(), tries - 1),
                    },
                    _ => Step::ReadBack(put.clone(), *tries),
                };
                if fault {
                    // Lost before it was done; done and unheard; given up, and done later.
                    let mut lost = Self { faults: self.faults - 1, ..self.clone() };
                    lost.runs[at].step = unknown.clone();
                    let (mut unheard, mut late) = (lost.clone(), lost.clone());
                    unheard.put(put, protocol)?;
                    late.late.push(put.clone());
                    next.extend([lost, unheard, late]);
                }
                if state.put(put, protocol)? {
                    state.acknowledge(at, put.content.clone(), protocol);
                } else if protocol == Protocol::NoReadBack {
                    if self.head == put.content {
                        return Err(format!("run {} ends with 75, and the head is its own", run.id));
                    }
                    state.runs[at].step = Step::Overtaken;
                } else {
                    state.runs[at].step = unknown;
                }
                next.push(state);
            }
            Step::ReadBack(put, tries) => {
                if self.head == put.content {
                    state.acknowledge(at, put.content.clone(), protocol);
                } else if self.head != put.seen {
                    state.runs[at].step = Step::Overtaken;
                } else {
                    state.runs[at].step = if *tries == 0 { Step::Gone } else { Step::Head(put.clone(), tries - 1) };
                }
                next.push(state);
            }
            Step::Overtaken | Step::Gone => {
                if self.begun < RUNS {
                    state.begun += 1;
                    // On a machine with nothing.
                    state.runs[at] = Run { id: state.begun, own: None, step: Step::Open, is_open: false };
                    next.push(state);
                }
            }
        }
        Ok(())
    }
}

/// Looks at every state; returns their number.
fn explore(protocol: Protocol) -> Result<usize, String> {
    let (mut seen, mut left) = (HashSet::from([State::first()]), vec![State::first()]);
    let mut is_whole = false;
    while let Some(state) = left.pop() {
        is_whole |= state.head.chain.len() == COMMITS && state.faults == 0;
        for next in state.next(protocol)? {
            if !seen.contains(&next) {
                seen.insert(next.clone());
                left.push(next);
            }
        }
    }
    assert!(is_whole, "nothing is ever committed");
    Ok(seen.len())
}

#[test]
fn no_commit_is_lost_doubled_or_made_by_a_run_that_was_overtaken() {
    let states = explore(Protocol::Right).unwrap();
    println!("{states} states");
    assert!(states > 30_000, "only {states} states");
}

#[test]
fn each_step_that_is_left_out_is_noticed() {
    for (protocol, noticed) in [
        (Protocol::NoFence, "behind the opening"),
        (Protocol::NoCondition, "lost"),
        (Protocol::HeadFirst, "whose files are not there"),
        (Protocol::NoReadBack, "ends with 75, and the head is its own"),
    ] {
        let fault = explore(protocol).unwrap_err();
        assert!(fault.contains(noticed), "{protocol:?}: {fault}");
    }
}
