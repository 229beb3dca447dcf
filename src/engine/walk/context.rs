//! Everything that all walks of a run share.

use std::collections::BTreeSet;

use url::Url;

use super::lists::Lists;
use super::unfiltered::Unfiltered;
use crate::dataset::layout::Layout;
use crate::definition::Crawl;
use crate::engine::events::Listener;
use crate::engine::pass::Earlier;
use crate::engine::writer::Writer;
use crate::fetch::Fetcher;
use crate::stop::Stop;

/// Everything that all walks of a run share.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) base: &'a Url,
    pub(crate) crawl: &'a Crawl,
    pub(crate) dataset: &'a Layout,
    /// The most partitions of one walk that are walked at once.
    pub(crate) workers: u32,
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) writer: &'a Writer,
    pub(crate) stop: &'a Stop,
    pub(crate) listener: &'a dyn Listener,
    pub(crate) earlier: &'a Earlier,
    pub(crate) lists: &'a Lists,
    pub(crate) unfiltered: &'a Unfiltered,
    /// Walks whose lists are believed to be as short as the server shows them.
    pub(crate) trusted: &'a BTreeSet<String>,
    /// True when values that the crawl file lists and the server does not know are reported.
    pub(crate) tells_unknown: bool,
}
