//! Starts everything, waits for the signal to stop, and stops it in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use control_api::urls::PublishAddress;
use control_api::{Api, Broadcasts, Guesses, Urls};
use ingest::{Gate, rtmp, srt};
use media_core::graph;
use packager::{Delivery, Disk, Live, vod};
use storage::database::Location;
use storage::{AdminToken, Database};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::hooks::{Hooks, OnPublish};
use crate::lasting;
use crate::library::{self, Library};
use crate::listener::{self, Front, Redirect, Service};
use crate::metrics::{self, Sources};
use crate::overload::{self, Overload};
use crate::recordings::{Media, Objects, Recorder, Shelf, upkeep};
use crate::shutdown::{self, Signals};
use crate::supervisor::{Encoding, Options, Playlists, Rewind, Supervisor};
use crate::systemd::{self, Systemd};
use crate::tls::{self, Certificates};
use crate::worker::Worker;

/// How long ended playlists are served before connections are closed: a player that is not
/// waiting for a part asks again within a target duration.
const ENDED_SERVED_FOR: Duration = Duration::from_millis(1500);

/// A server whose ports are bound and that answers.
pub(crate) struct Server {
    signals: Signals,
    supervisor: Supervisor,
    hooks: Hooks,
    objects: Option<Objects>,
    library: Library,
    database: Database,
    srt: srt::Listener,
    tasks: Vec<JoinHandle<()>>,
    front: Arc<Front>,
    systemd: Systemd,
    /// Ingest ends first, HTTP last: viewers must see how their playlist ends.
    ingest_closing: watch::Sender<bool>,
    http_closing: watch::Sender<bool>,
}

impl Server {
    /// Binds the ports and begins to answer.
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        // Before anything can be asked: whoever sees an answer may ask for the end.
        let signals = Signals::listen()?;
        graph::init()?;
        let (encoding, overload) = encoding(config)?;
        let database = open_database(config).await?;
        let admin_token = admin_token(config)?;
        let playback_secret = storage::playback_token::load_or_create(&config.data)?;
        let http = listener::bind(config.http, "http").await?;
        let rtmp = listener::bind(config.rtmp, "rtmp").await?;
        let tls = match &config.tls {
            Some(tls) => Some((
                listener::bind(config.https, "https").await?,
                listener::bind(config.rtmps, "rtmps").await?,
                Certificates::load(tls)?,
            )),
            None => None,
        };
        let metrics = metrics::bind(config.metrics.as_ref()).await?;
        let streams = database.streams();
        let keys = streams.keys().await?;
        let live = Live::new();
        let worker = Worker::of(&config.data).context("the server's name is not known")?;
        let recordings = database.recordings().written_by(worker.as_str());
        let assets = storage::asset::Folder::open(&config.data)?;
        let videos = database.videos();
        let client_tls = tls::client::config()?;
        let hooks = Hooks::start(database.webhooks(), &client_tls);
        library::recover(&videos, &worker, &hooks.events()).await?;
        let recovered = upkeep::recover(&recordings, &assets).await?;
        let disk = Disk::default();
        let objects = match &config.objects {
            Some(choice) => {
                Objects::open(choice, assets.clone(), recordings.clone(), disk.clone())?
            }
            None => None,
        };
        let recorder = Recorder::new(
            recordings.clone(),
            assets.clone(),
            objects.clone(),
            config.recording.clone(),
            hooks.events(),
        );
        recorder.announce(&recovered);
        let (file_settings, cores) = (encoding.file_settings(), encoding.cores);
        let guesses = Guesses::new(config.http_trusted_proxies.clone());
        let options = Options {
            encoding,
            playlists: playlists(config)?,
            recorder: recorder.clone(),
            broadcasts_max: config.ingest.broadcasts_max,
            overload,
            reconnect: config.ingest.reconnect,
            on_publish: on_publish(config, client_tls),
            events: hooks.events(),
            guesses: guesses.clone(),
        };
        let supervisor = Supervisor::new(options, live.clone(), keys);
        let reserve = config.uploads.reserve;
        let uploads = storage::uploads::Folder::open(&config.data, reserve)?;
        let library = Library::start(library::Options {
            videos: videos.clone(),
            uploads: uploads.clone(),
            assets: assets.clone(),
            reserve,
            settings: file_settings,
            cores,
            live_count: Arc::new({
                let supervisor = supervisor.clone();
                move || supervisor.live_count()
            }),
            events: hooks.events(),
            worker,
        });
        let gate: Arc<dyn Gate> = Arc::new(supervisor.clone());
        let srt_config = srt::Config {
            latency: config.ingest.srt_latency,
            ..Default::default()
        };
        let srt = srt::listen(config.srt, srt_config, Arc::clone(&gate)).map_err(|error| {
            anyhow::Error::new(error).context(format!(
                "SRT does not start on {} (setting srt)",
                config.srt
            ))
        })?;
        let media = Media::new(assets, objects.clone(), disk.clone());
        let api = Api::new(control_api::Options {
            streams: streams.clone(),
            recordings: recordings.clone(),
            videos: videos.clone(),
            media: Arc::new(media.clone()),
            accounts: database.accounts(),
            audit: database.audit(),
            webhooks: database.webhooks(),
            uploads,
            upload_limits: config.uploads.limits,
            broadcasts: Arc::new(supervisor.clone()),
            admin_token,
            playback_secret: playback_secret.clone(),
            access_secret: storage::access_token::load_or_create(&config.data)?,
            urls: urls(config),
            registration: config.api.registration,
            cors_origins: config.api.cors_origins.clone(),
            limits: config.api.limits,
            guesses: guesses.clone(),
        });
        let shelf = Shelf::new(
            recordings,
            videos,
            media,
            playback_secret.clone(),
            guesses.clone(),
        );
        let vod = vod::Delivery::new(Arc::new(shelf));
        let vod_requests = Arc::clone(vod.counters());
        let delivery = Delivery::new(live, supervisor.access(playback_secret)).reading_on(disk);
        let requests = Arc::clone(delivery.counters());
        let service = Service::new(delivery, vod, control_api::router(api))
            .redirecting(redirect(config))
            .trusting(config.http_trusted_proxies.clone())
            .with_hsts(config.tls.as_ref().map_or(0, |tls| tls.hsts_s));
        let front = Front::new(service, config.http_connections_per_address);
        let sources = Sources {
            requests,
            vod_requests,
            uploads: objects.as_ref().map(|objects| objects.uploads().clone()),
            front: Arc::clone(&front),
            supervisor: supervisor.clone(),
            guesses,
            data: config.data.clone(),
        };

        let (ingest_closing, ingest_closes) = watch::channel(false);
        let (http_closing, http_closes) = watch::channel(false);
        let limits = rtmp::Limits::default();
        let mut tasks = vec![
            tokio::spawn(listener::serve(
                http,
                None,
                Arc::clone(&front),
                http_closes.clone(),
            )),
            tokio::spawn(rtmp::serve(
                rtmp,
                None,
                Arc::clone(&gate),
                limits,
                ingest_closes.clone(),
            )),
        ];
        if let Some((https, rtmps, certificates)) = tls {
            tasks.push(tokio::spawn(listener::serve(
                https,
                Some(certificates.https()?),
                Arc::clone(&front),
                http_closes.clone(),
            )));
            tasks.push(tokio::spawn(rtmp::serve(
                rtmps,
                Some(certificates.rtmps()?),
                gate,
                limits,
                ingest_closes,
            )));
            // Ends with the process, as the next one.
            tokio::spawn(certificates.follow());
        }
        let metrics_address = match &metrics {
            Some(listener) => Some(listener.local_addr()?.to_string()),
            None => None,
        };
        if let Some(listener) = metrics {
            tasks.push(tokio::spawn(metrics::serve(listener, sources, http_closes)));
        }
        // These end with the process: they hold nothing.
        lasting::spawn("keeping recordings in order", {
            let streams = streams.clone();
            move || recorder.clone().keep_in_order(streams.clone())
        });
        lasting::spawn("following the stream keys", {
            let supervisor = supervisor.clone();
            move || supervisor.clone().follow(streams.clone())
        });
        lasting::spawn("watching the machine's load", {
            let supervisor = supervisor.clone();
            move || supervisor.clone().watch()
        });
        if let Some(objects) = objects.clone() {
            lasting::spawn("keeping the store in order", move || {
                let objects = objects.clone();
                async move {
                    objects.probe().await;
                    objects.keep_in_order().await;
                }
            });
        }
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            http = %config.http,
            https = config.tls.as_ref().map(|_| config.https.to_string()),
            rtmp = %config.rtmp,
            rtmps = config.tls.as_ref().map(|_| config.rtmps.to_string()),
            srt = %config.srt,
            metrics = metrics_address,
            data = %config.data.display(),
            database = config.database.as_ref().map(tracing::field::display),
            "listening"
        );
        let systemd = Systemd::from_environment();
        systemd.ready(systemd::Subject {
            supervisor: supervisor.clone(),
            srt_turns: srt.turns(),
            listeners: tasks.iter().map(JoinHandle::abort_handle).collect(),
        });
        if !web::is_embedded() {
            tracing::warn!("this binary was built without its pages: run make web and build again");
        }
        Ok(Self {
            signals,
            supervisor,
            hooks,
            objects,
            library,
            database,
            srt,
            tasks,
            front,
            systemd,
            ingest_closing,
            http_closing,
        })
    }

    /// Runs until SIGTERM or SIGINT, then stops in order: publishers, broadcasts, viewers.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let signal = self.signals.any().await;
        tracing::info!(signal, "stopping");
        self.systemd.stopping();
        let limit = shutdown::exit_at_the_latest();
        let had_broadcasts = control_api::Broadcasts::live_count(&self.supervisor) > 0;
        tokio::join!(self.supervisor.close(), self.library.close());
        self.hooks.close().await;
        self.ingest_closing.send_replace(true);
        let srt = self.srt;
        let srt_ended = tokio::task::spawn_blocking(move || srt.shutdown());
        if had_broadcasts {
            tokio::time::sleep(ENDED_SERVED_FOR).await;
        }
        self.http_closing.send_replace(true);
        for task in self.tasks {
            task.await.context("a listener did not end in order")?;
        }
        srt_ended
            .await
            .context("the SRT listener did not end in order")?;
        if let Some(objects) = &self.objects {
            objects.shut_down().await;
        }
        self.database.close().await;
        limit.abort();
        tracing::info!(http = %self.front.counters(), "stopped");
        Ok(())
    }

    /// The supervisor, for publishers inside this process.
    pub(crate) fn streams(&self) -> storage::Streams {
        self.database.streams()
    }

    /// Makes new keys valid at once.
    pub(crate) async fn reload_keys(&self) -> anyhow::Result<()> {
        let keys = self.database.streams().keys().await?;
        control_api::Broadcasts::keys_changed(&self.supervisor, keys);
        Ok(())
    }
}

/// Opens the database, which is in the data folder unless it is said where.
pub(crate) async fn open_database(config: &Config) -> anyhow::Result<Database> {
    Ok(Database::open_at(&location(config)?).await?)
}

/// Where the database is.
pub(crate) fn location(config: &Config) -> anyhow::Result<Location> {
    Ok(match &config.database {
        Some(location) => location.clone(),
        None => Location::in_folder(&config.data)?,
    })
}

fn admin_token(config: &Config) -> anyhow::Result<AdminToken> {
    Ok(match &config.admin_token {
        Some(token) => AdminToken::configured(token.clone()),
        None => storage::admin_token::load_or_create(&config.data)?,
    })
}

/// How broadcasts are transcoded on this machine, and what that costs; says what a first one gets.
fn encoding(config: &Config) -> anyhow::Result<(Encoding, Overload)> {
    let ladder = &config.ladder;
    let slate_image = config.slate.image.as_deref().map(graph::SlateImage::load);
    let (encoder, cores) = (
        ladder.encoder.resolve()?,
        std::thread::available_parallelism()?.get(),
    );
    let overload = Overload::new(overload::Settings {
        admission: config.ingest.admission,
        cores,
        encoder,
        preset: ladder.preset,
        rungs: ladder.ladder.rungs.clone(),
        passes_source: ladder.source != graph::SourceUse::Encode,
    });
    let encoding = Encoding {
        ladder: ladder.ladder.clone(),
        segment: config.hls.segment,
        part: config.hls.part,
        encoder,
        preset: ladder.preset,
        profile: ladder.profile,
        source: ladder.source,
        threads: ladder.threads,
        cores,
        slate: graph::SlateSettings {
            image: slate_image.transpose()?,
            text: config.slate.text.clone(),
        },
        shedding: overload.shedding().clone(),
    };
    let first = encoding.settings(1);
    tracing::info!(
        encoder = %first.encoder,
        preset = %first.preset,
        profile = %first.profile,
        threads = first.threads,
        cores = encoding.cores,
        "encoder chosen"
    );
    Ok((encoding, overload))
}

/// Who is asked about publishers.
fn on_publish(config: &Config, tls: tls::client::Config) -> Option<Arc<OnPublish>> {
    let hook = config.on_publish.as_ref()?;
    tracing::info!(url = ?hook.url, on_failure = ?hook.on_failure, "publishers are asked about");
    let (url, timeout) = (hook.url.clone(), hook.timeout);
    Some(Arc::new(OnPublish::new(url, timeout, hook.on_failure, tls)))
}

/// How far playlists reach, and where what memory does not hold goes.
fn playlists(config: &Config) -> anyhow::Result<Playlists> {
    let rewind = match config.hls.dvr {
        Some(reach) => Some(Rewind {
            reach,
            folder: storage::dvr::Folder::open(&config.data)?,
            reserve: config.recording.reserve,
        }),
        None => None,
    };
    Ok(Playlists {
        window: config.hls.window,
        rewind,
    })
}

/// Where plain HTTP is sent to.
fn redirect(config: &Config) -> Option<Redirect> {
    let tls = config.tls.as_ref().filter(|tls| tls.redirect);
    tls.map(|_| Redirect::new(config.public.http.as_ref(), config.https.port()))
}

fn urls(config: &Config) -> Urls {
    let same_host = |port| PublishAddress::SameHost { port };
    Urls {
        http: config.public.http.clone(),
        rtmp: config
            .public
            .rtmp
            .clone()
            .map_or_else(|| same_host(config.rtmp.port()), PublishAddress::Public),
        srt: config
            .public
            .srt
            .clone()
            .map_or_else(|| same_host(config.srt.port()), PublishAddress::Public),
    }
}
