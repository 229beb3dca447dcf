//! What a power loss may leave: any of the changes of names that no sync has made durable, and of unsynced contents all,
//! nothing, the first half, or as many zeros.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Directory, File, Node, State, apply};

/// How many contents an unsynced file may have.
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
    let pending = state.directories.values().map(|directory| directory.pending.len()).sum();
    let mut choices = vec![2; pending];
    choices.extend(dirty(state).iter().map(|_| CONTENTS));
    choices
}

/// The unsynced files that a name may lead to.
fn dirty(state: &State) -> Vec<usize> {
    let named = |directory: &Directory| -> Vec<Node> {
        let pending = directory.pending.iter().filter_map(|(_, node)| *node);
        directory.durable.values().copied().chain(pending).collect()
    };
    let nodes = state.directories.values().flat_map(named);
    let files: BTreeSet<usize> =
        nodes.filter_map(|node| if let Node::File(file) = node { Some(file) } else { None }).collect();
    files.into_iter().filter(|file| state.files[*file].dirty).collect()
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
    let mut directories: BTreeMap<PathBuf, Directory> = BTreeMap::new();
    for (path, directory) in &state.directories {
        let mut names = directory.durable.clone();
        for (name, node) in &directory.pending {
            if picks.next().is_some_and(|kept| *kept == 1) {
                apply(&mut names, name, *node);
            }
        }
        if path.parent().is_none_or(|parent| has(&directories, parent, path)) {
            directories.insert(path.clone(), Directory { durable: names.clone(), names, pending: Vec::new() });
        }
    }
    let mut files: Vec<File> = state.files.clone();
    for (at, content) in dirty(state).into_iter().zip(picks) {
        files[at].content = torn(&files[at], *content);
    }
    for file in &mut files {
        *file = File { content: Arc::clone(&file.content), durable: Arc::clone(&file.content), ..File::default() };
    }
    State { directories, files, ..state.clone() }
}

/// Whether the directory `path` has its name in the one above it.
fn has(directories: &BTreeMap<PathBuf, Directory>, parent: &Path, path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    directories.get(parent).is_some_and(|parent| parent.names.get(&name) == Some(&Node::Directory))
}

fn torn(file: &File, content: usize) -> Arc<[u8]> {
    match content {
        0 => Arc::clone(&file.durable),
        1 => file.content[..file.content.len() / 2].into(),
        2 => vec![0; file.content.len()].into(),
        _ => Arc::clone(&file.content),
    }
}
