//! JSON: what the server writes about one entry of the catalog.

pub(super) mod files;
pub(super) mod image;
pub(super) mod json;
pub(super) mod legacy;
pub(super) mod meta;
pub(super) mod model;
pub(super) mod number;
pub(super) mod object;
pub(super) mod showcase;
pub(super) mod version;
pub(super) mod version_detail;
