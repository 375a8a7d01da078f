//! `/metrics`: the process's figures in OpenMetrics' text form, which Prometheus reads
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>), on a listener of its own.
//!
//! Nothing is computed for it while the server works: threads count with atomics where the work
//! is done ([`Meters`](media_core::graph::Meters), [`Counters`], the supervisor's figures), and a
//! scrape reads them. The library only writes the text: its own histogram takes a lock for every
//! value, and thousands of viewers are answered at once. Stream ids are labels of running broadcasts only, so that the number of
//! series is bounded by `ingest.broadcasts_max`. Names and what they mean are in
//! docs/operations.md; a test holds the two together.

mod broadcasts;
mod connections;
mod families;
mod guesses;
mod overload;
mod process;
mod requests;
mod server;
mod stages;
mod titles;
mod uploads;

use std::path::PathBuf;
use std::sync::Arc;

use control_api::Guesses;
use packager::delivery::Counters;
use packager::vod;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use storage::objects::Uploads;

use crate::listener::Front;
use crate::supervisor::Supervisor;

use self::broadcasts::BroadcastFigures;
use self::connections::ConnectionFigures;
use self::guesses::GuessFigures;
use self::overload::OverloadFigures;
use self::process::ProcessFigures;
use self::requests::RequestFigures;
use self::stages::StageFigures;
use self::titles::TitleFigures;
use self::uploads::UploadFigures;

pub(crate) use self::server::{bind, serve};

/// What the content is.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where the figures come from.
pub(crate) struct Sources {
    /// What viewers asked for.
    pub(crate) requests: Arc<Counters>,
    /// What they asked for of stored titles.
    pub(crate) vod_requests: Arc<vod::Counters>,
    /// What is on its way to the store, where there is one.
    pub(crate) uploads: Option<Uploads>,
    /// The connections that they come by.
    pub(crate) front: Arc<Front>,
    /// Broadcasts and publishers.
    pub(crate) supervisor: Supervisor,
    /// Who guesses secrets.
    pub(crate) guesses: Guesses,
    /// The data folder, whose free space is told.
    pub(crate) data: PathBuf,
}

/// One page of figures for each area, in this order.
fn registry(sources: Sources) -> Registry {
    let mut registry = Registry::default();
    let supervisor = sources.supervisor;
    registry.register_collector(Box::new(RequestFigures::new(sources.requests)));
    registry.register_collector(Box::new(TitleFigures::new(sources.vod_requests)));
    registry.register_collector(Box::new(ConnectionFigures::new(sources.front)));
    registry.register_collector(Box::new(BroadcastFigures::new(supervisor.clone())));
    registry.register_collector(Box::new(StageFigures::new(supervisor.clone())));
    registry.register_collector(Box::new(OverloadFigures::new(supervisor)));
    registry.register_collector(Box::new(UploadFigures::new(sources.uploads)));
    registry.register_collector(Box::new(GuessFigures::new(sources.guesses)));
    registry.register_collector(Box::new(ProcessFigures::new(sources.data)));
    registry
}

/// The text of all figures as they are now.
fn render(registry: &Registry) -> String {
    let mut text = String::new();
    text::encode(&mut text, registry).expect("writing to a String cannot fail");
    text
}
