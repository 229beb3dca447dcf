//! `pages`: one row per page fetched: the request and the facts of its answer.

table! {
    /// One row per page fetched: the request and the facts of its answer.
    "pages", key ["pass", "walk", "page"];
    run: Name, "The run that fetched it.";
    endpoint: Name, "The endpoint requested.";
    url: Name, "The URL requested; never holds a secret.";
    cursor: Long, "The cursor sent; null for the first page.";
    next_cursor: Long, "The next page's cursor, as the server wrote it; null on the last page.";
    status: Int, "HTTP status.";
    attempts: Int, "Requests this page took.";
    items: Int, "Items on the page, rejects included.";
    bytes: Int, "Bytes of the body after decompression.";
    latency_ms: Int, "From sending the last request to the body's end, in milliseconds.";
    cache_status: Text, "The edge cache's answer (HIT, MISS, ...).";
    age_s: Int, "Age of the answer in the edge cache, in seconds.";
    repairs: Int, "Raw control bytes and broken escapes repaired before reading.";
    body: Bytes, "The answer as received, still compressed, when the crawl keeps bodies; inflated where the API key was masked in it.";
    body_encoding: Text, "How `body` is compressed: gzip, or identity.";
}
