//! What all walks of a run share.

use std::collections::BTreeSet;

use url::Url;

use super::missing::Lists;
use super::unfiltered::Unfiltered;
use crate::definition::Crawl;
use crate::engine::events::Listener;
use crate::engine::pass::Earlier;
use crate::engine::writer::Writer;
use crate::fetch::Fetcher;
use crate::stop::Stop;

/// What every walk of a run shares.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(crate) base: &'a Url,
    /// Values that the crawl file lists and the server shows nothing of are noted.
    pub(crate) tells_unknown: bool,
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) writer: &'a Writer,
    pub(crate) stop: &'a Stop,
    pub(crate) listener: &'a dyn Listener,
    pub(crate) earlier: &'a Earlier,
    pub(crate) unfiltered: &'a Unfiltered,
    pub(crate) lists: &'a Lists,
    pub(crate) crawl: &'a Crawl,
    /// The walks whose lists the user says to be as short as the server shows them.
    pub(crate) trusted: &'a BTreeSet<String>,
}
