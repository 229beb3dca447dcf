-- How many models of each type are there at each level? A model's level is the highest that it shows.
-- In the dataset's directory: duckdb -c ".read PATH/TO/models-by-type-and-level.sql"
SELECT
    type,
    CASE
        WHEN nsfw_level >= 32 THEN 'Blocked'
        WHEN nsfw_level >= 16 THEN 'XXX'
        WHEN nsfw_level >= 8 THEN 'X'
        WHEN nsfw_level >= 4 THEN 'R'
        WHEN nsfw_level >= 2 THEN 'PG13'
        WHEN nsfw_level >= 1 THEN 'PG'
    END AS level,
    count(*) AS models
FROM 'latest/models.parquet'
WHERE gone_at IS NULL
GROUP BY ALL
ORDER BY models DESC, type, level;
