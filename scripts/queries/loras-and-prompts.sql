-- Which LoRAs are downloaded most for each base model, and what do people prompt with them? Ten of each, with the phrases that most
-- images of their galleries have. `crawls/top-loras.toml` asks for those of this month and for their galleries.
-- In the dataset's directory: duckdb -c ".read PATH/TO/loras-and-prompts.sql"
WITH best AS (
    SELECT
        v.base_model,
        row_number() OVER (PARTITION BY v.base_model ORDER BY v.download_count DESC, v.id) AS place,
        v.id,
        m.name || ', ' || v.name AS lora,
        v.download_count AS downloads
    FROM 'latest/model_versions.parquet' v
    JOIN 'latest/models.parquet' m ON m.id = v.model_id
    WHERE m.type = 'LORA' AND m.gone_at IS NULL AND v.gone_at IS NULL AND v.download_count IS NOT NULL
    QUALIFY place <= 10
),
prompts AS (
    SELECT g.model_version_id AS id, g.image_id, string_split(lower(replace(p.prompt, chr(10), ' ')), ',') AS phrases
    FROM 'latest/gallery_images.parquet' g
    JOIN 'latest/image_meta.parquet' p ON p.image_id = g.image_id
    WHERE g.gone_at IS NULL AND p.prompt IS NOT NULL
),
phrases AS (
    SELECT id, phrase, count(*) AS images
    FROM (SELECT DISTINCT id, image_id, trim(unnest(phrases)) AS phrase FROM prompts)
    WHERE phrase <> ''
    GROUP BY id, phrase
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY images DESC, phrase) <= 8
)
SELECT
    b.base_model,
    b.place,
    b.lora,
    b.downloads,
    (SELECT count(*) FROM prompts WHERE prompts.id = b.id) AS prompts,
    (SELECT string_agg(phrase, ', ' ORDER BY images DESC, phrase) FROM phrases WHERE phrases.id = b.id) AS prompted_with
FROM best b
ORDER BY b.base_model, b.place;
