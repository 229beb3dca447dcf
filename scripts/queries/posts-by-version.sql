-- For which versions are most posts made, with how many images and reactions? The thousand versions with the most posts.
-- A post is one of the version it was made for (`posts.model_version_id`), its images are those of `images` that name it
-- (`post_id`). Needs posts, images and models in one dataset.
-- In the dataset's directory: duckdb -c ".read PATH/TO/posts-by-version.sql"
SELECT
    p.model_version_id,
    v.name AS version,
    m.name AS model,
    count(DISTINCT p.id) AS posts,
    count(i.id) AS images,
    coalesce(sum(list_sum([i.like_count, i.heart_count, i.laugh_count, i.cry_count])), 0)::BIGINT AS reactions
FROM 'latest/posts.parquet' p
LEFT JOIN 'latest/images.parquet' i ON i.post_id = p.id AND i.gone_at IS NULL
LEFT JOIN 'latest/model_versions.parquet' v ON v.id = p.model_version_id
LEFT JOIN 'latest/models.parquet' m ON m.id = v.model_id
WHERE p.gone_at IS NULL AND p.model_version_id IS NOT NULL
GROUP BY ALL
ORDER BY posts DESC, p.model_version_id
LIMIT 1000;
