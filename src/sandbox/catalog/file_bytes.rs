//! The bytes of files: a few files can really be downloaded, and their sizes and hashes are true.

use super::random::{Random, Stream};

/// The largest size of a file with content.
const BYTES_MAX: u32 = 32 << 10;

/// Returns the size in bytes of a file with content, by its id; `None` for all others. Only the first file of one version
/// in some models has content.
pub(crate) fn size(seed: u64, file: u32) -> Option<u32> {
    let exists = (file / 128).is_multiple_of(5) && file.is_multiple_of(128);
    exists.then(|| 128 * (1 + Random::new(seed, Stream::Content, u64::from(file)).below(BYTES_MAX / 128)))
}

/// Returns a file's content, the same every time; `None` for a file without content.
pub(crate) fn content(seed: u64, file: u32) -> Option<Vec<u8>> {
    let bytes = size(seed, file)? as usize;
    let mut random = Random::new(seed, Stream::Content, u64::from(file));
    let mut content = Vec::with_capacity(bytes + 8);
    while content.len() < bytes {
        content.extend(random.next().to_le_bytes());
    }
    content.truncate(bytes);
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_repeat_and_differ() {
        let file = 5 * 128;
        let one = content(1, file).unwrap();
        assert_eq!(one.len(), size(1, file).unwrap() as usize);
        assert_eq!(content(1, file), content(1, file));
        assert_ne!(content(1, file), content(2, file));
        assert_eq!(content(1, file + 1), None);
        assert_eq!(content(1, 128), None);
    }
}
