//! The settings of a sandbox: its catalog, its era, its traps and its faults.

use std::time::Duration;

use super::era::Era;
use super::fault::Fault;
use super::traps::Traps;

/// The settings of a sandbox: the catalog it serves, and everything that goes wrong with it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Number of generated models; at most 1,500,000.
    pub models: u32,
    /// The catalog is a function of this seed and the numbers beside it.
    pub seed: u64,
    /// Number of generated images; `None` for ten a model.
    pub images: Option<u32>,
    /// Number of tags; `None` for the whole vocabulary, or two for three models where that is more.
    pub tags: Option<u32>,
    /// Number of creators; `None` for one in six models.
    pub creators: Option<u32>,
    /// The most hits that a walk over the images feed reaches under the trap `depth-cap`.
    pub depth_cap: u32,
    /// Text of recorded items, one JSON object a line, served verbatim instead of generated ones.
    pub catalog: Option<String>,
    /// The era of the server: its behaviour, and the shape of generated items.
    pub era: Era,
    /// The peculiarities switched on.
    pub traps: Traps,
    /// The failures to inject.
    pub faults: Vec<Fault>,
    /// Added before the head of every API answer.
    pub latency: Duration,
    /// The PEM text of a certificate and its key; with it connections are encrypted, and speak HTTP/2 where the client does.
    pub tls: Option<String>,
}

impl Default for Config {
    /// Returns any port, 2000 models of seed 1 with their images, the newest era, no traps, no faults, no latency.
    fn default() -> Config {
        Config {
            port: 0,
            models: 2000,
            seed: 1,
            images: None,
            tags: None,
            creators: None,
            depth_cap: 1000,
            catalog: None,
            era: Era::default(),
            traps: Traps::none(),
            faults: Vec::new(),
            latency: Duration::ZERO,
            tls: None,
        }
    }
}
