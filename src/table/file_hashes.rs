//! `file_hashes`: one row per hash of a file and page that showed it.

table! {
    /// One row per hash of a file and page that showed it.
    "file_hashes", key ["version_id", "file_id", "algorithm"], of "version_files" by ["version_id", "file_id"];
    version_id: Id, "The version that lists the file.";
    file_id: Id, "The file.";
    algorithm: Name, "SHA256, AutoV1, AutoV2, AutoV3, CRC32 or BLAKE3 (an open list).";
    hash: Long, "The hash as sent: hexadecimal, upper case.";
}
