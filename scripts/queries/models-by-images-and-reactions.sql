-- With which models are most images made, and how do people react to these? The thousand models with the most images.
-- An image is one of a model when the server found a version of the model in its generation data (`image_model_versions`),
-- whether or not it is listed in that version's gallery. Needs models and images in one dataset.
-- In the dataset's directory: duckdb -c ".read PATH/TO/models-by-images-and-reactions.sql"
WITH made AS (
    SELECT DISTINCT v.model_id, iv.image_id
    FROM 'latest/image_model_versions.parquet' iv
    JOIN 'latest/model_versions.parquet' v ON v.id = iv.model_version_id
    WHERE iv.gone_at IS NULL
)
SELECT
    m.id AS model_id,
    m.name AS model,
    m.type,
    count(*) AS images,
    coalesce(sum(list_sum([i.like_count, i.heart_count, i.laugh_count, i.cry_count])), 0)::BIGINT AS reactions,
    coalesce(sum(i.comment_count), 0)::BIGINT AS comments
FROM made
JOIN 'latest/models.parquet' m ON m.id = made.model_id
JOIN 'latest/images.parquet' i ON i.id = made.image_id
WHERE m.gone_at IS NULL AND i.gone_at IS NULL
GROUP BY ALL
ORDER BY images DESC, m.id
LIMIT 1000;
