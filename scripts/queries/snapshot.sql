-- What is in the latest snapshot? Its tables, defined by SQL over all parts, of which none may be pruned: the way by which an engine
-- can make it, and a second opinion on it.
-- In the dataset's directory: duckdb -cmd ".read PATH/TO/snapshot.sql" -c "FROM latest_things('models', id, id)"
-- A thing is named by its key, and by what its walk lists: ('models', id, id), ('model_versions', id, model_id), ('images', id, id),
-- ('gallery_images', [image_id, model_version_id], image_id), ('posts', id, id), ('users', id, id), ('creators', username, username),
-- ('tags', name, name), ('enums', [kind, value], kind). What belongs to it is named by its link, with the thing and its walk's:
-- latest_children('model_tags', model_id, 'models', id), latest_children('file_hashes', version_id, 'model_versions', model_id).

-- The walks of each pass, in the order of the crawl file. Things that such a walk saw, and no later one with the same question did,
-- are gone since `found_gone_at` of the first of these, unless it withheld them.
CREATE OR REPLACE MACRO latest_walks() AS TABLE
    SELECT walk.* FROM (SELECT unnest(walks) AS walk FROM read_json('latest/snapshot.json', columns = {walks: 'STRUCT(
        pass BIGINT, walk VARCHAR, "rank" BIGINT, question BIGINT, ended_at TIMESTAMPTZ, found_gone_at TIMESTAMPTZ, withheld VARCHAR[])[]'}));

-- Things: of all observations with a key the newest, and of those of one pass that of the walk listed first. `thing` is what the
-- walk's list shows: of versions their model.
CREATE OR REPLACE MACRO latest_things(name, key, thing) AS TABLE
    WITH newest AS (
        SELECT seen.*, asked.question,
            min(fetched_at) OVER same AS first_seen_at, max(fetched_at) OVER same AS last_seen_at
        FROM read_parquet('parts/' || name || '/*.parquet', union_by_name = true) AS seen
        LEFT JOIN latest_walks() AS asked ON asked.pass = seen.pass AND asked.walk = split_part(seen.walk, '/', 1)
        WINDOW same AS (PARTITION BY key)
        QUALIFY row_number() OVER (PARTITION BY key
            ORDER BY seen.pass DESC, asked.rank, fetched_at DESC, page DESC, seen.walk DESC) = 1)
    SELECT newest.* EXCLUDE (question), (
        SELECT min(found_gone_at) FROM latest_walks() AS later
        WHERE later.question = newest.question AND later.pass > newest.pass
            AND NOT list_contains(coalesce(later.withheld, []), thing::VARCHAR)) AS gone_at
    FROM newest;

-- What belongs to things: the rows that the same page showed.
CREATE OR REPLACE MACRO latest_children(name, link, owner, thing) AS TABLE
    SELECT child.*, owner.gone_at FROM read_parquet('parts/' || name || '/*.parquet', union_by_name = true) AS child
    JOIN latest_things(owner, id, thing) AS owner
        ON owner.id = link AND owner.pass = child.pass AND owner.walk = child.walk AND owner.page = child.page;
