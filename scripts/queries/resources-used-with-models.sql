-- What else was used to make the images of a model? The thousand most frequent pairs of a model and a named resource.
-- In the dataset's directory: duckdb -c ".read PATH/TO/resources-used-with-models.sql"
WITH versions AS (
    SELECT v.id, v.model_id, m.name, v.gone_at
    FROM 'latest/model_versions.parquet' v
    JOIN 'latest/models.parquet' m ON m.id = v.model_id
),
shown AS (
    SELECT DISTINCT v.model_id, v.name AS model, iv.image_id
    FROM 'latest/image_model_versions.parquet' iv
    JOIN versions v ON v.id = iv.model_version_id
    WHERE iv.gone_at IS NULL AND v.gone_at IS NULL
)
SELECT
    s.model_id,
    s.model,
    r.type,
    coalesce(v.name, 'version ' || r.model_version_id, r.name) AS resource,
    count(DISTINCT s.image_id) AS images
FROM shown s
JOIN 'latest/image_resources.parquet' r ON r.image_id = s.image_id
LEFT JOIN versions v ON v.id = r.model_version_id
WHERE resource IS NOT NULL AND r.source <> 'hashes' AND v.model_id IS DISTINCT FROM s.model_id
GROUP BY ALL
ORDER BY images DESC, s.model_id, r.type, resource
LIMIT 1000;
