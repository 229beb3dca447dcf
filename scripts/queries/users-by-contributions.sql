-- What do users contribute? Models, as they are listed and as `creators` counts them, posts, and images with their reactions:
-- of the thousand users with the most images.
-- Models and posts name their user by id, creators and images by name; `users` has both. Needs all of them in one dataset.
-- In the dataset's directory: duckdb -c ".read PATH/TO/users-by-contributions.sql"
WITH of_models AS (
    SELECT user_id, count(*) AS models, sum(download_count)::BIGINT AS downloads
    FROM 'latest/models.parquet'
    WHERE gone_at IS NULL
    GROUP BY user_id
),
of_posts AS (
    SELECT user_id, count(*) AS posts
    FROM 'latest/posts.parquet'
    WHERE gone_at IS NULL
    GROUP BY user_id
),
of_images AS (
    SELECT
        username,
        count(*) AS images,
        sum(list_sum([like_count, heart_count, laugh_count, cry_count]))::BIGINT AS reactions
    FROM 'latest/images.parquet'
    WHERE gone_at IS NULL
    GROUP BY username
)
SELECT
    u.id AS user_id,
    u.username,
    coalesce(m.models, 0) AS models,
    c.model_count AS models_counted,
    coalesce(m.downloads, 0) AS downloads,
    coalesce(p.posts, 0) AS posts,
    coalesce(i.images, 0) AS images,
    coalesce(i.reactions, 0) AS reactions
FROM 'latest/users.parquet' u
LEFT JOIN of_models m ON m.user_id = u.id
LEFT JOIN 'latest/creators.parquet' c ON c.username = u.username AND c.gone_at IS NULL
LEFT JOIN of_posts p ON p.user_id = u.id
LEFT JOIN of_images i ON i.username = u.username
WHERE u.gone_at IS NULL
ORDER BY images DESC, u.id
LIMIT 1000;
