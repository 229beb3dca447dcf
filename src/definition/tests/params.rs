//! The parameters of walks through the whole parser: what is sent, what is refused, what is warned of.

use super::{HEAD, Place, mistakes, read};

/// A file whose only walk, on line 4, has these parameters on line 7.
fn file(params: &str) -> String {
    format!("{HEAD}[[walk]]\nname = \"w\"\nendpoint = \"models\"\nparams = {{ {params} }}\n")
}

/// Returns the parameters that a walk sends, and its page size.
fn sent(params: &str) -> (String, u32) {
    let (crawl, _) = read(&file(params)).unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
    let pairs: Vec<String> = crawl.walks[0].params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    (pairs.join("&"), crawl.walks[0].limit)
}

#[test]
fn values_are_sent_as_the_server_reads_them() {
    let cases = [
        ("sort = \"Oldest\", nsfw = false", "sort=Oldest&nsfw=false", 100),
        ("types = [\"VAE\", \"LORA\"], sort = \"Newest\"", "types=VAE&types=LORA&sort=Newest", 100),
        ("types = \"LORA\", limit = 7", "types=LORA", 7),
        ("ids = [3, 1, 2], archived = true", "ids=3,1,2&archived=true", 100),
        ("ids = 3", "ids=3", 100),
        ("baseModels = [\"SD 1.5\", \"Pony\"]", "baseModels=SD 1.5&baseModels=Pony", 100),
        ("fileFormats = [\"GGUF\", \"ONNX\"]", "fileFormats=GGUF&fileFormats=ONNX", 100),
        ("availability = \"Private\", username = \"me\"", "availability=Private&username=me", 100),
        (
            "} \nunchecked = { zeta = 1, alpha = [\"x\", true, 2.5, 0x10]",
            "zeta=1&alpha=x&alpha=true&alpha=2.5&alpha=16",
            100,
        ),
        ("", "", 100),
    ];
    for (params, expected, limit) in cases {
        assert_eq!(sent(params), (expected.to_owned(), limit), "{params}");
    }
}

/// The words that [`MISTAKES`] abbreviates to SORTS.
const SORTS: &str = "`Highest Rated`, `Most Downloaded`, `Most Liked`, `Most Discussed`, `Most Collected`, `Most Images`, \
    `Newest`, `Oldest`";

/// Parameters, and what is said of them.
const MISTAKES: &[(&str, &str)] = &[
    (
        "nsfww = true",
        "`models` has no parameter `nsfww`: the server would ignore it silently and return the whole \
          catalog. Did you mean `nsfw`?",
    ),
    (
        "colour = \"red\"",
        "`models` has no parameter `colour`: the server would ignore it silently and return the \
          whole catalog. If the server knows it by now, pass it in `unchecked`.",
    ),
    ("sort = \"Latest\"", "`sort` is `Latest`; the server knows SORTS. Did you mean `Newest`?"),
    (
        "sort = \"Random\"",
        "`sort` is `Random`; the server knows SORTS. If the server knows it by now, pass it in `unchecked`.",
    ),
    ("sort = [\"Oldest\"]", "`sort` is `[\"Oldest\"]`; it takes text in quotes, of SORTS."),
    (
        "types = \"LORA,VAE\"",
        "`types` is `LORA,VAE`, to the server one unknown word; write a list: \
          `types = [\"LORA\", \"VAE\"]`.",
    ),
    ("types = []", "`types` has 0 of at least 1 values; add some, or leave it out."),
    ("fileFormats = \"GGUF\"", "`fileFormats` has 1 of at least 2 values; add some, or leave it out."),
    ("limit = 0", "`limit` is `0`; it takes a whole number from 1 to 100; there is no value for all."),
    ("limit = 101", "`limit` is `101`; it takes a whole number from 1 to 100; there is no value for all."),
    ("limit = \"5\"", "`limit` is `\"5\"`; it takes a whole number from 1 to 100; there is no value for all."),
    ("nsfw = \"true\"", "`nsfw` is `\"true\"`; it takes `true` or `false`, without quotes."),
    ("archived = false", "`archived` is `false`, which the server reads as true; leave the parameter out."),
    ("archived = 1", "`archived` is `1`; it takes `true`, without quotes, or is left out."),
    ("username = 123", "`username` is `123`; it takes text in quotes that is not empty."),
    ("username = \"\"", "`username` is `\"\"`; it takes text in quotes that is not empty."),
    ("ids = [1, 0]", "`ids` is `0`; it takes whole numbers from 1, such as `[1, 2, 3]`."),
    ("ids = \"1,2\"", "`ids` is `\"1,2\"`; it takes whole numbers from 1, such as `[1, 2, 3]`."),
    ("cursor = \"x\"", "`cursor` cannot be asked for: civitrawl sets it while it walks."),
    (
        "page = 2, query = \"x\"",
        "`page` cannot be asked for: the server returns the first page whatever the number, \
          refuses it together with `query`, and answers 429 for high ones; civitrawl walks by cursor.",
    ),
    (
        "browsingLevel = 3",
        "`browsingLevel` cannot be asked for: the server answers 400 to any value in a query; \
          filter the rows afterwards.",
    ),
    ("tagname = \"a\", tag = \"b\"", "`tag` and `tagname` together: the server then ignores `tag`; remove one."),
    (
        "user = \"a\", username = \"b\"",
        "`username` and `user` together: both name the creator, and the server uses \
          only one of them; remove one.",
    ),
    (
        "availability = \"Private\"",
        "`availability` is `Private` without `username`: the server refuses that; name \
          yourself in `username`.",
    ),
    (
        "token = \"CANARY\"",
        "`token`: an API key never goes into a crawl file. Set the environment variable \
          CIVITAI_API_KEY, or name a file that holds the key: `key_file = \"…\"`.",
    ),
    (
        "}\n\nunchecked = { page = 2",
        "`page` cannot be in `unchecked`: civitrawl finds its own way through the \
          pages.",
    ),
    (
        "}\n\nunchecked = { limit = 2",
        "`limit` cannot be in `unchecked`: it belongs into `params`, where it is \
          checked.",
    ),
    (
        "sort = \"Oldest\" }\n\nunchecked = { sort = \"Oldest\"",
        "`sort` is in `params` and in `unchecked`; remove \
          one.",
    ),
    (
        "}\n\nunchecked = { x = { y = 1 }",
        "`x` is `{ y = 1 }`; it takes text, a number, `true` or `false`, or a list \
          of these.",
    ),
];

#[test]
fn each_mistake_says_what_is_right() {
    for (params, expected) in MISTAKES {
        let line = if params.contains('\n') { 9 } else { 7 };
        assert_eq!(mistakes(&file(params)), format!("x.toml:{line}: {}", expected.replace("SORTS", SORTS)), "{params}");
    }
}

#[test]
fn all_mistakes_come_at_once() {
    let text = file("").replace("{  }", "{ limit = 0, types = [\"LORA\",\n\"Lora\",\n\"vea\"], nsfww = true }");
    let lines: Vec<String> = mistakes(&text).split("\n\n").map(|text| text[..9].to_owned()).collect();
    assert_eq!(lines, ["x.toml:7:", "x.toml:8:", "x.toml:9:", "x.toml:9:"]);
}

#[test]
fn notable_parameters_raise_warnings() {
    let narrow =
        "`baseModels`: models come back with the matching versions only, so their version lists are incomplete.";
    let drift = "rows move while the walk runs, and those that move across the cursor are missed; sort by `Oldest` to \
        miss none.";
    let cases = [
        ("sort = \"Oldest\", types = \"LORA\"", vec![]),
        ("sort = \"Newest\"", vec![]),
        ("sort = \"Most Liked\"", vec![(7, format!("`sort` is `Most Liked`, a counter: {drift}"))]),
        ("", vec![(4, format!("without `sort` the server sorts by a counter: {drift}"))]),
        ("sort = \"Oldest\", baseModels = \"Pony\"", vec![(7, narrow.to_owned())]),
        (
            "sort = \"Oldest\", baseModels = \"Pony,SDXL\"",
            vec![(7, "`baseModels`: a text with a comma is one value, not a list.".to_owned()), (7, narrow.to_owned())],
        ),
        (
            "query = \"x\"",
            vec![(
                7,
                "`query`: a search is paged by offset in order of relevance and only to a limited \
          depth, so rows can be missed."
                    .to_owned(),
            )],
        ),
    ];
    for (params, expected) in cases {
        let warnings = read(&file(params)).map(|(_, warnings)| warnings).unwrap_or_default();
        let warnings: Vec<(Place, String)> =
            warnings.into_iter().map(|warning| (warning.place, warning.text)).collect();
        let expected: Vec<(Place, String)> =
            expected.into_iter().map(|(line, text)| (Place::Line(line), text)).collect();
        assert_eq!(warnings, expected, "{params}");
    }
}

#[test]
fn warnings_about_some_values_are_raised_by_those() {
    let above = "`nsfw`: `true` lists images of level R and above only, PG and PG13 are left out; ask for `browsingLevel` 3 \
        and 28 in two walks.";
    let mixed = "`browsingLevel`: together with R, X or XXX the server hides some images of level PG and PG13; ask for 3 \
        and 28 in two walks.";
    let cases = [
        ("nsfw = true", "nsfw=true", Some(above)),
        ("nsfw = \"true\"", "nsfw=true", Some(above)),
        ("nsfw = false", "nsfw=false", None),
        ("nsfw = \"Soft\"", "nsfw=Soft", None),
        ("browsingLevel = 31", "browsingLevel=31", Some(mixed)),
        ("browsingLevel = 3", "browsingLevel=3", None),
        ("browsingLevel = 28", "browsingLevel=28", None),
        ("tags = [4, 5]", "tags=4,5", None),
        ("username = \"a_9\"", "username=a_9", None),
        (
            "username = \"a-9\"",
            "username=a-9",
            Some("`username`: the server answers 400 to names of other characters than letters, digits and `_`."),
        ),
    ];
    for (params, sent, expected) in cases {
        let file = file(&format!("sort = \"Newest\", postId = 1, {params}")).replace("\"models\"", "\"images\"");
        let (crawl, warnings) = read(&file).unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
        let (name, value) = &crawl.walks[0].params[2];
        assert_eq!(format!("{name}={value}"), sent);
        assert_eq!(warnings.iter().map(|warning| &*warning.text).collect::<Vec<_>>(), expected.as_slice(), "{params}");
    }
}

#[test]
fn a_list_that_the_server_cuts_off_raises_a_warning() {
    let warning = "of a list this long the server shows only a part, and ends as if it were all; walk it by time with \
        `sort = \"Oldest\"`, or ask for shorter ones: set one of `imageId`, `modelId`, `modelVersionId`, `postId`, `userId`, \
        `username`, or let `for_each` do it.";
    let cases = [
        ("tags = [4]", "", Some(warning)),
        ("tags = [4], userId = 7", "", None),
        ("tags = [4]", "for_each = { list = [\"1\"], param = \"modelVersionId\" }", None),
        ("tags = [4]", "for_each = { list = [\"Pony\"], param = \"baseModels\" }", Some(warning)),
    ];
    for (params, each, expected) in cases {
        let file = file(&format!("sort = \"Newest\", {params}")).replace("\"models\"", "\"images\"") + each;
        let (_, warnings) = read(&file).unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
        let warnings: Vec<(Place, &str)> =
            warnings.iter().map(|warning| (warning.place.clone(), &*warning.text)).collect();
        assert_eq!(
            warnings,
            expected.map(|text| (Place::Line(4), text)).into_iter().collect::<Vec<_>>(),
            "{params} {each}"
        );
    }
}

#[test]
fn each_endpoint_refuses_what_it_would_ignore() {
    let cases = [
        (
            "images",
            "page = 2",
            "the server repeats the first page whatever the number, and answers 429 for high ones; civitrawl walks by cursor.",
        ),
        ("images", "query = \"x\"", "the server ignores it and lists its whole feed; filter the rows afterwards."),
        ("images", "tags = \"cat\"", "it takes whole numbers from 1, such as `[1, 2, 3]`."),
        ("images", "limit = 0", "it takes a whole number from 1 to 200; there is no value for all."),
        ("images", "sort = \"Random\"", "If the server knows it by now, pass it in `unchecked`."),
        ("creators", "limit = 0", "it takes a whole number from 1 to 200; there is no value for all."),
        ("tags", "limit = 0", "it takes a whole number from 1 to 200; there is no value for all."),
        ("tags", "page = 1", "`page` cannot be asked for: civitrawl sets it while it walks."),
        (
            "tags",
            "sort = \"Newest\"",
            "it is for the site's own use, and the server answers 400 to most values in a query.",
        ),
        ("model", "nsfw = true", "If the server knows it by now, pass it in `unchecked`."),
    ];
    for (endpoint, params, expected) in cases {
        let mut file = file(params).replace("\"models\"", &format!("\"{endpoint}\""));
        if endpoint == "model" {
            file.push_str("\nfor_each = { list = [\"1\"] }\n");
        }
        let said = mistakes(&file);
        assert!(said.ends_with(expected) && said.lines().count() == 1, "{endpoint} {params}: {said}");
    }
}
