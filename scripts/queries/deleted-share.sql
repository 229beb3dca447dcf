-- What share of the models that were ever seen is gone? `gone_at` is set when a later complete crawl ended without them.
-- In the dataset's directory: duckdb -c ".read PATH/TO/deleted-share.sql"
SELECT
    type,
    count(*) AS seen,
    count(gone_at) AS gone,
    round(count(gone_at) / count(*), 4) AS share_gone
FROM 'latest/models.parquet'
GROUP BY ALL
ORDER BY seen DESC, type;
