//! Everything that all walks of a run share.

use super::lists::Lists;
use super::unfiltered::Unfiltered;
use crate::definition::Crawl;
use crate::engine::pass::Earlier;
use crate::engine::run::{Options, Run};
use crate::engine::writer::Writer;
use crate::fetch::Fetcher;

/// Everything that all walks of a run share.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) crawl: &'a Crawl,
    pub(crate) options: &'a Options,
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) writer: &'a Writer,
    pub(crate) run: &'a Run,
    pub(crate) earlier: &'a Earlier,
    pub(crate) lists: &'a Lists,
    pub(crate) unfiltered: &'a Unfiltered,
}
