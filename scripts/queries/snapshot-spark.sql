-- What is in the latest snapshot? `snapshot.sql` in the words of Spark, so that a cluster can make a table of it from the parts, of
-- which none may be pruned. (DuckDB has its own form: duckdb -cmd ".read PATH/TO/snapshot.sql".)
-- spark-sql -d dataset=data/models -d table=models -d key=id -d thing=id -d child=model_tags -d link=model_id -i PATH/TO/snapshot-spark.sql
-- makes the views latest_models and latest_model_tags. The key and the thing of each table, and the link of each child, are named in
-- `snapshot.sql`; a key of two columns is `image_id,model_version_id`. Where a table has no child, leave out the last statement.
SET spark.sql.parquet.mergeSchema = true;

-- The walks of each pass, in the order of the crawl file.
CREATE OR REPLACE TEMPORARY VIEW latest_walks AS
    SELECT walk.* FROM (
        SELECT explode(from_json(value, 'walks ARRAY<STRUCT<pass: BIGINT, walk: STRING, rank: BIGINT, question: BIGINT,
            ended_at: TIMESTAMP, found_gone_at: TIMESTAMP, withheld: ARRAY<STRING>>>').walks) AS walk
        FROM text.`${dataset}/latest/snapshot.json`);

-- Things: of all observations with a key the newest, and of those of one pass that of the walk listed first. They are gone since the
-- first later walk with the same question that did not show them, unless it withheld them.
CREATE OR REPLACE TEMPORARY VIEW latest_${table} AS
    WITH later AS (
        SELECT asked.question, asked.pass, collect_list(struct(found.found_gone_at, found.withheld)) AS walks
        FROM (SELECT DISTINCT question, pass FROM latest_walks) AS asked
        JOIN latest_walks AS found ON found.question = asked.question AND found.pass > asked.pass
        WHERE found.found_gone_at IS NOT NULL
        GROUP BY asked.question, asked.pass),
    seen AS (
        SELECT seen.*, asked.question,
            min(fetched_at) OVER (PARTITION BY ${key}) AS first_seen_at, max(fetched_at) OVER (PARTITION BY ${key}) AS last_seen_at,
            row_number() OVER (PARTITION BY ${key}
                ORDER BY seen.pass DESC, asked.rank NULLS LAST, fetched_at DESC, page DESC, seen.walk DESC) AS nth
        FROM parquet.`${dataset}/parts/${table}` AS seen
        LEFT JOIN latest_walks AS asked ON asked.pass = seen.pass AND asked.walk = substring_index(seen.walk, '/', 1))
    SELECT seen.* EXCEPT (question, nth), array_min(transform(
        filter(later.walks, walk -> NOT array_contains(coalesce(walk.withheld, array()), CAST(${thing} AS STRING))),
        walk -> walk.found_gone_at)) AS gone_at
    FROM seen LEFT JOIN later ON later.question = seen.question AND later.pass = seen.pass
    WHERE nth = 1;

-- What belongs to things: the rows that the same page showed.
CREATE OR REPLACE TEMPORARY VIEW latest_${child} AS
    SELECT child.*, owner.gone_at FROM parquet.`${dataset}/parts/${child}` AS child
    JOIN latest_${table} AS owner
        ON owner.id = child.${link} AND owner.pass = child.pass AND owner.walk = child.walk AND owner.page = child.page;
