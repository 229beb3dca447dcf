//! The lock of a writer, and the text in its file that names who holds it.

#![expect(clippy::disallowed_types, reason = "the lock below every dataset")]

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::regular;

/// A writer waits so long for those who look at its lock, each of whom holds it for an instant.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSES_MAX: u32 = 400;

/// The process that holds a lock, as it wrote itself into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The number of the process.
    pub pid: u32,
    /// When it took the lock.
    pub since: Timestamp,
}

impl Holder {
    /// The most bytes that name a holder.
    pub(super) const BYTES_MAX: usize = 100;

    /// Returns the holder that this text names; `None` if it does not name a process of this machine. Then another program holds
    /// the lock, or this one inside a container.
    pub(super) fn named_by(text: &[u8]) -> Option<Self> {
        Self::parse(text).filter(|holder| is_alive(holder.pid))
    }

    fn line(&self) -> String {
        format!("process {} since {}\n", self.pid, self.since)
    }

    /// Reads what [`Holder::line`] writes, and nothing else.
    fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let (pid, since) = line.strip_prefix("process ")?.strip_suffix('\n')?.split_once(" since ")?;
        let holder = Self { pid: pid.parse().ok().filter(|pid| *pid > 0)?, since: since.parse().ok()? };
        (holder.line() == line).then_some(holder)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} since {}", self.pid, self.since.strftime("%Y-%m-%d %H:%M:%S UTC"))
    }
}

/// Takes the lock: see `Storage::lock`.
pub(super) fn lock(path: &Path, mark: &[u8]) -> io::Result<Option<Box<dyn Send>>> {
    let mut file = regular::open_or_create(path)?;
    if !try_lock(&file)? {
        return Ok(None);
    }
    let content = beginning(&file, mark)?;
    if content.len() < mark.len() || content.iter().all(|byte| *byte == 0) {
        file.rewind()?;
        file.write_all(mark)?;
        file.set_len(mark.len() as u64)?;
    }
    // A run that was killed may have written it without the sync.
    file.sync_all()?;
    Ok(Some(Box::new(file)))
}

/// Writes this process behind the mark: see `Storage::name_holder`.
pub(super) fn name_holder(path: &Path, mark: &[u8]) -> io::Result<()> {
    let mut file = regular::open_or_create(path)?;
    if beginning(&file, mark)? == mark {
        file.set_len(mark.len() as u64)?;
        let holder = Holder { pid: std::process::id(), since: Timestamp::now() };
        file.write_all(holder.line().as_bytes())?;
    }
    Ok(())
}

/// Reads as many bytes as the mark has.
fn beginning(file: &File, mark: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(mark.len() as u64).read_to_end(&mut content)?;
    Ok(content)
}

/// Returns false if another process holds the lock exclusively.
fn try_lock(file: &File) -> io::Result<bool> {
    for _ in 0..PAUSES_MAX {
        if taken(file.try_lock())? {
            return Ok(true);
        }
        // Only who looks at it shares the lock.
        if !taken(file.try_lock_shared())? {
            return Ok(false);
        }
        file.unlock()?;
        std::thread::sleep(PAUSE);
    }
    Ok(false)
}

fn taken(tried: Result<(), TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(io::Error::new(io::ErrorKind::Unsupported, error)),
    }
}

/// Returns true if a process holds this lock, by trying to share it for an instant; false if there is no such file.
///
/// # Errors
/// The file cannot be opened, or the file system has no locks.
pub fn is_locked(path: &Path) -> io::Result<bool> {
    match regular::open(path) {
        Ok(file) => Ok(!taken(file.try_lock_shared())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn is_alive(pid: u32) -> bool {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};

    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM)))
}

#[cfg(not(unix))]
fn is_alive(_: u32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Disk, Storage as _};
    use super::*;

    #[test]
    fn a_lock_names_its_holder_while_it_is_held_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        assert!(!is_locked(&path).unwrap());
        let held = Disk.lock(&path, b"mark\n").unwrap().expect("nobody has it");
        assert!(is_locked(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mark\n");
        assert_eq!(Disk.holder(&path, b"mark\n"), None);
        Disk.name_holder(&path, b"mark\n");
        let holder = Disk.holder(&path, b"mark\n").expect("it is named");
        assert_eq!(holder.pid, std::process::id());
        assert!(Disk.lock(&path, b"mark\n").unwrap().is_none());
        drop(held);
        assert!(!is_locked(&path).unwrap());
        // The next one takes the place of the name, however long that is.
        std::fs::write(&path, ["mark\n", &"x".repeat(5000)].concat()).unwrap();
        let _held = Disk.lock(&path, b"mark\n").unwrap().expect("nobody has it");
        Disk.name_holder(&path, b"mark\n");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < 5 + Holder::BYTES_MAX && text.starts_with("mark\nprocess "), "{text}");
    }

    #[test]
    fn a_lock_that_is_looked_at_all_the_time_can_be_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        drop(Disk.lock(&path, b"mark\n").unwrap());
        let over = std::sync::atomic::AtomicBool::new(false);
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(relaxed) {
                        _ = is_locked(&path).unwrap();
                    }
                });
            }
            let taken = (0..200).filter(|_| Disk.lock(&path, b"mark\n").unwrap().is_some()).count();
            over.store(true, relaxed);
            assert_eq!(taken, 200);
        });
    }

    #[test]
    fn a_file_of_somebody_else_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        std::fs::write(&path, "a letter, not a mark").unwrap();
        let _held = Disk.lock(&path, b"mark\n").unwrap().expect("nobody has it");
        Disk.name_holder(&path, b"mark\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a letter, not a mark");
        assert_eq!(Disk.holder(&path, b"mark\n"), None);
    }

    #[test]
    fn a_process_that_is_no_more_is_not_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        for (line, named) in [
            (format!("process {} since 2026-11-30T08:00:00Z\n", std::process::id()), true),
            (format!("process {} since 2026-11-30T08:00:00Z", std::process::id()), false),
            (format!("process 0{} since 2026-11-30T08:00:00Z\n", std::process::id()), false),
            (format!("process {} since yesterday\n", std::process::id()), false),
            (format!("process {} since 2026-11-30T08:00:00Z\n\u{1b}[2J", std::process::id()), false),
            // Linux numbers processes up to 4194304.
            (String::from("process 2000000000 since 2026-11-30T08:00:00Z\n"), false),
            (String::from("process 0 since 2026-11-30T08:00:00Z\n"), false),
            (String::from("process -1 since 2026-11-30T08:00:00Z\n"), false),
            (String::from("process 4294967295 since 2026-11-30T08:00:00Z\n"), false),
            (String::new(), false),
        ] {
            std::fs::write(&path, ["mark\n", &line].concat()).unwrap();
            assert_eq!(Disk.holder(&path, b"mark\n").is_some(), named, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn a_holder_is_read_back_and_no_other_text_is_one(pid in 1u32.., second in 0i64..4_102_444_800, text in any::<Vec<u8>>()) {
            let holder = Holder { pid, since: Timestamp::from_second(second).unwrap() };
            prop_assert_eq!(Holder::parse(holder.line().as_bytes()), Some(holder));
            prop_assert!(Holder::parse(&text).is_none_or(|holder| holder.line().as_bytes() == text));
        }
    }
}
