-- How does the catalog grow? Models by the month of their first version, versions by their own, and how many there were then.
-- In the dataset's directory: duckdb -c ".read PATH/TO/growth-by-month.sql"
WITH versions AS (
    SELECT
        model_id,
        strftime(published_at AT TIME ZONE 'UTC', '%Y-%m') AS month,
        row_number() OVER (PARTITION BY model_id ORDER BY published_at, id) = 1 AS is_first
    FROM 'latest/model_versions.parquet'
    WHERE gone_at IS NULL AND published_at IS NOT NULL
)
SELECT
    month,
    count(*) FILTER (is_first) AS new_models,
    count(*) AS new_versions,
    sum(count(*) FILTER (is_first)) OVER (ORDER BY month)::BIGINT AS models,
    sum(count(*)) OVER (ORDER BY month)::BIGINT AS versions
FROM versions
GROUP BY month
ORDER BY month;
