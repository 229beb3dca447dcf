-- Whose models are downloaded most? The hundred creators with the most downloads; those that hide their counters count as 0.
-- In the dataset's directory: duckdb -c ".read PATH/TO/top-creators.sql"
SELECT
    creator_username AS creator,
    count(*) AS models,
    coalesce(sum(download_count), 0)::BIGINT AS downloads,
    sum(thumbs_up_count)::BIGINT AS likes
FROM 'latest/models.parquet'
WHERE gone_at IS NULL AND creator_username IS NOT NULL
GROUP BY ALL
ORDER BY downloads DESC, creator
LIMIT 100;
