//! `models`: one row per model and page that showed it.

table! {
    /// One row per model and page that showed it.
    "models", key ["id"];
    id: Id, "The model's id.";
    name: Long, "Its name.";
    description: Long, "HTML, as the creator wrote it.";
    r#type: Text, "Checkpoint, LORA, TextualInversion, ... (an open list).";
    nsfw: Bool, "Flagged as mature by its creator.";
    nsfw_levels: Int, "Bit mask of the levels it shows: PG 1, PG13 2, R 4, X 8, XXX 16, Blocked 32.";
    minor: Bool, "Flagged as depicting a minor.";
    sfw_only: Bool, "May only be used for safe content.";
    poi: Bool, "Depicts a real person.";
    mode: Text, "Archived or TakenDown; null for ordinary models.";
    availability: Text, "Public, Unsearchable, Private or EarlyAccess.";
    user_id: Link, "Id of its creator.";
    creator_username: Text, "Name of its creator; a name of digits only is sent as a number and kept as text.";
    creator_image: Long, "Link to the creator's picture.";
    supports_generation: Bool, "Can be used with the site's generator.";
    allow_no_credit: Bool, "Licence: may be used without crediting the creator.";
    allow_commercial_use: Texts, "Licence: permitted commercial uses (None, Image, RentCivit, Rent, Sell).";
    allow_derivatives: Bool, "Licence: derivatives may be shared.";
    allow_different_license: Bool, "Licence: derivatives may have other terms.";
    base_models: Texts, "Base models of its visible versions.";
    download_count: Int, "Downloads; null when the creator hides them.";
    favorite_count: Int, "Favourites (2023 and before).";
    thumbs_up_count: Int, "Likes.";
    thumbs_down_count: Int, "Dislikes.";
    comment_count: Int, "Comments.";
    rating_count: Int, "Ratings (2023 and before).";
    rating: Float, "Mean rating, 0 to 5 (2023 and before).";
    tipped_amount_count: Int, "Buzz tipped; null when the creator hides it.";
    cosmetic: Long, "The frame it is shown in on the site, as JSON text.";
    extra: Long, "JSON object of what fits no column: new keys, and values that no column takes; null when there is none.";
}
