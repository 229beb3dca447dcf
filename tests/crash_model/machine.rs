//! The disk as the store gets it: every step is remembered, and any of them may fail.

use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use civitrawl::storage::{Content, Entry, Failed, Ranges, Storage, Unsynced};

use crate::disk::{Opened, State};
use crate::number;
use crate::power::Random;

/// The part that survives every crash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Promised {
    /// The last commit that has returned.
    pub(crate) commit: u64,
    /// The last snapshot that readers were shown.
    pub(crate) snapshot: u64,
}

/// The disk after a step, and what had been promised by then.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) state: State,
    pub(crate) promised: Promised,
}

/// The failure of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failing {
    /// The step, from 0.
    pub(crate) at: usize,
    /// Set when all later ones fail as well.
    pub(crate) from_then_on: bool,
    /// The system's number for the error.
    pub(crate) code: i32,
    /// Set when the step is done all the same.
    pub(crate) done: bool,
}

/// A running system with one disk.
pub(crate) struct Machine {
    inner: Arc<Mutex<Inner>>,
    held: Arc<AtomicBool>,
}

struct Inner {
    state: State,
    history: Vec<Moment>,
    promised: Promised,
    steps: usize,
    failing: Option<Failing>,
}

/// The one writer's hold; ends with the value.
struct Hold(Arc<AtomicBool>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Machine {
    /// A system started on this disk, with what was promised so far.
    pub(crate) fn start(state: State, promised: Promised, failing: Option<Failing>) -> Arc<Self> {
        let history = vec![Moment { state: state.clone(), promised }];
        let inner = Inner { state, history, promised, steps: 0, failing };
        Arc::new(Self { inner: Arc::new(Mutex::new(inner)), held: Arc::default() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// From now on this must survive everything, beside what was promised before.
    pub(crate) fn promise(&self, more: Promised) {
        let mut inner = self.inner();
        let before = inner.promised;
        inner.promised =
            Promised { commit: before.commit.max(more.commit), snapshot: before.snapshot.max(more.snapshot) };
        let moment = Moment { state: inner.state.clone(), promised: inner.promised };
        inner.history.push(moment);
    }

    /// The disk as it is seen now.
    pub(crate) fn state(&self) -> State {
        self.inner().state.clone()
    }

    /// Steps made so far.
    pub(crate) fn steps(&self) -> usize {
        self.inner().steps
    }

    /// The disk at the beginning and after every step that changed it.
    pub(crate) fn history(&self) -> Vec<Moment> {
        self.inner().history.clone()
    }

    /// Makes a step that only looks.
    fn look<T>(&self, act: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        let mut inner = self.inner();
        match inner.failure() {
            Some(failing) => Err(Error::from_raw_os_error(failing.code)),
            None => act(&inner.state),
        }
    }

    /// Makes a step that changes the disk, or fails.
    fn step<T>(&self, act: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.inner().step(act, |_| ())
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().expect("nobody panics while holding it")
}

impl Inner {
    fn failure(&mut self) -> Option<Failing> {
        let step = self.steps;
        self.steps += 1;
        self.failing.filter(|failing| failing.at == step || (failing.from_then_on && failing.at < step))
    }

    /// Makes a step that changes the disk, or fails; `failed` is what a failure does.
    fn step<T>(&mut self, act: impl FnOnce(&mut State) -> Result<T>, failed: impl FnOnce(&mut State)) -> Result<T> {
        let result = match self.failure() {
            None => act(&mut self.state),
            Some(failing) => {
                if failing.done {
                    // It reports an error and has done it all the same.
                    let _ = act(&mut self.state);
                } else {
                    failed(&mut self.state);
                }
                Err(Error::from_raw_os_error(failing.code))
            }
        };
        self.history.push(Moment { state: self.state.clone(), promised: self.promised });
        result
    }

    fn sync_file(&mut self, file: usize) -> Result<()> {
        self.step(|state| state.sync_file(file), |state| state.fail_sync(file))
    }
}

impl Storage for Machine {
    fn make_dir(&self, dir: &Path) -> Result<()> {
        let missing = self.look(|state| Ok(state.missing(dir)))?;
        missing.iter().try_for_each(|dir| self.step(|state| state.make_dir(dir)))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        self.look(|state| match state.file(dir) {
            Ok(_) => Err(ErrorKind::NotADirectory.into()),
            Err(_) => Ok(state.list(dir)),
        })
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.look(|state| Ok(state.read(path)?.to_vec()))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Ranges>> {
        self.look(|state| Ok(Box::new(Opened(state.read(path)?)) as Box<dyn Ranges>))
    }

    fn create(&self, path: &Path, content: &mut Content<'_>) -> Result<Unsynced> {
        let mut bytes = Vec::new();
        content(&mut bytes)?;
        let file = self.step(|state| state.create(path))?;
        // Two pieces, so that a failure of the second one leaves a short file.
        for piece in [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
            self.step(|state| state.append(file, piece))?;
        }
        let inner = Arc::clone(&self.inner);
        Ok(Unsynced::Content(path.to_owned(), Box::new(move || lock(&inner).sync_file(file))))
    }

    /// In an order that another `SEED=` changes: any of a batch may be the first to be done, and any the last.
    fn sync(&self, mut batch: Vec<Unsynced>) -> Vec<Failed> {
        let mut random = Random(number("SEED", 1) ^ self.steps() as u64);
        let mut failed = Vec::new();
        while !batch.is_empty() {
            let next = batch.swap_remove(random.below(batch.len()));
            let path = next.path().to_owned();
            let synced = match next {
                Unsynced::Content(_, sync) => sync(),
                Unsynced::Names(dir) => self.step(|state| state.sync_dir(&dir)),
            };
            failed.extend(synced.err().map(|error| Failed { path, error }));
        }
        failed
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.step(|state| state.link(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.step(|state| state.rename(from, to))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match self.step(|state| state.remove(path)) {
            Err(error) if State::is_missing(&error) => Ok(()),
            other => other,
        }
    }

    fn remove_dir(&self, dir: &Path) -> Result<()> {
        match self.step(|state| state.remove_dir(dir)) {
            Err(error) if State::is_missing(&error) => Ok(()),
            other => other,
        }
    }

    fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        self.step(|state| state.symlink(target, path))
    }

    fn read_symlink(&self, path: &Path) -> Result<Option<PathBuf>> {
        self.look(|state| state.read_symlink(path))
    }

    fn lock(&self, path: &Path, mark: &[u8]) -> Result<Option<Box<dyn Send>>> {
        let file = self.step(|state| state.file(path).or_else(|_| state.create(path)))?;
        let free = !self.held.swap(true, Ordering::SeqCst);
        let content = self.look(|state| state.read(path))?;
        if free && (content.len() < mark.len() || content.iter().all(|byte| *byte == 0)) {
            for length in [mark.len() / 2, mark.len()] {
                self.step(|state| state.fill(file, &mark[..length]))?;
            }
        }
        if free {
            self.inner().sync_file(file)?;
        }
        Ok(free.then(|| Box::new(Hold(Arc::clone(&self.held))) as Box<dyn Send>))
    }
}
