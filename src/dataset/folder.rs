//! A folder of model files, as the programs keep that use them: which files are there. Reads only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How the names of model files end.
pub const ENDINGS: &[&str] = &["safetensors", "sft", "gguf", "ckpt", "pt", "pth", "bin", "onnx"];

/// A model file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// The model files in a folder and in those below it, sorted. Links to folders are not followed.
///
/// # Errors
/// As the system says.
pub fn model_files(folder: &Path) -> io::Result<Vec<ModelFile>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if is_model(&path) {
                // A link counts as what it leads to; one that leads nowhere is no file.
                let Ok(facts) = fs::metadata(&path) else { continue };
                if facts.is_file() {
                    files.push(ModelFile { path, bytes: facts.len() });
                }
            }
        }
    }
    files.sort();
    Ok(files)
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
        let found = model_files(directory.path()).unwrap();
        let names: Vec<_> = found.iter().map(|file| file.path.strip_prefix(directory.path()).unwrap()).collect();
        assert_eq!(names, ["Lora/c.gguf", "Lora/sdxl/d.pt", "a.SafeTensors"].map(Path::new));
        assert_eq!(found[2].bytes, 3);
        assert!(model_files(&directory.path().join("nowhere")).is_err());
    }
}
