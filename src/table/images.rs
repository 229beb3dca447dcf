//! `images`: one row per image and page that showed it.

table! {
    /// One row per image and page that showed it.
    "images", key ["id"];
    id: Id, "The image's id.";
    url: Long, "Link to the image as uploaded.";
    r#type: Text, "image, video or audio.";
    width: Int, "Width in pixels.";
    height: Int, "Height in pixels.";
    hash: Long, "BlurHash.";
    nsfw: Bool, "True if its level is above None.";
    nsfw_word: Text, "Level by its old name: None, Soft, Mature, X or Blocked.";
    nsfw_level: Int, "Level bit: PG 1, PG13 2, R 4, X 8, XXX 16, Blocked 32.";
    created_at: Time, "When it was uploaded; when it was published, where the server lists from its search index.";
    post_id: Link, "The post it belongs to.";
    username: Text, "Who posted it; a name of digits only is sent as a number and kept as text.";
    base_model: Text, "Base model it was made with, as the server guesses; may be empty.";
    cry_count: Int, "Reactions: crying.";
    laugh_count: Int, "Reactions: laughing.";
    like_count: Int, "Reactions: likes.";
    dislike_count: Int, "Reactions: dislikes (always 0 today).";
    heart_count: Int, "Reactions: hearts.";
    comment_count: Int, "Comments.";
    thumbnail_url: Long, "Link to a still of a video (not from older servers).";
    thumbnail_width: Int, "Its width in pixels.";
    thumbnail_height: Int, "Its height in pixels.";
    extra: Long, "JSON object of what fits no column: new keys, and values that no column takes; null when there is none.";
}
