-- What share of the images shows how it was made?
-- In the dataset's directory: duckdb -c ".read PATH/TO/images-with-metadata.sql"
SELECT
    i.type,
    count(*) AS images,
    count(m.image_id) AS with_metadata,
    count(m.prompt) AS with_prompt,
    round(count(m.image_id) / count(*), 4) AS share_with_metadata
FROM 'latest/images.parquet' i
LEFT JOIN 'latest/image_meta.parquet' m ON m.image_id = i.id
WHERE i.gone_at IS NULL
GROUP BY ALL
ORDER BY images DESC, i.type;
