-- How are the base models prompted, month by month: how often, how long, how often with a negative prompt, in how many steps?
-- In the dataset's directory: duckdb -c ".read PATH/TO/prompts-by-month-and-base-model.sql"
SELECT
    strftime(i.created_at AT TIME ZONE 'UTC', '%Y-%m') AS month,
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
ORDER BY month, prompts DESC, i.base_model;
