//! One file per endpoint: its parameters and its answers.

pub(super) mod answer;
mod check;
pub(super) mod creators;
pub(super) mod cursor;
pub(super) mod enums;
pub(super) mod feed;
pub(super) mod images;
pub(super) mod images_list;
pub(super) mod images_query;
pub(super) mod links;
pub(super) mod me;
pub(super) mod model;
pub(super) mod model_versions;
pub(super) mod models;
pub(super) mod models_list;
pub(super) mod models_query;
pub(super) mod number_query;
pub(super) mod posts;
pub(super) mod tags;
pub(super) mod users;
pub(super) mod world;
