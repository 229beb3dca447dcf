//! `model_versions`: one row per version of a model and page that showed it.

table! {
    /// One row per version of a model and page that showed it.
    "model_versions", key ["id"], of "models" by ["model_id"];
    id: Id, "The version's id.";
    model_id: Id, "The model it belongs to.";
    position: Int, "Place in the model's list, counted from 0 (newest first, as shown); null when looked up alone.";
    index: Int, "Place that the server numbers it with, where it does.";
    name: Text, "Its name.";
    description: Long, "HTML, as the creator wrote it.";
    base_model: Text, "SD 1.5, SDXL 1.0, Pony, Illustrious, Flux.1 D, ... (an open list).";
    base_model_type: Text, "Standard, Inpainting, Refiner or Pix2Pix.";
    status: Text, "Published, when the endpoint says so.";
    availability: Text, "Public, Unsearchable, Private or EarlyAccess.";
    nsfw_levels: Int, "Bit mask of the levels its images show: PG 1, PG13 2, R 4, X 8, XXX 16, Blocked 32.";
    created_at: Time, "When it was created (not in today's lists).";
    updated_at: Time, "When it last changed (only from the version's own endpoint, and before 2024).";
    published_at: Time, "When it was published.";
    trained_words: Texts, "Words that trigger what it was trained on.";
    download_url: Long, "Where its primary file is downloaded; absent for archived models.";
    download_count: Int, "Downloads; null when the creator hides them.";
    thumbs_up_count: Int, "Likes.";
    thumbs_down_count: Int, "Dislikes.";
    rating_count: Int, "Ratings (2023 and before).";
    rating: Float, "Mean rating, 0 to 5 (2023 and before).";
    supports_generation: Bool, "Can be used with the site's generator.";
    early_access_deadline: Time, "When paid access ends, by its older name.";
    early_access_days: Int, "Days of early access (2024 and before).";
    early_access_config: Long, "Terms of early access, as JSON text (2025 and before).";
    paid_access_permanent: Bool, "Must be paid for for ever; null when it is free.";
    paid_access_ends_at: Time, "When it becomes free; null when it is, or never does.";
    licensing_fee: Float, "Fee for using it in the site's generator (only from the version's own endpoint).";
    air: Text, "Its AIR resource name.";
    usage_control: Text, "Download, Generation, InternalGeneration or ExternalGeneration.";
    upload_type: Text, "Created or Trained.";
    vae_id: Link, "The version that is its VAE.";
    flags: Int, "Bit mask of the server's own marks.";
    training_status: Text, "How far its training on the site is.";
    training_details: Long, "How it was trained on the site, as JSON text.";
    model: Long, "Its model as a look-up shows it, as JSON text: name, type, nsfw, poi, mode.";
    extra: Long, "JSON object of what fits no column: new keys, and values that no column takes; null when there is none.";
}
