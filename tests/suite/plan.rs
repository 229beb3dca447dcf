//! A plan to be believed: within a tenth of the requests made, or a bound that holds, or a reason why nothing is known.

use std::process::Command;

use crate::support::{Room, Sandbox, assert_exit, printed, program, requests, shipped};

/// A plan's total.
#[derive(Debug)]
struct Total {
    /// `about`, `at most` or `at least`.
    bound: String,
    requests: usize,
}

fn planned(room: &Room) -> (Total, String) {
    let output = program().arg("plan").arg(room.file()).output().expect("the program runs");
    assert_exit(&output, 0);
    let plan = printed(&output);
    let line = plan.lines().find(|line| line.contains(", retries and rechecks aside")).expect("a plan has a total");
    let (bound, rest) = line.split_at(line.find(|c: char| c.is_ascii_digit()).expect("it has a number"));
    let digits = rest.split(" request").next().expect("it counts requests").replace(' ', "");
    (Total { bound: bound.trim().to_owned(), requests: digits.parse().expect("it is a number") }, plan)
}

/// Plans and crawls twice; fails unless each plan holds for the requests that the crawl then makes. Returns both plans.
fn assert_believed(name: &str, text: &str, sandbox: &Sandbox) -> [String; 2] {
    let room = Room::new(text, &sandbox.base);
    [1, 2].map(|pass| {
        let (total, plan) = planned(&room);
        let before = requests(sandbox).len();
        let output = room.run(&[]);
        assert!(matches!(output.status.code(), Some(0 | 4)), "{}", printed(&output));
        let log = requests(sandbox);
        let rechecks = rechecks(&room, pass);
        let made = log[before..].iter().filter(|request| request.status == Some(200)).count() - rechecks;
        println!("{name}, pass {pass}: {} {}, made {made} and {rechecks} rechecks", total.bound, total.requests);
        let holds = match total.bound.as_str() {
            // A suspicious end is asked for once more, and makes no page.
            "about" => made.abs_diff(total.requests) <= made / 10 + 1,
            "at most" => made <= total.requests,
            "at least" => made >= total.requests,
            other => panic!("{other}: {plan}"),
        };
        assert!(holds, "{name}, pass {pass}: {made} requests made, {total:?}\n{plan}");
        plan
    })
}

/// The requests of a pass that ask again for what a first answer lacked.
fn rechecks(room: &Room, pass: u32) -> usize {
    let asked = format!("SELECT count(*) FROM pages WHERE pass = {pass} AND walk LIKE '%/recheck/%'");
    let again = room.value(&asked).as_u64().expect("it is a number");
    usize::try_from(if pass == 1 { again } else { 0 }).expect("they fit")
}

#[test]
fn the_plan_of_every_shipped_crawl_holds() {
    let sandbox = Sandbox::start(&["--models", "100", "--images", "600", "--tags", "300", "--creators", "40"]);
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/crawls")).expect("there are crawls") {
        let name = entry.expect("it can be listed").path().file_stem().expect("it has a name").display().to_string();
        // Its sandbox is its own: see below.
        if name != "sandbox" {
            assert_believed(&name, &there(&shipped(&name), &sandbox), &sandbox);
        }
    }
}

/// The crawl file with people and versions of this sandbox: a list of nothing is asked for twice.
fn there(text: &str, sandbox: &Sandbox) -> String {
    let images = sandbox.truth("images");
    let name = images.iter().find_map(|row| row["username"].as_str()).expect("images have names");
    let galleries = sandbox.truth("gallery_images");
    let version = galleries[0]["model_version_id"].to_string();
    let text = text.replace("[\"civitai\", \"theally\"]", &format!("[\"{name}\"]"));
    text.replace("[\"128713\", \"501240\"]", &format!("[{version}]"))
        .replace("[128713, 501240]", &format!("[{version}]"))
}

/// A walk over `models` or another endpoint with these keys.
fn walk(endpoint: &str, keys: &str) -> String {
    format!("[[walk]]\nname = \"{endpoint}\"\nendpoint = \"{endpoint}\"\n{keys}\n")
}

#[test]
fn the_plans_of_filtered_crawls_hold() {
    let sandbox = Sandbox::start(&["--models", "150", "--images", "300"]);
    let truth = sandbox.truth("models");
    let name = truth.iter().find_map(|row| row["creator_username"].as_str()).unwrap_or("nobody").to_owned();
    let ids: Vec<String> = truth.iter().take(12).map(|row| row["id"].to_string()).collect();
    let ids = ids.join(", ");
    let all = "sort = \"Oldest\", nsfw = true";
    let models = walk("models", &format!("params = {{ {all}, limit = 20 }}"));
    let images = "browsingLevel = 3, withMeta = true, flatMeta = true, sort = \"Newest\"";
    let of = |more: &str| walk("models", &format!("params = {{ {all}, limit = 20, {more} }}"));
    let each = |endpoint: &str, params: &str, each: &str| {
        walk(endpoint, &format!("params = {{ {params} }}\nfor_each = {{ {each} }}"))
    };
    let cases = [
        ("types", of("types = [\"LORA\", \"VAE\"]")),
        ("base models", of("baseModels = [\"SD 1.5\"]")),
        ("username", of(&format!("username = \"{name}\""))),
        ("week", of("period = \"Week\"")),
        ("ids in the file", of(&format!("ids = [{ids}]"))),
        ("looked up", each("model", "", &format!("list = [{ids}]"))),
        ("by ids", each("models", all, &format!("list = [{ids}], param = \"ids\", batch = 5"))),
        ("images of a creator", each("images", images, &format!("list = [\"{name}\"], param = \"username\""))),
        ("split by type", walk("models", &format!("params = {{ {all} }}\nsplit = {{ by = \"types\" }}"))),
        (
            "versions of the largest",
            models.clone()
                + &each("model_version", "", "table = \"model_versions\", column = \"id\", order_by = \"id\", top = 7"),
        ),
        (
            "versions of a base model",
            models.clone()
                + &each(
                    "model_version",
                    "",
                    "table = \"model_versions\", column = \"id\", where = { base_model = [\"SD 1.5\"] }",
                ),
        ),
        (
            "users",
            models.clone()
                + &each("users", "", "table = \"models\", column = \"user_id\", param = \"ids\", batch = 10"),
        ),
        (
            "what changed",
            models + &each("model_version", "", "table = \"model_versions\", column = \"id\", only = \"changed\""),
        ),
    ];
    for (name, text) in cases {
        let text = format!("{text}\n");
        let [first, second] = assert_believed(name, &text, &sandbox);
        assert_ne!(first, second, "{name}: what a pass has seen is known");
    }
}

#[test]
fn a_plan_knows_what_the_dataset_holds_and_the_options_of_a_crawl() {
    let text =
        "server = \"https://civitai.com/api/v1\"\ndataset = \"{dataset}\"\npace = { requests_per_second = 2.0 }\n";
    let walk = walk("models", "params = { sort = \"Oldest\", nsfw = true, types = \"LORA\" }");
    let room = Room::new(&format!("{text}{walk}"), "");
    let plan = |more: &[&str]| {
        let output = Command::new(program().get_program()).arg("plan").arg(room.file()).args(more).output();
        let output = output.expect("the program runs");
        assert_exit(&output, 0);
        printed(&output)
    };
    assert!(plan(&[]).contains("at most 9 000 requests in 1 h 15 min"), "{}", plan(&[]));
    assert!(plan(&[]).contains("fewer by `types`"), "{}", plan(&[]));
    assert!(plan(&["--rate", "1"]).contains("at most 9 000 requests in 2 h 30 min"));
    assert!(plan(&[]).contains("1.0 kB for one of `models` on the sandbox"), "{}", plan(&[]));
    let sandbox = Sandbox::start(&["--models", "250", "--traps", "none"]);
    let local = plan(&["--server", &sandbox.base]);
    assert!(local.contains("at least 1 request") && local.contains("depends on the size"), "{local}");
    assert_exit(&room.run(&["--server", &sandbox.base, "--rate", "1000"]), 0);
    let pages = room.value("SELECT count(*) FROM pages").to_string();
    let known = plan(&["--server", &sandbox.base]);
    assert!(known.contains(&format!("about {pages} request")) && known.contains("as in pass 1"), "{known}");
    assert!(plan(&[]).contains("at most 9 000"), "rows of another server say nothing about this one");
}
