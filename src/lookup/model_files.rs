//! Finds the model files in a folder. Reads only.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "lists the files it is given")]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The extensions of model files.
pub const ENDINGS: &[&str] = &["safetensors", "sft", "gguf", "ckpt", "pt", "pth", "bin", "onnx"];

/// A model file in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelFile {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The model files of a folder.
#[derive(Debug, Default)]
pub struct Contents {
    /// The files, sorted.
    pub files: Vec<ModelFile>,
    /// Paths that could not be read, and why.
    pub passed_over: Vec<(PathBuf, io::Error)>,
}

/// Finds the model files in a folder and those below it. Links are followed; a folder with several links to it counts once.
///
/// # Errors
/// When the folder itself cannot be read; those below it are listed in [`Contents::passed_over`].
pub fn model_files(folder: &Path) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let (mut seen, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(path) = folders.pop() {
        let listed = fs::canonicalize(&path).and_then(|real| {
            // A loop of links ends at a folder seen before.
            if seen.insert(real) { fs::read_dir(&path)?.collect() } else { Ok(Vec::new()) }
        });
        let entries: Vec<fs::DirEntry> = match listed {
            Ok(entries) => entries,
            Err(error) if path == folder => return Err(error),
            Err(error) => {
                contents.passed_over.push((path, error));
                continue;
            }
        };
        for path in entries.into_iter().map(|entry| entry.path()) {
            match fs::metadata(&path) {
                Ok(facts) if facts.is_dir() => folders.push(path),
                Ok(facts) if facts.is_file() && is_model(&path) => {
                    contents.files.push(ModelFile { path, bytes: facts.len() });
                }
                Ok(_) if is_model(&path) => {
                    contents.passed_over.push((path, io::Error::other("it is no regular file")));
                }
                Ok(_) => {}
                // A dangling link may point to a disk that is not mounted.
                Err(error) => contents.passed_over.push((path, error)),
            }
        }
    }
    contents.files.sort();
    contents.passed_over.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(contents)
}

fn is_model(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_model_files_are_found_in_every_folder() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("Lora/sdxl");
        fs::create_dir_all(&inside).unwrap();
        for (name, content) in [("a.SafeTensors", "abc"), ("b.txt", "x"), ("Lora/c.gguf", ""), ("Lora/sdxl/d.pt", "y")]
        {
            fs::write(directory.path().join(name), content).unwrap();
        }
        let found = model_files(directory.path()).unwrap().files;
        let names: Vec<_> = found.iter().map(|file| file.path.strip_prefix(directory.path()).unwrap()).collect();
        assert_eq!(names, ["Lora/c.gguf", "Lora/sdxl/d.pt", "a.SafeTensors"].map(Path::new));
        assert_eq!(found[2].bytes, 3);
        assert!(model_files(&directory.path().join("nowhere")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_every_folder_counts_once() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let (models, disk) = (directory.path().join("models"), directory.path().join("disk"));
        fs::create_dir_all(&models).unwrap();
        fs::create_dir_all(disk.join("deep")).unwrap();
        for path in [models.join("a.pt"), disk.join("b.pt"), disk.join("deep/c.pt")] {
            fs::write(path, "x").unwrap();
        }
        symlink(&disk, models.join("linked")).unwrap();
        symlink(&disk, models.join("linked again")).unwrap();
        symlink(&models, disk.join("deep/loop")).unwrap();
        symlink(directory.path().join("unplugged"), models.join("nowhere")).unwrap();
        symlink("/dev/zero", models.join("z.pt")).unwrap();
        let found = model_files(&models).unwrap();
        let mut names: Vec<_> = found.files.iter().filter_map(|file| file.path.file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.pt", "b.pt", "c.pt"]);
        let named: Vec<_> = found.passed_over.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(named, [models.join("nowhere"), models.join("z.pt")]);
    }
}
