-- How are the base models prompted: how long, how often with a negative prompt, in how many steps?
-- In the dataset's directory: duckdb -c ".read PATH/TO/prompts-by-base-model.sql"
SELECT
    i.base_model,
    count(*) AS prompts,
    count(DISTINCT m.prompt) AS different,
    median(length(m.prompt)) AS median_characters,
    round(count(m.negative_prompt) / count(*), 4) AS share_with_negative,
    median(m.steps) AS median_steps
FROM 'latest/images.parquet' i
JOIN 'latest/image_meta.parquet' m ON m.image_id = i.id
WHERE i.gone_at IS NULL AND m.prompt IS NOT NULL AND i.base_model <> ''
GROUP BY ALL
ORDER BY prompts DESC, i.base_model;
