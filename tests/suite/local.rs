//! `civitrawl get hash --files`: every model file is looked up or named, and each answer says which files it is of.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::{Request, Server, answer, assert_exit, printed, program};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A server that knows these files by these hashes, each as a version whose id is its place in the list, from 1.
fn server(hashes: &[String]) -> Server {
    let hashes = hashes.to_vec();
    Server::answering(move |Request { target, .. }| {
        let version = |place: usize| answer("200 OK", "", &json!({ "id": place + 1 }).to_string());
        let last = target.rsplit('/').next().unwrap_or_default();
        let found = match target {
            target if target.ends_with("/by-hash/ids") => {
                let owner = |(place, hash): (usize, &String)| json!({ "modelVersionId": place + 1, "hash": hash });
                // It lists all it has: the hashes asked for are among them.
                let owners: Vec<Value> = hashes.iter().enumerate().map(owner).collect();
                return answer("200 OK", "", &json!(owners).to_string());
            }
            target if target.contains("/by-hash/") => hashes.iter().position(|hash| hash == last),
            _ => last.parse().ok().map(|id: usize| id - 1),
        };
        found.map_or_else(|| answer("404 Not Found", "", "{\"error\":\"Model not found\"}"), version)
    })
}

fn get(server: &Server, folder: &Path) -> Output {
    let mut command = program();
    command.args(["get", "hash", "--server", &server.base, "--rate", "1000", "--files"]).arg(folder);
    command.output().expect("the program runs")
}

/// Returns the versions found, each with the names of the files they were found for.
fn found(output: &Output) -> Vec<(i64, Vec<String>)> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let name = |path: &Value| path.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let names = |item: &Value| item["local_files"].as_array().unwrap().iter().map(name).collect();
    lines.map(|item| (item["id"].as_i64().unwrap(), names(&item))).collect()
}

#[test]
fn each_version_found_names_its_files_and_their_copies() {
    let folder = TempDir::new().unwrap();
    for (name, content) in
        [("renamed.pt", "k"), ("copy.pt", "k"), ("other.pt", "o"), ("unknown.pt", "u"), ("empty.pt", "")]
    {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let server = server(&[sha256(b"k"), sha256(b"o")]);
    let output = get(&server, folder.path());
    assert_exit(&output, 4);
    let both = vec!["copy.pt".to_owned(), "renamed.pt".to_owned()];
    assert_eq!(found(&output), [(1, both), (2, vec!["other.pt".to_owned()])]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("unknown.pt (AutoV2 ") && said.contains("empty.pt is not looked up: it is empty"), "{said}");
}

#[test]
fn an_edited_header_does_not_hide_a_file() {
    let folder = TempDir::new().unwrap();
    for (name, header) in [("edited.safetensors", "{\"a\":{}}"), ("again.safetensors", "{\"b\":{}}")] {
        let length = (header.len() as u64).to_le_bytes();
        fs::write(folder.path().join(name), [&length[..], header.as_bytes(), b"tensors"].concat()).unwrap();
    }
    let server = server(&[sha256(b"tensors")[..12].to_owned()]);
    let output = get(&server, folder.path());
    assert_exit(&output, 4);
    let [(1, names)] = &found(&output)[..] else { panic!("{}", printed(&output)) };
    assert_eq!(names.len(), 2);
    assert!(printed(&output).contains("its header was edited"), "{}", printed(&output));
}

#[cfg(unix)]
#[test]
fn linked_folders_are_looked_into_and_lost_ones_are_named() {
    use std::os::unix::fs::symlink;
    let folder = TempDir::new().unwrap();
    let (models, disk) = (folder.path().join("models"), folder.path().join("disk"));
    fs::create_dir(&models).unwrap();
    fs::create_dir(&disk).unwrap();
    fs::write(disk.join("b.pt"), "b").unwrap();
    symlink(&disk, models.join("loras")).unwrap();
    symlink(&models, disk.join("loop")).unwrap();
    let server = server(&[sha256(b"b")]);
    let output = get(&server, &models);
    assert_exit(&output, 0);
    assert_eq!(found(&output), [(1, vec!["b.pt".to_owned()])]);
    symlink(folder.path().join("unplugged"), models.join("second disk")).unwrap();
    let output = get(&server, &models);
    assert_exit(&output, 4);
    assert_eq!(found(&output).len(), 1);
    assert!(printed(&output).contains("second disk is not looked up: "), "{}", printed(&output));
}

#[test]
fn keys_are_taken_as_they_are_pasted() {
    let hash = sha256(b"x");
    let server = server(std::slice::from_ref(&hash));
    let run = |words: &[&str]| {
        program().arg("get").args(words).args(["--server", &server.base, "--rate", "1000"]).output().unwrap()
    };
    for words in [
        ["hash", &format!("0x{}", hash.to_lowercase())],
        ["hash", &format!(" {hash}\n")],
        ["version", "9@1"],
        ["version", "https://civitai.com/models/9/a-name-v5?modelVersionId=1"],
        ["version", "https://civitai.red/api/download/models/1?type=Model"],
    ] {
        let output = run(&words);
        assert_exit(&output, 0);
        assert_eq!(output.stdout, b"{\"id\":1}\n", "{words:?}");
    }
    let before = server.requests().len();
    for word in ["https://civitai.com/models/1/v5", "https://example.com/models/9?modelVersionId=1"] {
        let output = run(&["version", word]);
        assert_exit(&output, 2);
        assert!(printed(&output).contains(word), "{}", printed(&output));
    }
    assert_eq!(server.requests().len(), before);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_named_and_not_waited_for() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("b.pt"), "b").unwrap();
    let status = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.safetensors")).status().unwrap();
    assert!(status.success());
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero.gguf")).unwrap();
    let server = server(&[sha256(b"b")]);
    let output = get(&server, folder.path());
    assert_exit(&output, 4);
    assert_eq!(found(&output), [(1, vec!["b.pt".to_owned()])]);
    let said = printed(&output);
    for name in ["pipe.safetensors", "zero.gguf"] {
        assert!(said.contains(&format!("{name} is not looked up: it is no regular file")), "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn hashing_ends_when_it_is_asked_to() {
    use std::time::{Duration, Instant};
    let folder = TempDir::new().unwrap();
    // Hashing it would take hours.
    let path = folder.path().join("huge.safetensors");
    fs::File::create(&path).unwrap().set_len(4 << 40).unwrap();
    let server = server(&[]);
    let mut command = program();
    command.args(["get", "hash", "--server", &server.base, "--files"]).arg(folder.path());
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    let is_open = || {
        let handles = fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten().flatten();
        handles.filter_map(|handle| fs::read_link(handle.path()).ok()).any(|target| target == path)
    };
    while !is_open() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    crate::support::terminate(&child);
    let asked = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}
