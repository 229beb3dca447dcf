-- For which base models were versions published, month by month?
-- In the dataset's directory: duckdb -c ".read PATH/TO/base-models-by-month.sql"
SELECT
    strftime(published_at AT TIME ZONE 'UTC', '%Y-%m') AS month,
    base_model,
    count(*) AS versions
FROM 'latest/model_versions.parquet'
WHERE gone_at IS NULL AND published_at IS NOT NULL
GROUP BY ALL
ORDER BY month, versions DESC, base_model;
