-- How many downloads did each base model gain, week by week? Needs `history = ["model_versions"]` in the crawl file.
-- What a version gained between two observations is counted in the week of the later one.
-- In the dataset's directory: duckdb -c ".read PATH/TO/downloads-by-week.sql"
WITH gains AS (
    SELECT
        base_model,
        valid_from,
        download_count - lag(download_count) OVER (PARTITION BY id ORDER BY valid_from) AS gained
    FROM 'latest/model_versions_history.parquet'
)
SELECT
    strftime(date_trunc('week', valid_from AT TIME ZONE 'UTC'), '%Y-%m-%d') AS week,
    base_model,
    sum(gained)::BIGINT AS downloads
FROM gains
WHERE gained <> 0
GROUP BY ALL
ORDER BY week, downloads DESC, base_model;
