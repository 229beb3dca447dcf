-- Which resources are used together in one image? The thousand most frequent pairs.
-- A resource named by a version is that version's model. Pairs are of one list of the generation data, because another list may
-- name the same resource in another way. Needs models and images in one dataset.
-- In the dataset's directory: duckdb -c ".read PATH/TO/resources-used-together.sql"
WITH used AS (
    SELECT DISTINCT
        r.image_id,
        r.source,
        coalesce(m.name, 'version ' || r.model_version_id, r.name) AS resource,
        coalesce(m.type, r.type, '') AS type,
        m.id AS model_id
    FROM 'latest/image_resources.parquet' r
    LEFT JOIN 'latest/model_versions.parquet' v ON v.id = r.model_version_id
    LEFT JOIN 'latest/models.parquet' m ON m.id = v.model_id
    WHERE r.gone_at IS NULL AND r.source <> 'hashes' AND resource IS NOT NULL
)
SELECT
    a.resource,
    a.type,
    a.model_id,
    b.resource AS with_resource,
    b.type AS with_type,
    b.model_id AS with_model_id,
    count(DISTINCT a.image_id) AS images
FROM used a
JOIN used b USING (image_id, source)
WHERE (a.resource, a.type, coalesce(a.model_id, 0)) < (b.resource, b.type, coalesce(b.model_id, 0))
GROUP BY ALL
ORDER BY images DESC, a.resource, a.type, a.model_id, with_resource, with_type, with_model_id
LIMIT 1000;
