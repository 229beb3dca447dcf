//! `split` and `for_each`: the values they take, and the mistakes of others.

use super::{HEAD, mistakes, read};
use crate::definition::{Beginning, Each, Partitioning, Source};
use crate::table::choice::Choice;

fn walk(endpoint: &str, more: &str) -> String {
    format!("{HEAD}[[walk]]\nname = \"a\"\nendpoint = \"{endpoint}\"\n{more}\n")
}

fn each(source: Source, param: Option<&str>, batch: u32) -> Partitioning {
    Partitioning::Each(Each { source, param: param.map(str::to_owned), batch })
}

#[test]
fn walks_divide_as_they_are_written() {
    let oldest = "params = { sort = \"Oldest\" }";
    let newest = "params = { sort = \"Newest\" }";
    let column = Source::Column { table: "model_versions", column: "id", choice: Choice::default() };
    let list = Source::List(vec!["b".to_owned(), "a".to_owned()]);
    let cases = [
        (
            "models",
            format!("{oldest}\nsplit = {{ windows = 4, from = \"2022-11-01\" }}"),
            Partitioning::Windows { count: 4, from: Some(1_667_260_800_000) },
        ),
        ("models", format!("{oldest}\nsplit = {{ by = \"types\" }}"), each(Source::Types, Some("types"), 1)),
        (
            "images",
            format!(
                "{newest}\nfor_each = {{ table = \"model_versions\", column = \"id\", param = \"modelVersionId\" }}"
            ),
            each(column.clone(), Some("modelVersionId"), 1),
        ),
        (
            "model_version",
            "for_each = { table = \"model_versions\", column = \"id\" }".to_owned(),
            each(column, None, 1),
        ),
        (
            "images",
            format!("{newest}\nfor_each = {{ list = [\"b\", \"a\"], param = \"username\" }}"),
            each(list, Some("username"), 1),
        ),
        (
            "images",
            format!("{newest}\nfor_each = {{ list = [7, \"8\", 0x10], param = \"modelVersionId\" }}"),
            each(Source::List(["7", "8", "16"].map(str::to_owned).to_vec()), Some("modelVersionId"), 1),
        ),
        (
            "models",
            format!("{oldest}\nfor_each = {{ range = [1, 3000], param = \"ids\", batch = 250 }}"),
            each(Source::Range { first: 1, last: 3000 }, Some("ids"), 250),
        ),
        (
            "images",
            format!(
                "{newest}\nfor_each = {{ table = \"model_versions\", column = \"id\", only = \"changed\", param = \"modelVersionId\" }}"
            ),
            each(Source::Changed { table: "model_versions", column: "id" }, Some("modelVersionId"), 1),
        ),
        (
            "models",
            format!("{oldest}\nfor_each = {{ range = [1, \"newest\"], param = \"ids\", batch = 100 }}"),
            each(Source::Newest { first: 1 }, Some("ids"), 100),
        ),
        ("tags", String::new(), Partitioning::One),
    ];
    for (endpoint, more, expected) in cases {
        let (crawl, _) = read(&walk(endpoint, &more)).unwrap_or_else(|mistakes| unreachable!("{more}: {mistakes}"));
        assert_eq!(crawl.walks[0].partitioning, expected, "{more}");
    }
}

const OLDEST: &str = "params = { sort = \"Oldest\" }\n";
const NEWEST: &str = "params = { sort = \"Newest\" }\n";

/// An endpoint, its parameters, how the walk is divided, and what is said of that.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    (
        "models",
        NEWEST,
        "split = { windows = 4, from = \"2022-11-01\" }",
        "time windows need a list that can be entered at any instant: `models` or `images` with `sort = \"Oldest\"`, but no search, \
         and no images of one `postId`, `imageId` or `modelId`, or with `requiringMeta`.",
    ),
    ("images", NEWEST, "split = { by = \"types\" }", "`images` has no parameter `types`. Did you mean `type`?"),
    ("models", OLDEST, "split = { by = \"months\" }", "`split.by` is `months`; it takes `types`."),
    (
        "models",
        OLDEST,
        "split = { windows = 4 }",
        "`split` takes `{ by = \"types\" }`, or `{ windows = 4, from = \"2022-11-01\" }`.",
    ),
    (
        "models",
        OLDEST,
        "split = { windows = 4, from = \"soon\" }",
        "`split.from` is `soon`; it takes a date such as `2022-11-01`.",
    ),
    (
        "models",
        OLDEST,
        "split = { windows = 4, form = \"2022-11-01\", from = \"2022-11-01\" }",
        "there is no key `form` in `[split]`. Did you mean `from`?",
    ),
    ("model", "", "", "`model` looks up one thing at a time; say which with `for_each`."),
    (
        "model",
        "",
        "for_each = { range = [1, 9], param = \"id\" }",
        "`model` takes its values in the path; leave `param` out.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { range = [1, 9] }",
        "`for_each` needs `param`: the parameter that carries its values.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { range = [1, 9], param = \"idz\" }",
        "`models` has no parameter `idz`. Did you mean `ids`?",
    ),
    (
        "creators",
        "",
        "for_each = { list = [7], param = \"modelVersionId\" }",
        "`creators` has no parameter `modelVersionId`. `civitrawl schema --params creators` lists those it has.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { range = [9, 1], param = \"ids\" }",
        "`for_each.range` is `[9, 1]`; it takes `[first, last]`, or `[first, \"newest\"]`, with numbers from 1 to 2147483647.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { range = [0, 9], param = \"ids\" }",
        "`for_each.range` is `[0, 9]`; it takes `[first, last]`, or `[first, \"newest\"]`, with numbers from 1 to 2147483647.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { range = [-5, -1], param = \"ids\" }",
        "`for_each.range` is `[-5, -1]`; it takes `[first, last]`, or `[first, \"newest\"]`, with numbers from 1 to 2147483647.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { range = [1, 2147483648], param = \"ids\" }",
        "`for_each.range` is `[1, 2147483648]`; it takes `[first, last]`, or `[first, \"newest\"]`, with numbers from 1 to 2147483647.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { range = [1, 100000000000], param = \"ids\" }",
        "`for_each.range` is `[1, 100000000000]`; it takes `[first, last]`, or `[first, \"newest\"]`, with numbers from 1 to 2147483647.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { range = [-9223372036854775808, 9223372036854775807], param = \"ids\" }",
        "`for_each.range` is `[-9223372036854775808, 9223372036854775807]`; it takes `[first, last]`, or `[first, \"newest\"]`, with numbers from 1 to 2147483647.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { range = [0, \"newest\"], param = \"ids\" }",
        "`for_each.range` is `[0, \"newest\"]`; it takes `[first, last]`, or `[first, \"newest\"]`, with numbers from 1 to 2147483647.",
    ),
    (
        "images",
        NEWEST,
        "for_each = { range = [1, \"newest\"], param = \"modelVersionId\" }",
        "`newest` is known of models asked for by `ids` only; write a number.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { param = \"ids\" }",
        "`for_each` takes its values from `table` and `column`, from a `list`, or from a `range`.",
    ),
    (
        "models",
        OLDEST,
        "for_each = { list = [\"Oldest\"], param = \"sort\" }",
        "`sort` is set in `params` too; let `for_each` set it alone.",
    ),
    (
        "images",
        NEWEST,
        "for_each = { table = \"model_version\", column = \"id\", param = \"modelVersionId\" }",
        "there is no table `model_version`. Did you mean `model_versions`?",
    ),
    (
        "images",
        NEWEST,
        "for_each = { table = \"model_versions\", column = \"ids\", param = \"modelVersionId\" }",
        "table `model_versions` has no column `ids`. Did you mean `id`?",
    ),
    (
        "images",
        NEWEST,
        "for_each = { table = \"models\", column = \"id\", only = \"new\", param = \"modelId\" }",
        "`for_each.only` is `new`; it takes `changed`.",
    ),
    (
        "images",
        NEWEST,
        "for_each = { list = [\"a\"], only = \"changed\", param = \"username\" }",
        "`for_each.only` goes with `table` and `column`: only rows change.",
    ),
    (
        "models",
        OLDEST,
        "split = { by = \"types\" }\nfor_each = { range = [1, 9], param = \"ids\" }",
        "a walk has either `split` or `for_each`, not both; write two walks.",
    ),
];

/// The mistakes of `from`, `incremental` and `confirm_gone` at walks without support for them.
const NOT_LATER: &[(&str, &str, &str)] = &[
    ("models", "params = { sort = \"Newest\" }\nincremental = { overlap = \"3d\" }", ENTERED),
    ("tags", "incremental = { overlap = \"3d\" }", ENTERED),
    (
        "models",
        "params = { sort = \"Oldest\" }\nsplit = { by = \"types\" }\nincremental = { overlap = \"3d\" }",
        ENTERED,
    ),
    (
        "models",
        "params = { sort = \"Oldest\" }\nincremental = { overlap = \"soon\" }",
        "`incremental.overlap` is `\"soon\"`; it takes a duration from 1s to 8760h, such as `\"90s\"` or `\"1h 30m\"`.",
    ),
    (
        "models",
        "params = { sort = \"Oldest\" }\nincremental = {}",
        "`incremental` needs `overlap`: how far behind the last pass's end to begin, such as `\"3d\"`.",
    ),
    (
        "models",
        "params = { sort = \"Oldest\" }\nincremental = { overlap = \"3d\", lap = 1 }",
        "there is no key `lap` in `[incremental]`. Known are `overlap`.",
    ),
    ("models", "params = { sort = \"Newest\" }\nfrom = \"2026-11-01\"", ENTERED),
    ("models", "params = { sort = \"Oldest\", query = \"cat\" }\nfrom = \"2026-11-01\"", ENTERED),
    ("images", "params = { sort = \"Oldest\", postId = 7 }\nfrom = \"2026-11-01\"", ENTERED),
    ("creators", "from = \"now - 30d\"", ENTERED),
    (
        "models",
        "params = { sort = \"Oldest\" }\nfor_each = { list = [\"1\"], param = \"ids\" }\nfrom = \"now - 30d\"",
        ENTERED,
    ),
    ("models", "params = { sort = \"Oldest\" }\nfrom = \"soon\"", FORM),
    ("models", "params = { sort = \"Oldest\" }\nfrom = 2026-11-01", FORM),
    ("models", "params = { sort = \"Oldest\" }\nfrom = \"2026-11-01T12:00:00\"", FORM),
    ("models", "params = { sort = \"Oldest\" }\nfrom = \"now + 1d\"", FORM),
    (
        "models",
        "params = { sort = \"Oldest\" }\nsplit = { windows = 4, from = \"2026-11-02\" }\nfrom = \"2026-11-01\"",
        "`split.from` is later than `from`, where the walk begins; leave `split.from` out.",
    ),
    (
        "models",
        "params = { sort = \"Oldest\" }\nfrom = \"2026-11-01\"\nconfirm_gone = true",
        "`confirm_gone` looks up what a whole list no longer shows, and a walk with `from` reads only a part; leave one of them out.",
    ),
    ("tags", "confirm_gone = true", "`confirm_gone` looks up models, and this walk is over `tags`; leave it out."),
    ("models", "params = { sort = \"Oldest\" }\nincremental = true", "`incremental` is `true`; it takes a table."),
];

const ENTERED: &str = " needs a list that can be entered at any instant: `models` or `images` with `sort = \"Oldest\"`, but no search, \
     and no images of one `postId`, `imageId` or `modelId`, or with `requiringMeta`; in one piece or in time windows.";
const FORM: &str =
    "it takes a date in quotes, such as `\"2026-11-01\"`, or a time before now, such as `\"now - 30d\"`.";

#[test]
fn what_later_passes_cannot_do_is_refused() {
    for (endpoint, more, expected) in NOT_LATER {
        let said = mistakes(&walk(endpoint, more));
        assert!(said.ends_with(expected) && said.lines().count() == 1, "{more}:\n{said}");
    }
    let text = walk("models", "params = { sort = \"Oldest\" }\nincremental = { overlap = \"1d 12h\" }");
    let (crawl, _) = read(&text).unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
    assert_eq!(crawl.walks[0].later.incremental, Some(std::time::Duration::from_secs(129_600)));
    let text = walk("models", "params = { sort = \"Oldest\" }\nfrom = \"2026-11-01\"\nsplit = { windows = 8 }");
    let (crawl, _) = read(&text).unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
    assert_eq!(crawl.walks[0].later.from, Some(Beginning::Date(1_793_491_200_000)));
    assert_eq!(crawl.walks[0].partitioning, Partitioning::Windows { count: 8, from: None });
}

#[test]
fn what_cannot_be_walked_so_is_refused() {
    for (endpoint, params, more, expected) in REFUSED {
        let said = mistakes(&walk(endpoint, &format!("{params}{more}")));
        assert!(said.ends_with(expected) && said.lines().count() == 1, "{more}:\n{said}");
    }
}
