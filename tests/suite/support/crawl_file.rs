//! A crawl file and its dataset in a directory of their own; walks written by a builder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::sandbox::Sandbox;
use super::{assert_exit, assert_sound, printed, program};

/// A directory with a crawl file, and room for its dataset.
pub struct Room {
    directory: TempDir,
}

impl Room {
    /// Writes `text` as the crawl file `crawl.toml`. A text without a server gets it, the dataset beside the file, and a pace
    /// without bounds; `{base}` and `{dataset}` stand for the server and the dataset.
    pub fn new(text: &str, base: &str) -> Self {
        let room = Self { directory: TempDir::new().expect("there is room for a directory") };
        let head = if text.contains("server = ") { "" } else { "server = \"{base}\"\ndataset = \"{dataset}\"\n" };
        let has_pace = text.lines().any(|line| line.starts_with("pace = ") || line.starts_with("[pace]"));
        let pace = if has_pace { "" } else { "pace = { requests_per_second = 1000.0, burst = 1000 }\n" };
        let dataset = room.dataset().display().to_string();
        let text = [head, pace, text].concat().replace("{base}", base).replace("{dataset}", &dataset);
        std::fs::write(room.file(), text).expect("the crawl file can be written");
        room
    }

    /// The crawl file.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("crawl.toml")
    }

    /// The dataset.
    pub fn dataset(&self) -> PathBuf {
        self.directory.path().join("dataset")
    }

    /// `civitrawl crawl` on the crawl file, ready to run.
    pub fn crawl(&self) -> Command {
        let mut command = program();
        command.arg("crawl").arg(self.file());
        command
    }

    /// Runs the crawl to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.crawl().args(arguments).output().expect("the program runs")
    }

    /// Returns what `civitrawl status` prints of the dataset.
    pub fn status(&self) -> String {
        let output = program().arg("status").arg(self.dataset()).output().expect("the program runs");
        assert!(matches!(output.status.code(), Some(0 | 3 | 4)), "{}", printed(&output));
        printed(&output)
    }

    /// Fails unless `civitrawl verify` calls the dataset sound.
    pub fn assert_sound(&self) {
        assert_sound(&self.dataset());
    }
}

/// A `[[walk]]`, named as its endpoint unless said otherwise.
#[derive(Clone)]
pub struct Walk {
    endpoint: String,
    name: String,
    params: Vec<String>,
    more: String,
}

impl Walk {
    pub fn of(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), name: endpoint.to_owned(), params: Vec::new(), more: String::new() }
    }

    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Adds parameters, as a crawl file has them: `sort = "Oldest", nsfw = true`.
    pub fn params(mut self, params: &str) -> Self {
        self.params.push(params.to_owned());
        self
    }

    /// Sets the items of a page.
    pub fn limit(self, items: u32) -> Self {
        self.params(&format!("limit = {items}"))
    }

    /// Adds further lines, such as `split = { windows = 3 }`.
    pub fn with(mut self, lines: &str) -> Self {
        self.more += &format!("{lines}\n");
        self
    }

    fn text(&self) -> String {
        let Self { endpoint, name, params, more } = self;
        let params = params.join(", ");
        format!("\n[[walk]]\nname = \"{name}\"\nendpoint = \"{endpoint}\"\nparams = {{ {params} }}\n{more}")
    }
}

/// A crawl file with these walks, as fast as the sandbox answers.
pub fn crawl_file(walks: &[Walk]) -> String {
    let head = "pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 4 }\n\
                retry = { attempts = 3, elapsed = \"5s\" }\n";
    walks.iter().map(Walk::text).fold(String::from(head), |file, walk| file + &walk)
}

/// Crawls these walks to the end, which has this exit code; returns the room and what was printed.
pub fn crawl(sandbox: &Sandbox, walks: &[Walk], code: i32) -> (Room, String) {
    let room = Room::new(&crawl_file(walks), &sandbox.base);
    let output = room.run(&[]);
    assert_exit(&output, code);
    room.assert_sound();
    let said = printed(&output);
    (room, said)
}

/// The shipped crawl file of this name, as fast as a sandbox answers, and committed often.
pub fn shipped(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("crawls").join(name).with_extension("toml");
    let text = std::fs::read_to_string(file).expect("the crawl file is shipped");
    let changed = text.lines().map(|line| match line.split(" = ").next() {
        Some("server") => "server = \"{base}\"",
        Some("dataset") => "dataset = \"{dataset}\"\ncommit = { every = \"200ms\" }",
        Some("requests_per_second") => "requests_per_second = 1000.0",
        Some("burst") => "burst = 1000",
        Some("in_flight") => "in_flight = 8",
        _ => line,
    });
    changed.collect::<Vec<_>>().join("\n")
}

/// One walk in small pages, committed often.
pub const SMALL: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 8 }
commit = { every = "100ms" }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
"#;

/// Two walks whose union is every model the list shows, as the shipped crawls have them.
pub const TWO_WALKS: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 8 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true }

[[walk]]
name = "models_pg"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", archived = true }
"#;
