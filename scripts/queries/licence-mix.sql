-- Which licences do creators choose, and what is downloaded under each?
-- In the dataset's directory: duckdb -c ".read PATH/TO/licence-mix.sql"
SELECT
    array_to_string(list_sort(allow_commercial_use), ' ') AS commercial_use,
    allow_no_credit AS no_credit,
    allow_derivatives AS derivatives,
    allow_different_license AS other_terms,
    count(*) AS models,
    sum(download_count)::BIGINT AS downloads
FROM 'latest/models.parquet'
WHERE gone_at IS NULL
GROUP BY ALL
ORDER BY models DESC, commercial_use, no_credit, derivatives, other_terms;
