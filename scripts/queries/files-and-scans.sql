-- Which formats do files have, how large are they, and what did the scans find? A file listed by several versions counts once.
-- In the dataset's directory: duckdb -c ".read PATH/TO/files-and-scans.sql"
WITH files AS (
    SELECT DISTINCT ON (id) *
    FROM 'latest/version_files.parquet'
    WHERE gone_at IS NULL
    ORDER BY id, version_id
)
SELECT
    format,
    pickle_scan_result AS pickle_scan,
    virus_scan_result AS virus_scan,
    count(*) AS files,
    round(sum(size_kb) / 1024 / 1024, 3) AS gib
FROM files
GROUP BY ALL
ORDER BY files DESC, format, pickle_scan, virus_scan;
