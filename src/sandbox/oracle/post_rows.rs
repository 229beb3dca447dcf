//! The rows of posts, users and words in the answers that show them: the sandbox's own reading of the schema.

use serde_json::{Value, json};

use super::object::Object;

/// The tables that a post fills.
pub(super) const OF_POSTS: [&str; 3] = ["posts", "post_tags", "post_images"];

/// Appends the rows of a table in the answer of one post.
pub(super) fn of_post(table: &str, body: &str, lines: &mut String) -> serde_json::Result<()> {
    let post = Object::read(body)?;
    let (id, user) = (post.int("id"), post.object("user"));
    let rows: Vec<Value> = match table {
        "posts" => vec![json!({
            "id": id, "title": post.text("title"), "detail": post.text("detail"), "nsfw_level": post.int("nsfwLevel"),
            "published_at": post.date("publishedAt"), "model_version_id": post.int("modelVersionId"),
            "user_id": user.int("id"), "username": user.text("username"),
        })],
        "post_tags" => {
            let tags = (0usize..).zip(post.objects("tags"));
            let row = |(position, tag): (usize, Object<'_>)| json!({ "post_id": id, "position": position, "tag_id": tag.int("id"), "tag": tag.text("name") });
            tags.map(row).collect()
        }
        _ => {
            let images = (0usize..).zip(post.objects("images"));
            let row = |(position, image): (usize, Object<'_>)| json!({ "post_id": id, "position": position, "image_id": image.int("id") });
            images.map(row).collect()
        }
    };
    rows.iter().for_each(|row| lines.push_str(&format!("{row}\n")));
    Ok(())
}

/// Appends the rows of the users in an answer.
pub(super) fn of_users(body: &str, lines: &mut String) -> serde_json::Result<()> {
    for user in Object::read(body)?.objects("items") {
        lines.push_str(&format!("{}\n", json!({ "id": user.int("id"), "username": user.text("username") })));
    }
    Ok(())
}

/// Appends the rows of the words in an answer.
pub(super) fn of_enums(body: &str, lines: &mut String) -> serde_json::Result<()> {
    let lists = Object::read(body)?;
    for (kind, raw) in &lists.0 {
        for value in serde_json::from_str::<Vec<String>>(raw.get())? {
            lines.push_str(&format!("{}\n", json!({ "kind": kind, "value": value })));
        }
    }
    Ok(())
}
