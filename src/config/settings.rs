//! Every setting once: its path, default, unit and meaning. `--help`, the example file, the names
//! of variables and the check for unknown keys are all made from this table.

/// A setting.
pub(crate) struct Setting {
    /// Its path in the file; its variable is made from it.
    pub(crate) path: &'static str,
    /// Its default as it would stand in the file; empty: none.
    pub(crate) default: &'static str,
    /// What it does, with its unit.
    pub(crate) meaning: &'static str,
}

const fn setting(path: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting {
        path,
        default,
        meaning,
    }
}

/// All settings, in the order of the example file: those without a table first.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "data",
        "./data",
        "Folder of the database, the admin token and all media.",
    ),
    setting(
        "admin_token",
        "",
        "The operator's bearer token, of 24 characters and more. Unset: generated once into DATA/admin-token.",
    ),
    setting(
        "http",
        "0.0.0.0:8080",
        "Address of pages, API and playback.",
    ),
    setting(
        "https",
        "0.0.0.0:8443",
        "Address of the same by HTTPS (HTTP/2 and HTTP/1.1); used where tls.certificate is set.",
    ),
    setting(
        "http_connections_per_address",
        "4096",
        "HTTP and HTTPS connections at once of one address (IPv6: of one /64), 1 to 65536. This machine's own and trusted proxies' are not counted.",
    ),
    setting(
        "http_trusted_proxies",
        "",
        "Addresses and networks of reverse proxies, such as 127.0.0.1, 10.0.0.0/8: whom they name in X-Forwarded-For counts as the client, and their connections are not counted. Unset: none.",
    ),
    setting("rtmp", "0.0.0.0:1935", "Address of the RTMP listener."),
    setting(
        "rtmps",
        "0.0.0.0:1936",
        "Address of the RTMPS listener; used where tls.certificate is set.",
    ),
    setting("srt", "0.0.0.0:8890", "Address (UDP) of the SRT listener."),
    setting(
        "metrics",
        "127.0.0.1:9998",
        "Address of GET /metrics, for Prometheus; empty: none. It names streams and asks for no password.",
    ),
    setting(
        "database.url",
        "",
        "postgres://USER:PASSWORD@HOST:PORT/DATABASE, or sqlite:FILE. Unset: DATA/millrace.db (SQLite). Media and secrets stay in DATA.",
    ),
    setting(
        "tls.certificate",
        "",
        "PEM file with the certificate chain for HTTPS and RTMPS. Read again when it changes.",
    ),
    setting("tls.key", "", "PEM file with its private key."),
    setting(
        "tls.redirect",
        "true",
        "Where tls.certificate is set: send plain HTTP to HTTPS, except from this machine and for /health.",
    ),
    setting(
        "tls.hsts_s",
        "auto",
        "For how many seconds browsers shall insist on HTTPS for this host, 0 to 63072000. auto: 15552000 where viewers use port 443 (in public.http or https), else 0.",
    ),
    setting(
        "public.http",
        "",
        "Base URL that viewers use, such as https://live.example.org. Unset: the host of the request.",
    ),
    setting(
        "public.rtmp",
        "",
        "host:port that RTMP encoders use. Unset: the host of the request and the port of `rtmp`.",
    ),
    setting(
        "public.srt",
        "",
        "host:port that SRT encoders use. Unset: likewise with `srt`.",
    ),
    setting(
        "api.registration",
        "closed",
        "Who may register: open (everybody), invitation (who has one) or closed. The operator and admins can always make users.",
    ),
    setting(
        "api.cors_origins",
        "",
        "Origins whose pages may call the API from a browser, such as https://app.example.org, separated by commas. Unset: this server's own pages alone.",
    ),
    setting(
        "api.requests_per_minute",
        "100",
        "API requests a minute of one address (IPv6: of one /64), 1 to 1000000. Those with the admin token, of watch pages and for /health are not counted.",
    ),
    setting(
        "api.registrations_per_hour",
        "10",
        "Accounts that can be made in an hour from one address (IPv6: from one /64), but by the operator and admins, 1 to 1000000.",
    ),
    setting(
        "api.logins_per_minute",
        "5",
        "Wrong passwords in any minute from one address (IPv6: from one /64), 1 to 1000.",
    ),
    setting(
        "api.login_ban_s",
        "900",
        "For how many seconds an address that then tries one more, right or wrong, may try none, 1 to 86400.",
    ),
    setting(
        "hls.segment_ms",
        "2000",
        "Length of a segment in milliseconds, 1000 to 10000, rounded to whole frames.",
    ),
    setting(
        "hls.part_ms",
        "333",
        "Length of a part in milliseconds, 100 to 1000, rounded so that a segment has equal parts (never below 128). Shorter: less delay, more requests.",
    ),
    setting(
        "hls.window_s",
        "20",
        "Length of a live playlist in seconds, 6 to 3600, at least six segments. It and as much again stay in memory.",
    ),
    setting(
        "hls.dvr_s",
        "7200",
        "How far viewers can rewind a running broadcast, in seconds, up to 86400; 0: no further than the live playlist. A minute is in memory, the rest in the recording; what is not recorded is in DATA/dvr: up to twice this at the ladder's bitrate, until the broadcast has ended.",
    ),
    setting(
        "ladder.rungs",
        "1080p 1920x1080 5000k, 720p 1280x720 2500k, 480p 854x480 1200k, 360p 640x360 800k",
        "Video renditions from high to low: name, size, bitrate. A source is never enlarged.",
    ),
    setting(
        "ladder.audio_kbps",
        "128",
        "Bitrate of the shared AAC rendition in kbit/s, 32 to 512.",
    ),
    setting(
        "ladder.encoder",
        "auto",
        "auto, x264, va, nvcodec, qsv or v4l2. auto: the first hardware encoder that works, else x264.",
    ),
    setting(
        "ladder.preset",
        "auto",
        "x264's speed: ultrafast, superfast, veryfast, faster, fast, medium. auto: by the cores each broadcast has.",
    ),
    setting(
        "ladder.profile",
        "low-latency",
        "low-latency, or quality: lookahead, for a second more of delay.",
    ),
    setting(
        "ladder.source",
        "encode",
        "encode: every rendition is encoded. top: an H.264 source that has the highest rendition's size and no B-frames is that rendition as it comes, and segments begin at its keyframes; another source is encoded.",
    ),
    setting(
        "ladder.threads",
        "0",
        "Threads of one x264 encoder, 0 to 32. 0: one, or more where there are more than 4 cores a broadcast.",
    ),
    setting(
        "ingest.broadcasts_max",
        "16",
        "Broadcasts at once, 1 to 64. With ladder.preset = auto each new one gets the preset for its share of the cores.",
    ),
    setting(
        "ingest.admission",
        "refuse",
        "What becomes of a further broadcast that this machine cannot encode in real time beside those that run: refuse, source (its H.264 source is its one rendition, as it comes) or off (it is let in).",
    ),
    setting(
        "ingest.reconnect_ms",
        "60000",
        "How long a broadcast waits for a publisher that was lost, in milliseconds, 0 to 3600000: viewers see the slate meanwhile. A stream may have another time.",
    ),
    setting(
        "ingest.srt_latency_ms",
        "120",
        "SRT's time for retransmissions in milliseconds, 20 to 10000. The caller may ask for more.",
    ),
    setting(
        "slate.image",
        "",
        "Image (PNG or JPEG) that viewers see while no publisher sends. Unset: the last picture, dimmed, with slate.text on it.",
    ),
    setting(
        "slate.text",
        "Reconnecting",
        "A line on the dimmed picture, up to 60 characters, Latin letters; empty: none.",
    ),
    setting(
        "hooks.on_publish",
        "",
        "URL that is asked, by POST, whether a publisher with a valid key may publish; 2xx lets it in. Empty: nobody is asked.",
    ),
    setting(
        "hooks.on_publish_timeout_ms",
        "2000",
        "How long it may take to answer, in milliseconds, 100 to 10000. The publisher's media is held meanwhile.",
    ),
    setting(
        "hooks.on_publish_failure",
        "deny",
        "What becomes of the publisher where it does not answer in time, or at all: deny or allow.",
    ),
    setting(
        "recording.record",
        "true",
        "Record broadcasts of streams that do not say otherwise, into DATA/assets.",
    ),
    setting(
        "recording.renditions",
        "",
        "Which renditions, such as \"720p, audio\". Unset: all. A stream may have others.",
    ),
    setting(
        "recording.reserve_mib",
        "1024",
        "Recording stops, and the broadcast goes on, where less than this is free on the disk, in MiB; never more than 5 % of the disk is kept free.",
    ),
    setting(
        "recording.keep_days",
        "0",
        "Delete recordings so many days after their end, 0 to 3650; 0: never. A stream may have another number.",
    ),
    setting(
        "recording.keep_stream_gib",
        "0",
        "Delete a stream's oldest recordings where all of them have more than so many GiB; 0: no bound. A stream may have another bound.",
    ),
    setting(
        "recording.keep_total_gib",
        "0",
        "Delete the oldest recordings where all have more than so many GiB; 0: no bound.",
    ),
    setting(
        "storage.url",
        "",
        "Where media goes as it is recorded: another folder (/srv/media), or s3://BUCKET or s3://BUCKET/PREFIX, with endpoint and credentials in AWS_ variables. Unset: it stays in DATA/assets.",
    ),
    setting(
        "storage.playback",
        "proxy",
        "How viewers get at media in S3: proxy (through this process), signed (redirected to signed URLs) or cdn (redirected to storage.cdn).",
    ),
    setting(
        "storage.cdn",
        "",
        "Address of the CDN in front of the bucket, to which an object's path in the bucket is appended; used where storage.playback is cdn.",
    ),
    setting(
        "storage.signed_s",
        "21600",
        "For how many seconds a signed URL is valid, 60 to 604800: a player that was redirected reads by it to the end.",
    ),
    setting(
        "storage.keep_local_gib",
        "0",
        "GiB of media in storage.url that stay in DATA/assets too, those played last; 0: none.",
    ),
    setting(
        "uploads.max_gib",
        "10",
        "The largest file that can be uploaded into the VOD library, in GiB, 1 to 1024.",
    ),
    setting(
        "uploads.owner_gib",
        "50",
        "GiB that a user's files may have together that are on their way or not encoded yet; the operator's may have any.",
    ),
    setting(
        "uploads.reserve_mib",
        "5120",
        "Uploads are refused, and their encoding waits for another try, where less than this would be free on the disk, in MiB; at least recording.reserve_mib, and never more than 15 % of the disk is kept free.",
    ),
    setting(
        "log.level",
        "info",
        "error, warn, info, debug or trace; or a filter such as info,ingest=debug.",
    ),
    setting("log.format", "text", "text or json."),
];

/// The prefix of every variable.
pub(crate) const VARIABLE_PREFIX: &str = "MILLRACE_";

impl Setting {
    /// The variable that sets it: `hls.part_ms` is `MILLRACE_HLS_PART_MS`.
    pub(crate) fn variable(&self) -> String {
        format!(
            "{VARIABLE_PREFIX}{}",
            self.path.replace('.', "_").to_uppercase()
        )
    }
}

/// The commented example file.
pub(crate) fn example_file() -> String {
    let mut out = String::from(
        "# Every setting of Millrace with its default. A variable overrides the file and a flag\n\
         # overrides both; the variable of hls.part_ms is MILLRACE_HLS_PART_MS.\n",
    );
    let mut table = "";
    for setting in SETTINGS {
        let (name_table, name) = setting.path.split_once('.').unwrap_or(("", setting.path));
        if name_table != table {
            table = name_table;
            out.push_str(&format!("\n[{table}]\n"));
        }
        out.push_str(&format!("\n# {}\n", setting.meaning));
        let is_bare = setting.default.parse::<i64>().is_ok() || setting.default == "true";
        let value = match is_bare {
            true => setting.default.to_owned(),
            false => format!("{:?}", setting.default),
        };
        let comment = if setting.default.is_empty() { "# " } else { "" };
        out.push_str(&format!("{comment}{name} = {value}\n"));
    }
    out
}

/// The table of settings for `--help`.
pub(crate) fn help_table() -> String {
    let mut out = String::from("Settings (in the file, or by variable):\n");
    for setting in SETTINGS {
        let default = match setting.default {
            "" => String::new(),
            default => format!(" [default: {default}]"),
        };
        out.push_str(&format!(
            "  {}  ({})\n      {}{default}\n",
            setting.path,
            setting.variable(),
            setting.meaning
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_by_its_path() {
        let part = SETTINGS
            .iter()
            .find(|setting| setting.path == "hls.part_ms")
            .expect("it is there");
        assert_eq!(part.variable(), "MILLRACE_HLS_PART_MS");
    }

    #[test]
    fn the_example_file_in_the_repository_is_the_one_made_from_the_table() {
        let committed = include_str!("../../millrace.example.toml");
        assert_eq!(
            committed,
            example_file(),
            "write it anew: millrace example-config"
        );
    }
}
