//! Fan-outs over the values of a column: which rows count, in which order the values are asked for, and that a walk that is
//! resumed asks for each of the same ones once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

#[cfg(target_os = "linux")]
use crate::support::read;
use crate::support::{Room, Server, assert_exit, printed, program};

const HEAD: &str = "pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 1 }\nretry = { attempts = 1 }\n";
/// The page that lists all images. Nothing is listed of what is asked for by a value.
const IMAGES: &str =
    "[[walk]]\nname = \"images\"\nendpoint = \"images\"\nparams = { sort = \"Newest\", period = \"AllTime\" }\n";

/// A server with these images, all on one page.
fn serving(images: &[Value]) -> Server {
    let page = json!({ "items": images, "metadata": {} }).to_string();
    Server::of_json(move |target| {
        let is_list = target.starts_with("images?") && !target.contains("username=");
        Some(if is_list { page.clone() } else { String::from("{\"items\":[],\"metadata\":{}}") })
    })
}

/// Returns the values of a parameter in the order in which a server was asked for them, of requests that say this too.
fn asked(server: &Server, param: &str, also: &str) -> Vec<String> {
    let requests = server.requests();
    let pairs = |target: &str| -> Vec<(String, String)> {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    };
    let of_interest = requests.iter().filter(|request| format!("{}&", request.target).contains(also));
    let values = of_interest.flat_map(|request| pairs(&request.target)).filter(|(name, _)| name == param);
    values.map(|(_, value)| value).collect()
}

/// Images with ties, gaps and nulls in every column that is compared.
fn uneven() -> Vec<Value> {
    let words = ["SD 1.5", "SDXL 1.0", "", "Pony"];
    (1..=180_u64)
        .map(|id| {
            let mixed = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            let (day, hour) = (1 + mixed % 28, mixed % 24);
            json!({
                "id": id,
                "postId": if mixed % 11 == 0 { Value::Null } else { json!(1000 - mixed % 60) },
                "browsingLevel": 1 << (mixed % 5),
                "nsfw": mixed % 3 == 0,
                "baseModel": if mixed % 7 == 0 { Value::Null } else { json!(words[(mixed % 4) as usize]) },
                "createdAt": format!("2026-{:02}-{day:02}T{hour:02}:00:00.000Z", 9 + mixed % 3),
                "stats": { "likeCount": if mixed % 13 == 0 { Value::Null } else { json!(mixed % 17) } },
            })
        })
        .collect()
}

/// Choices, and what DuckDB makes of the same.
const CHOICES: &[(&str, &str)] = &[
    ("", ""),
    ("where = { nsfw_level = 4 }", "WHERE nsfw_level = 4"),
    ("where = { nsfw_level = [1, 16, 16] }", "WHERE nsfw_level IN (1, 16)"),
    ("where = { like_count = { min = 5, max = 9 } }", "WHERE like_count BETWEEN 5 AND 9"),
    ("where = { like_count = { max = 2 } }", "WHERE like_count <= 2"),
    ("where = { base_model = \"SD 1.5\", nsfw = true }", "WHERE base_model = 'SD 1.5' AND nsfw"),
    ("where = { base_model = [\"\", \"Pony\"], nsfw = false }", "WHERE base_model IN ('', 'Pony') AND NOT nsfw"),
    ("where = { base_model = { min = \"Q\" } }", "WHERE base_model >= 'Q'"),
    ("where = { created_at = \"2026-10-07\" }", "WHERE created_at::DATE = '2026-10-07'"),
    (
        "where = { created_at = { min = \"2026-10-20\", max = \"2026-11-04\" } }",
        "WHERE created_at::DATE BETWEEN '2026-10-20' AND '2026-11-04'",
    ),
    ("where = { created_at = { min = \"2026-10-20T12:00:00Z\" } }", "WHERE created_at >= '2026-10-20 12:00:00+00'"),
    ("where = { id = { min = 9000 } }", "WHERE id >= 9000"),
    (
        "order_by = \"like_count\", top = 7",
        "WHERE like_count IS NOT NULL ORDER BY max(like_count) DESC, post_id LIMIT 7",
    ),
    ("order_by = \"created_at\", top = 1", "ORDER BY max(created_at) DESC, post_id LIMIT 1"),
    (
        "order_by = \"like_count\", top = 20, where = { nsfw = true }",
        "WHERE nsfw AND like_count IS NOT NULL ORDER BY max(like_count) DESC, post_id LIMIT 20",
    ),
    ("order_by = \"like_count\", top = 5000", "WHERE like_count IS NOT NULL"),
];

#[test]
fn the_rows_that_count_are_those_a_database_finds() {
    let server = serving(&uneven());
    let mut text = format!("{HEAD}{IMAGES}");
    for (number, (choice, _)) in CHOICES.iter().enumerate() {
        let comma = if choice.is_empty() { "" } else { ", " };
        // The page size tells the walks apart.
        text += &format!(
            "[[walk]]\nname = \"walk_{number}\"\nendpoint = \"models\"\nparams = {{ sort = \"Newest\", limit = {} }}\n\
             for_each = {{ table = \"images\", column = \"post_id\", param = \"ids\"{comma}{choice} }}\n",
            number + 1
        );
    }
    let room = Room::new(&text, &server.base);
    assert_exit(&room.run(&[]), 0);
    room.assert_sound();
    let mut sql = String::from("SELECT * FROM VALUES (0, NULL)");
    for (number, (_, rows)) in CHOICES.iter().enumerate() {
        let (rows, rest) =
            rows.split_once("ORDER").map_or((*rows, String::new()), |(rows, rest)| (rows, format!("ORDER{rest}")));
        let joined = if rows.is_empty() { "WHERE" } else { "AND" };
        sql += &format!(
            " UNION ALL SELECT {number}, list(post_id ORDER BY post_id) FROM (SELECT post_id FROM images {rows} {joined} \
             post_id IS NOT NULL GROUP BY post_id {rest})"
        );
    }
    let wanted = room.rows(&sql.replace("SELECT * FROM VALUES (0, NULL) UNION ALL ", ""));
    let mut sizes = BTreeSet::new();
    for (number, (choice, _)) in CHOICES.iter().enumerate() {
        let wanted = wanted.iter().find(|row| row[0] == number).expect("each choice has a row");
        let wanted: Vec<String> = wanted[1].as_array().into_iter().flatten().map(Value::to_string).collect();
        assert_eq!(asked(&server, "ids", &format!("limit={}&", number + 1)), wanted, "{choice}");
        sizes.insert(wanted.len());
    }
    assert!(sizes.len() > 8 && sizes.contains(&0), "the choices differ: {sizes:?}");
}

#[test]
fn the_posts_of_chosen_versions_can_be_asked_for() {
    let server = Server::of_json(|target| {
        if target.starts_with("posts/") {
            return None;
        }
        let image = |id: u32, post: u32| json!({ "id": id, "postId": post, "modelVersionIds": [] });
        let images = match target.split(['?', '&']).find_map(|pair| pair.strip_prefix("modelVersionId="))? {
            "5" => vec![image(1, 71), image(2, 72), image(3, 71)],
            "6" => vec![image(3, 71), image(4, 73)],
            _ => vec![image(5, 74)],
        };
        Some(json!({ "items": images, "metadata": {} }).to_string())
    });
    let each = "for_each = { list = [\"5\", \"6\", \"7\"], param = \"modelVersionId\" }\n";
    let posts = "[[walk]]\nname = \"posts\"\nendpoint = \"post\"\n\
                 for_each = { table = \"gallery_images\", column = \"post_id\", where = { model_version_id = [5, 6] } }\n";
    let room = Room::new(&format!("{HEAD}{IMAGES}{each}{posts}"), &server.base);
    assert_exit(&room.run(&[]), 0);
    room.assert_sound();
    let asked =
        server.requests().into_iter().filter_map(|request| Some(request.target.rsplit_once("posts/")?.1.to_owned()));
    assert_eq!(asked.collect::<Vec<_>>(), ["71", "72", "73"]);
    let members = "SELECT * EXCLUDE (pass, walk, page, fetched_at) FROM gallery_images ORDER BY ALL";
    assert_eq!(
        room.rows(members),
        [[1, 5, 71], [2, 5, 72], [3, 5, 71], [3, 6, 71], [4, 6, 73], [5, 7, 74]].map(|row| json!(row))
    );
}

#[cfg(target_os = "linux")]
#[test]
fn many_values_need_little_memory_and_each_is_asked_for_once() {
    // Two windows of the values that are held at once.
    read("../../scripts/values", &["600000", "--binary", env!("CARGO_BIN_EXE_civitrawl")]);
}

/// Mistakes in the keys of a choice, and what is said of them.
const MISTAKES: &[(&str, &str)] = &[
    ("where = { nsfw_levle = 4 }", "table `images` has no column `nsfw_levle`. Did you mean `nsfw_level`?"),
    ("where = { nsfw_level = \"4\" }", "`where.nsfw_level` is `\"4\"`; it takes a whole number, a list of such, or"),
    ("where = { nsfw_level = [] }", "`where.nsfw_level` is `[]`; it takes a whole number"),
    ("where = { nsfw_level = [4, 4.5] }", "`where.nsfw_level` is `[4, 4.5]`; it takes a whole number"),
    ("where = { nsfw_level = { min = 9, max = 2 } }", "`{ min = 9, max = 2 }`; it takes a whole number"),
    ("where = { nsfw_level = { least = 9 } }", "`{ least = 9 }`; it takes a whole number"),
    ("where = { nsfw = 1 }", "`where.nsfw` is `1`; it takes `true` or `false`"),
    ("where = { base_model = 1 }", "`where.base_model` is `1`; it takes text in quotes"),
    ("where = { created_at = \"soon\" }", "`where.created_at` is `\"soon\"`; it takes a date such as `\"2026-11-01\"`"),
    ("where = \"nsfw_level = 4\"", "`for_each.where` is `\"nsfw_level = 4\"`; it takes a table."),
    ("top = 9", "`order_by` and `top` go together"),
    ("order_by = \"like_count\"", "`order_by` and `top` go together"),
    ("order_by = \"likes\", top = 9", "table `images` has no column `likes`."),
    (
        "order_by = \"username\", top = 9",
        "`images.username` holds texts; `order_by` takes a column of numbers or times.",
    ),
    ("order_by = \"like_count\", top = 0", "`for_each.top` is `0`; it takes a whole number from 1 to 100000."),
    ("only = \"changed\", top = 9, order_by = \"like_count\"", "`for_each.only` takes all rows that changed"),
];

#[test]
fn a_choice_that_makes_no_sense_is_explained() {
    for (choice, said) in MISTAKES {
        let each = format!("for_each = {{ table = \"images\", column = \"post_id\", {choice} }}\n");
        refuses(&each, said);
    }
    refuses(
        "for_each = { list = [\"7\"], where = { nsfw = true } }\n",
        "`where`, `order_by` and `top` go with `table` and `column`",
    );
    refuses(
        "for_each = { table = \"images\", column = \"created_at\" }\n",
        "`images.created_at` holds times; `for_each` takes a column of whole numbers or texts.",
    );
}

fn refuses(each: &str, said: &str) {
    let room = Room::new(
        &format!("[[walk]]\nname = \"w\"\nendpoint = \"model_version\"\n{each}"),
        "http://127.0.0.1:9/api/v1",
    );
    let output = room.run(&[]);
    assert_exit(&output, 2);
    assert!(printed(&output).contains(said), "{each}\n{said}\n{}", printed(&output));
}

#[test]
fn a_plan_says_which_rows_count() {
    let each = "for_each = { table = \"images\", column = \"post_id\", where = { nsfw_level = [4, 1] }, order_by = \"like_count\", top = 5 }\n";
    let room = Room::new(
        &format!("[[walk]]\nname = \"w\"\nendpoint = \"model_version\"\n{each}"),
        "http://127.0.0.1:9/api/v1",
    );
    let output = program().arg("plan").arg(room.file()).output().expect("the program runs");
    assert_exit(&output, 0);
    let wanted = "for each the 5 largest by like_count of images.post_id where nsfw_level = 1, 4";
    assert!(printed(&output).contains(wanted), "{}", printed(&output));
}

#[test]
fn a_pass_keeps_the_choice_that_it_began_with() {
    let server = serving(&uneven());
    let text = |choice: &str| {
        let each = format!("for_each = {{ table = \"images\", column = \"post_id\", param = \"ids\", {choice} }}\n");
        format!(
            "{HEAD}{IMAGES}[[walk]]\nname = \"theirs\"\nendpoint = \"models\"\nparams = {{ sort = \"Newest\" }}\n{each}"
        )
    };
    let room = Room::new(&text("where = { nsfw_level = [4, 1] }, order_by = \"like_count\", top = 5"), &server.base);
    assert_exit(&room.run(&["--max-pages", "3"]), 3);
    let file = std::fs::read_to_string(room.file()).unwrap();
    for (was, is, said) in [
        ("[4, 1]", "[1, 2]", "where `nsfw_level` was `1, 4`, is `1, 2`"),
        ("top = 5", "top = 6", "`top` was `5`, is `6`"),
        ("like_count", "heart_count", "`order_by` was `like_count`, is `heart_count`"),
    ] {
        std::fs::write(room.file(), file.replace(was, is)).unwrap();
        let output = room.run(&[]);
        assert_exit(&output, 2);
        assert!(printed(&output).contains(said), "{}", printed(&output));
    }
    // The same in other words.
    std::fs::write(room.file(), file.replace("[4, 1]", "[1, 4, 4]")).unwrap();
    assert_exit(&room.run(&[]), 0);
    assert_eq!(asked(&server, "ids", "").len(), 5);
}

/// A fan-out over the names of those who posted images.
fn by_name() -> String {
    format!(
        "{HEAD}{IMAGES}[[walk]]\nname = \"theirs\"\nendpoint = \"images\"\nparams = {{ sort = \"Newest\", period = \"AllTime\" }}\n\
         for_each = {{ table = \"images\", column = \"username\", param = \"username\" }}\n"
    )
}

#[test]
fn names_that_look_like_numbers_or_ranges_are_not_skipped_by_a_run_that_continues() {
    let names = ["10", "9", "100", "007", "a..b", "a0", "b", "3..7", "30", "-1", "9_", "b..a"];
    let images = (1_i64..).zip(names).map(|(id, name)| json!({ "id": id, "username": name }));
    let server = serving(&images.collect::<Vec<_>>());
    let room = Room::new(&by_name(), &server.base);
    // A page a run, so that every value is once the last one done.
    for _ in names {
        assert_exit(&room.run(&["--max-pages", "1"]), 3);
    }
    assert_exit(&room.run(&[]), 0);
    let mut sorted = names.map(String::from);
    sorted.sort();
    assert_eq!(asked(&server, "username", ""), sorted);
}

#[test]
fn rows_that_come_during_a_walk_bring_it_no_values() {
    // Each answer names two more posts: a walk over all of them would have no end.
    let server = Server::of_json(|target| {
        let value = target.split(['?', '&']).find_map(|pair| pair.strip_prefix("userId="));
        let post = value.map_or(0, |value| value.parse::<i64>().expect("a number"));
        let images = [1, 3].map(|last| json!({ "id": 10 * post + last, "postId": 10 * post + last }));
        Some(json!({ "items": images, "metadata": {} }).to_string())
    });
    let each = "for_each = { table = \"images\", column = \"post_id\", param = \"userId\" }\n";
    let room =
        Room::new(&format!("{HEAD}{IMAGES}{}{each}", IMAGES.replace("\"images\"\ne", "\"theirs\"\ne")), &server.base);
    for _ in 0..2 {
        assert_exit(&room.run(&["--max-pages", "1"]), 3);
    }
    assert_exit(&room.run(&[]), 0);
    assert_eq!(asked(&server, "userId", ""), ["1", "3"]);
    assert_exit(&room.run(&[]), 0);
    assert_eq!(asked(&server, "userId", "")[2..], ["1", "3", "11", "13", "31", "33"], "the next pass asks for them");
}

#[test]
fn values_that_fit_into_no_address_are_named_once() {
    let long = "x".repeat(5000);
    let images = ["a", &long, &long, "z"].into_iter().enumerate();
    let images: Vec<Value> = images.map(|(id, name)| json!({ "id": id + 1, "username": name })).collect();
    let server = serving(&images);
    let room = Room::new(&by_name(), &server.base);
    assert_exit(&room.run(&["--max-pages", "2"]), 3);
    let output = room.run(&[]);
    assert_exit(&output, 4);
    let said = printed(&output);
    assert_eq!(said.matches("1 value of `images.username` is longer than 4096 bytes").count(), 1, "{said}");
    assert_eq!(asked(&server, "username", ""), ["a", "z"]);
}
