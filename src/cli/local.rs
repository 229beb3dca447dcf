//! Model files of a local folder by SHA256, for `civitrawl get hash --files`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::output::{complain, usage};
use super::reading::reading;
use crate::download::digest;
use crate::lookup::model_files;

/// The model files of a folder, by their SHA256.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// Each SHA256 once, in the order of the files.
    hashes: Vec<String>,
    /// All files with each SHA256, since copies are common.
    paths: BTreeMap<String, Vec<PathBuf>>,
    /// True if some files are empty or could not be read; each was named on stderr.
    has_gaps: bool,
}

impl Local {
    /// Reads every model file of a folder, and shows the progress if `shown`; files that cannot be read are named on stderr.
    pub(super) fn read(folder: &Path, shown: bool) -> Result<Self, Exit> {
        let found = model_files::model_files(folder)
            .map_err(|error| usage(&format!("cannot read `{}`: {error}", folder.display())))?;
        let mut local = Self::default();
        for (path, error) in &found.passed_over {
            local.pass_over(path, error);
        }
        if found.files.is_empty() && !local.has_gaps {
            let endings = model_files::ENDINGS.join(", .");
            return Err(usage(&format!("`{}` holds no model file: none ends in .{endings}", folder.display())));
        }
        let bar = reading(shown, "hashing", Some(found.files.iter().map(|file| file.bytes).sum()));
        for file in found.files {
            let path = file.path;
            if file.bytes == 0 {
                // All empty files share one hash, and the site may know it for some other file.
                local.pass_over(&path, &"it is empty");
                continue;
            }
            bar.set_message(path.display().to_string());
            match digest::of_file(&path, &mut |bytes| bar.inc(bytes)) {
                Ok(digest) => local.add(digest.finish(), path),
                Err(error) => local.pass_over(&path, &error),
            }
        }
        bar.finish_and_clear();
        Ok(local)
    }

    fn add(&mut self, sha256: String, path: PathBuf) {
        let paths = self.paths.entry(sha256.clone()).or_default();
        if paths.is_empty() {
            self.hashes.push(sha256);
        }
        paths.push(path);
    }

    fn pass_over(&mut self, path: &Path, why: &dyn std::fmt::Display) {
        self.has_gaps = true;
        complain(&format!("{} is not looked up: {why}", path.display()));
    }

    /// Returns each SHA256 once.
    pub(super) fn hashes(&self) -> &[String] {
        &self.hashes
    }

    /// Returns the exit code if every file is found.
    pub(super) fn exit(&self) -> Exit {
        if self.has_gaps { Exit::Doubtful } else { Exit::Complete }
    }

    /// Returns the AutoV3 of the safetensors files among `hashes`, each with the SHA256 of its files. An edited header changes the
    /// SHA256 but not the AutoV3. Reads the files a second time, so it is only called for files that were not found.
    pub(super) fn tensors(&self, hashes: &[String]) -> BTreeMap<String, Vec<String>> {
        let mut tensors: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for sha256 in hashes {
            let Some(path) = self.paths.get(sha256).and_then(|paths| paths.first()) else { continue };
            match digest::auto_v3(path) {
                Ok(Some(auto_v3)) => tensors.entry(auto_v3).or_default().push(sha256.clone()),
                Ok(None) => {}
                Err(error) => complain(&format!("cannot read `{}`: {error}", path.display())),
            }
        }
        tensors
    }

    /// Returns the paths of the files with this SHA256; `None` if there are none.
    pub(super) fn names(&self, sha256: &str) -> Option<String> {
        let names: Vec<String> = self.paths.get(sha256)?.iter().map(|path| path.display().to_string()).collect();
        Some(names.join(", "))
    }

    /// Returns the JSON object with the key `local_files` added: the paths of the files with these hashes. Unchanged if there are
    /// none.
    pub(super) fn tied(&self, object: &str, hashes: &[String]) -> String {
        let paths = hashes.iter().filter_map(|hash| self.paths.get(hash)).flatten();
        let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        match object.strip_suffix('}') {
            Some(open) if !paths.is_empty() => {
                let comma = if open.ends_with('{') { "" } else { "," };
                format!("{open}{comma}\"local_files\":{}}}", serde_json::json!(paths))
            }
            _ => object.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_found_version_names_every_copy() {
        let mut local = Local::default();
        for (hash, path) in [("B", "b.pt"), ("A", "a \"1\".pt"), ("A", "a2.pt")] {
            local.add(hash.to_owned(), PathBuf::from(path));
        }
        assert_eq!(local.hashes(), ["B", "A"]);
        let of = |hash: &str| [hash.to_owned()];
        assert_eq!(local.tied("{\"id\":1}", &of("A")), "{\"id\":1,\"local_files\":[\"a \\\"1\\\".pt\",\"a2.pt\"]}");
        assert_eq!(local.tied("{}", &of("B")), "{\"local_files\":[\"b.pt\"]}");
        assert_eq!(local.tied("{\"id\":1}", &of("C")), "{\"id\":1}");
        assert_eq!(local.names("A").as_deref(), Some("a \"1\".pt, a2.pt"));
    }
}
