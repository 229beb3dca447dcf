//! The states a power loss may leave: any of the changes of names that no sync has made durable, and of unsynced contents all,
//! nothing, the first half, or as many zeros.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use crate::disk::{Blob, Directory, File, Node, State, apply};

/// The number of contents an unsynced file may have.
const CONTENTS: usize = 4;

/// Numbers that look random and follow from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).expect("31 bits fit") % end
    }
}

/// States a power loss may leave: all when there are at most `bound`; else nothing kept, everything kept, each change
/// alone lost or kept, and random ones, `bound` in all.
pub(crate) fn losses(state: &State, bound: usize, random: &mut Random) -> Vec<State> {
    let choices = choices(state);
    let all = choices.iter().try_fold(1_usize, |product, choice| product.checked_mul(*choice));
    let picks = match all.filter(|all| *all <= bound) {
        Some(all) => (0..all).map(|n| digits(n, &choices)).collect(),
        None => picked(&choices, bound, random),
    };
    picks.iter().map(|pick| lose(state, pick)).collect()
}

/// For each change of a name 2 (lost or kept), then for each unsynced file the contents it may have.
fn choices(state: &State) -> Vec<usize> {
    let (directories, files) = reach(state);
    let pending = directories.iter().map(|directory| state.directories[*directory].pending.len()).sum();
    let mut choices = vec![2; pending];
    choices.extend(files.iter().filter(|file| state.files[**file].dirty).map(|_| CONTENTS));
    choices
}

/// The directories and files that a name may lead to behind a power loss.
fn reach(state: &State) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let (mut directories, mut files, mut found) = (BTreeSet::new(), BTreeSet::new(), vec![0]);
    while let Some(directory) = found.pop() {
        if !directories.insert(directory) {
            continue;
        }
        let Directory { durable, pending, .. } = &*state.directories[directory];
        for node in durable.values().chain(pending.iter().filter_map(|(_, node)| node.as_ref())) {
            match node {
                Node::File(file) => drop(files.insert(*file)),
                Node::Directory(directory) => found.push(*directory),
                Node::Link(_) => {}
            }
        }
    }
    (directories, files)
}

fn digits(mut number: usize, choices: &[usize]) -> Vec<usize> {
    let digit = |choice: &usize| {
        let digit = number % choice;
        number /= choice;
        digit
    };
    choices.iter().map(digit).collect()
}

fn picked(choices: &[usize], bound: usize, random: &mut Random) -> Vec<Vec<usize>> {
    let most: Vec<usize> = choices.iter().map(|choice| choice - 1).collect();
    let least = vec![0; choices.len()];
    let mut picks = vec![least.clone(), most.clone()];
    // With few to pick, not always the same ones.
    let first = random.below(choices.len());
    for at in (0..choices.len()).map(|at| (first + at) % choices.len()) {
        for (others, one) in [(&most, 0), (&least, most[at])] {
            let mut pick = others.clone();
            pick[at] = one;
            picks.push(pick);
        }
    }
    picks.truncate(bound.div_ceil(2).max(2));
    while picks.len() < bound {
        picks.push(choices.iter().map(|choice| random.below(*choice)).collect());
    }
    picks
}

/// The disk after a power loss that left what was picked.
fn lose(state: &State, pick: &[usize]) -> State {
    let mut picks = pick.iter();
    let (reached, named) = reach(state);
    let mut names_of = vec![BTreeMap::new(); state.directories.len()];
    for directory in reached {
        let Directory { durable, pending, .. } = &*state.directories[directory];
        let mut names = durable.clone();
        for (name, node) in pending {
            if picks.next().is_some_and(|kept| *kept == 1) {
                apply(&mut names, name, *node);
            }
        }
        names_of[directory] = names;
    }
    let mut files: Vec<File> = state.files.clone();
    for (at, content) in named.into_iter().filter(|file| state.files[*file].dirty).zip(picks) {
        files[at].content = torn(&files[at], *content);
    }
    for file in &mut files {
        *file = File { content: file.content.clone(), durable: file.content.clone(), dirty: false, sync_failed: false };
    }
    State { directories: mended(names_of), files, ..state.clone() }
}

/// A directory has one name on any file system: where half a rename left it two, the first one stays. Where it left it none,
/// all that was in it is lost.
fn mended(mut names_of: Vec<BTreeMap<String, Node>>) -> Vec<Arc<Directory>> {
    let mut mended = vec![Arc::default(); names_of.len()];
    let (mut seen, mut found) = (BTreeSet::from([0]), vec![0]);
    while let Some(directory) = found.pop() {
        let mut names = mem::take(&mut names_of[directory]);
        names.retain(|_, node| match node {
            Node::Directory(inside) => {
                let is_first = seen.insert(*inside);
                found.extend(is_first.then_some(*inside));
                is_first
            }
            Node::File(_) | Node::Link(_) => true,
        });
        mended[directory] = Arc::new(Directory { durable: names.clone(), names, pending: Vec::new() });
    }
    mended
}

fn torn(file: &File, content: usize) -> Blob {
    match content {
        0 => file.durable.clone(),
        1 => file.content[..file.content.len() / 2].to_vec().into(),
        2 => vec![0; file.content.len()].into(),
        _ => file.content.clone(),
    }
}
