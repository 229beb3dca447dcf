//! A nightly crawl of a small server with alerts: killed, full, locked, moved. Each is seen by `status --json` or the metrics, and
//! put right by what the program says.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Sandbox, assert_exit, assert_sound, printed, program};

/// The room of the operator: a crawl file, its dataset `data/nightly` beside it, and a file of metrics.
struct Site {
    room: TempDir,
}

impl Site {
    fn new(sandbox: &Sandbox) -> Self {
        let walk = "[[walk]]\nname = \"models\"\nendpoint = \"models\"\nincremental = { overlap = \"3d\" }\n\
            params = { sort = \"Oldest\", period = \"AllTime\", nsfw = true, archived = true, limit = 10 }\n";
        let head =
            format!("server = \"{}\"\ndataset = \"data/nightly\"\nsnapshot = {{ prune = true }}\n", sandbox.base);
        let pace =
            "pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 2 }\ncommit = { every = \"100ms\" }\n";
        let room = TempDir::new().expect("there is room");
        fs::write(room.path().join("nightly.toml"), [&head, pace, walk].concat()).expect("it can be written");
        Self { room }
    }

    fn dataset(&self) -> PathBuf {
        self.room.path().join("data/nightly")
    }

    /// The line of the crontab.
    fn night(&self, more: &[&str]) -> Command {
        let mut command = program();
        command.args(["crawl", "nightly.toml", "--metrics-file", "nightly.prom"]).args(more);
        command.current_dir(self.room.path());
        command
    }

    fn run(&self, more: &[&str]) -> Output {
        self.night(more).output().expect("the program runs")
    }

    fn start(&self) -> Child {
        self.night(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    }

    fn status(&self, more: &[&str]) -> Output {
        program().arg("status").arg(self.dataset()).args(more).output().expect("the program runs")
    }

    /// The object of `status --json`; null where there is none.
    fn standing(&self) -> Value {
        serde_json::from_slice(&self.status(&["--json"]).stdout).unwrap_or_default()
    }

    /// Returns once a process has made a commit beyond this one.
    fn until_beyond(&self, commit: &Value) {
        while self.standing()["commit"] == *commit || self.standing()["locked"] != true {
            sleep(Duration::from_millis(10));
        }
    }

    fn metric(&self, name: &str) -> f64 {
        let text = fs::read_to_string(self.room.path().join("nightly.prom")).expect("it is written");
        let line = text.lines().find(|line| line.starts_with(&format!("civitrawl_{name}{{")));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
    }

    /// The alert of the README.
    fn alerts(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs_f64();
        now - self.metric("last_complete_timestamp_seconds") > 2.0 * 86_400.0
    }
}

#[test]
fn each_trouble_of_a_night_is_seen_and_put_right_by_what_is_said() {
    let sandbox = Sandbox::start(&["--models", "300", "--latency", "40"]);
    let site = Site::new(&sandbox);
    let first = site.run(&["--max-pages", "2"]);
    assert_exit(&first, 3);
    assert!(site.alerts(), "no pass is complete yet");

    // Killed.
    let mut crawl = site.start();
    site.until_beyond(&site.standing()["commit"]);
    // Locked: a second one, begun by hand.
    let second = site.run(&[]);
    assert_exit(&second, 75);
    let holder = format!("process {}", crawl.id());
    assert!(printed(&second).contains(&holder), "{}", printed(&second));
    assert_eq!(site.standing()["holder"]["pid"], crawl.id());
    assert_eq!(site.standing()["run"]["state"], "running");
    crawl.kill().expect("it can be killed");
    crawl.wait().expect("it has ended");
    let killed = site.standing();
    assert_eq!(
        (&killed["run"]["state"], &killed["locked"], &killed["state"]),
        (&json!("killed"), &json!(false), &json!("unfinished"))
    );
    let said = printed(&site.status(&[]));
    assert!(said.contains("the last run was killed, or failed: run it again"), "{said}");

    // Full, or nearly.
    let full = site.run(&["--min-free", "1000TB"]);
    assert_exit(&full, 74);
    assert!(printed(&full).contains("free some space and run it again"), "{}", printed(&full));
    let standing = site.standing();
    assert_eq!(standing["run"]["state"], "stopped");
    assert!(standing["run"]["reason"].as_str().is_some_and(|reason| reason.contains("--min-free")), "{standing}");
    assert_eq!((site.metric("running"), site.metric("complete")), (0.0, 0.0));
    assert_eq!(site.metric("free_bytes").is_normal(), standing["free_bytes"].as_u64() > Some(0));

    // Run again, as was said.
    let night = site.run(&[]);
    assert_exit(&night, 0);
    assert!(printed(&night).contains("pass 1 of `nightly` is complete"), "{}", printed(&night));
    assert!(!site.alerts() && site.metric("complete") == 1.0);

    // Moved: the status knows, and a crawl that begins anew there is seen by the alert.
    let away = site.room.path().join("away");
    fs::rename(site.dataset(), &away).expect("it can be moved");
    let status = site.status(&["--json"]);
    assert_exit(&status, 2);
    assert!(printed(&status).contains("there is no dataset at"), "{}", printed(&status));
    let anew = site.run(&["--max-pages", "1"]);
    assert_exit(&anew, 3);
    assert!(printed(&anew).contains("pass 1 of `nightly` is unfinished"), "{}", printed(&anew));
    assert!(site.alerts(), "{anew:?}");
    fs::remove_dir_all(site.dataset()).expect("it can be removed");
    fs::rename(&away, site.dataset()).expect("it can be moved back");
    let back = site.run(&[]);
    assert_exit(&back, 0);
    assert!(printed(&back).contains("pass 2 of `nightly` is complete"), "{}", printed(&back));
    assert!(!site.alerts());
    assert_sound(&site.dataset());
}
