-- How many models of each type are there at each level? A model's level is the highest that it shows.
-- In the dataset's directory: duckdb -c ".read PATH/TO/models-by-type-and-level.sql"
SELECT
    type,
    CASE
        WHEN nsfw_levels >= 32 THEN 'Blocked'
        WHEN nsfw_levels >= 16 THEN 'XXX'
        WHEN nsfw_levels >= 8 THEN 'X'
        WHEN nsfw_levels >= 4 THEN 'R'
        WHEN nsfw_levels >= 2 THEN 'PG13'
        WHEN nsfw_levels >= 1 THEN 'PG'
    END AS level,
    count(*) AS models
FROM 'latest/models.parquet'
WHERE gone_at IS NULL
GROUP BY ALL
ORDER BY models DESC, type, level;
