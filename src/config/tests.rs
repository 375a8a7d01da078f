use storage::objects::Playback;

use super::*;

fn load(variables: &[(&str, &str)], flags: Flags) -> Result<Config, Error> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(None, variables.collect::<Vec<_>>().into_iter(), flags)
}

fn file(text: &str) -> (PathBuf, impl Drop) {
    struct Remove(PathBuf);
    impl Drop for Remove {
        fn drop(&mut self) {
            let _gone = std::fs::remove_file(&self.0);
        }
    }
    let name = format!(
        "millrace-config-{}-{:x}.toml",
        std::process::id(),
        rand::random::<u64>()
    );
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).expect("the temporary folder is writable");
    (path.clone(), Remove(path))
}

#[test]
fn the_defaults_are_the_ladder_of_the_design() {
    let config = load(&[], Flags::new()).expect("the defaults are valid");
    assert_eq!(config.ladder.ladder, Ladder::standard());
    assert_eq!(config.http.port(), 8080);
    assert_eq!(config.hls.part, Duration::from_millis(333));
}

#[test]
fn a_flag_is_over_a_variable_and_a_variable_over_the_file() {
    let (path, _remove) = file(
        "http = \"127.0.0.1:1\"\nrtmp = \"127.0.0.1:2\"\nsrt = \"127.0.0.1:3\"\n[hls]\npart_ms = 200\n",
    );
    let variables = [
        ("MILLRACE_RTMP", "127.0.0.1:20"),
        ("MILLRACE_SRT", "127.0.0.1:30"),
    ];
    let config = Config::load(
        Some(&path),
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        vec![("srt", "--srt", "127.0.0.1:300".to_owned())],
    )
    .expect("all are valid");
    let ports = (config.http.port(), config.rtmp.port(), config.srt.port());
    assert_eq!(ports, (1, 20, 300));
    assert_eq!(config.hls.part, Duration::from_millis(200));
}

#[test]
fn a_wrong_key_is_named_with_the_right_one() {
    let (path, _remove) = file("[hls]\nprt_ms = 200\n");
    let error = Config::load(Some(&path), std::iter::empty(), Flags::new()).expect_err("wrong");
    let expected = format!(
        "{}: hls.prt_ms is not a setting, did you mean hls.part_ms? (all settings: millrace serve --help)",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    let error = load(&[("MILLRACE_HLS_PARTS_MS", "200")], Flags::new()).expect_err("wrong");
    assert!(
        error
            .to_string()
            .contains("did you mean MILLRACE_HLS_PART_MS?"),
        "{error}"
    );
}

#[test]
fn a_variable_of_somebody_elses_is_left_alone_and_one_in_our_tables_is_not() {
    load(&[("MILLRACE_LADDER_COLOUR", "red")], Flags::new()).expect_err("no such setting");
    load(&[("MILLRACE_BIN", "target/release/millrace")], Flags::new()).expect("a script's own");
}

#[test]
fn a_wrong_value_is_named_with_where_it_stands() {
    for (name, value, expected) in [
        (
            "MILLRACE_HLS_PART_MS",
            "9",
            "hls.part_ms = \"9\" (MILLRACE_HLS_PART_MS): a whole number from 100 to 1000 is expected",
        ),
        (
            "MILLRACE_LADDER_PRESET",
            "warp",
            "ladder.preset = \"warp\" (MILLRACE_LADDER_PRESET): \"warp\" is not one of ultrafast, superfast, veryfast, faster, fast, medium",
        ),
        (
            "MILLRACE_LADDER_RUNGS",
            "a 16x16 100k, b 32x32 100k",
            "ladder.rungs = \"a 16x16 100k, b 32x32 100k\" (MILLRACE_LADDER_RUNGS): b is larger than a before it",
        ),
        (
            "MILLRACE_ADMIN_TOKEN",
            "with space",
            "admin_token = \"…\" (MILLRACE_ADMIN_TOKEN): 24 to 512 visible ASCII characters are expected",
        ),
        (
            "MILLRACE_ADMIN_TOKEN",
            "short-enough-to-guess",
            "admin_token = \"…\" (MILLRACE_ADMIN_TOKEN): 24 to 512 visible ASCII characters are expected",
        ),
        (
            "MILLRACE_HTTP_TRUSTED_PROXIES",
            "10.0.0.0/8, proxy",
            "http_trusted_proxies = \"10.0.0.0/8, proxy\" (MILLRACE_HTTP_TRUSTED_PROXIES): address 2 is none: an IP address, or a network like 192.0.2.0/24, is",
        ),
        (
            "MILLRACE_DATABASE_URL",
            "postgress://mill:hunter2@db/live",
            "database.url = \"…\" (MILLRACE_DATABASE_URL): postgres://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:FILE is expected",
        ),
        (
            "MILLRACE_HOOKS_ON_PUBLISH",
            "https://mill:hunter2@auth.example/",
            "hooks.on_publish = \"…\" (MILLRACE_HOOKS_ON_PUBLISH): an address has no user and no password in it; the signature shows who calls",
        ),
    ] {
        let error = load(&[(name, value)], Flags::new()).expect_err("wrong");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn metrics_are_there_by_default_and_not_where_the_setting_is_empty() {
    let load = |variables: &[_]| load(variables, Flags::new()).expect("valid").metrics;
    let default = load(&[]).expect("there by default");
    assert_eq!(default.address, SocketAddr::from(([127, 0, 0, 1], 9998)));
    assert!(default.by_default);
    // The same address, but asked for.
    let asked = load(&[("MILLRACE_METRICS", "127.0.0.1:9998")]).expect("configured");
    assert!(!asked.by_default);
    assert!(load(&[("MILLRACE_METRICS", "")]).is_none());
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_line() {
    let (path, _remove) = file("http = \"127.0.0.1:1\"\nrtmp = = 2\n");
    let error = Config::load(Some(&path), std::iter::empty(), Flags::new()).expect_err("no TOML");
    assert!(error.to_string().contains("line 2:"), "{error}");
}

#[test]
fn hsts_is_on_by_itself_only_where_viewers_name_no_port() {
    let (certificate, key) = (
        ("MILLRACE_TLS_CERTIFICATE", "cert.pem"),
        ("MILLRACE_TLS_KEY", "key.pem"),
    );
    for (variables, expected) in [
        (vec![], 0),
        (vec![("MILLRACE_HTTPS", "0.0.0.0:443")], HSTS_S_AUTO),
        (
            vec![("MILLRACE_PUBLIC_HTTP", "https://a.example")],
            HSTS_S_AUTO,
        ),
        (vec![("MILLRACE_PUBLIC_HTTP", "https://a.example:8443")], 0),
        (vec![("MILLRACE_PUBLIC_HTTP", "http://a.example")], 0),
        (vec![("MILLRACE_TLS_HSTS_S", "60")], 60),
    ] {
        let variables = [variables, vec![certificate, key]].concat();
        let config = load(&variables, Flags::new()).expect("valid");
        let tls = config.tls.expect("configured");
        assert_eq!(tls.hsts_s, expected, "{variables:?}");
        assert!(tls.redirect, "by default");
    }
    for (name, value) in [
        ("MILLRACE_TLS_HSTS_S", "for ever"),
        ("MILLRACE_TLS_REDIRECT", "maybe"),
        ("MILLRACE_HTTP_CONNECTIONS_PER_ADDRESS", "0"),
    ] {
        load(&[(name, value), certificate, key], Flags::new()).expect_err("wrong");
    }
}

#[test]
fn a_hook_that_cannot_be_called_is_found_at_the_start() {
    let load = |variables: &[_]| load(variables, Flags::new());
    assert!(load(&[]).expect("valid").on_publish.is_none());
    let url = ("MILLRACE_HOOKS_ON_PUBLISH", "http://127.0.0.1:9000/auth");
    let hook = load(&[url]).expect("valid").on_publish.expect("configured");
    assert_eq!(hook.url.as_str(), url.1);
    assert_eq!(hook.timeout, Duration::from_secs(2));
    assert_eq!(hook.on_failure, OnFailure::Deny);
    let allow = ("MILLRACE_HOOKS_ON_PUBLISH_FAILURE", "allow");
    let hook = load(&[url, allow]).expect("valid").on_publish;
    assert_eq!(hook.expect("configured").on_failure, OnFailure::Allow);
    for (name, value) in [
        ("MILLRACE_HOOKS_ON_PUBLISH", "127.0.0.1:9000/auth"),
        ("MILLRACE_HOOKS_ON_PUBLISH_FAILURE", "maybe"),
        ("MILLRACE_HOOKS_ON_PUBLISH_TIMEOUT_MS", "10"),
    ] {
        load(&[(name, value)]).expect_err("wrong");
    }
}

#[test]
fn nobody_can_register_and_no_page_elsewhere_can_call_unless_it_is_said() {
    let api = load(&[], Flags::new()).expect("the defaults are valid").api;
    assert_eq!(api.registration, Registration::Closed);
    assert_eq!(api.cors_origins, []);
    assert_eq!(api.limits, Limits::default());
    let variables = [
        ("MILLRACE_API_REGISTRATION", "invitation"),
        (
            "MILLRACE_API_CORS_ORIGINS",
            "https://app.example.org, http://localhost:3000",
        ),
        ("MILLRACE_API_LOGINS_PER_MINUTE", "10"),
        ("MILLRACE_API_LOGIN_BAN_S", "60"),
    ];
    let api = load(&variables, Flags::new()).expect("all are valid").api;
    assert_eq!(api.registration, Registration::Invitation);
    assert_eq!(api.cors_origins.len(), 2);
    assert_eq!(api.limits.logins_per_minute.get(), 10);
    assert_eq!(api.limits.login_ban, Duration::from_secs(60));
    for wrong in [
        ("MILLRACE_API_REGISTRATION", "everybody"),
        ("MILLRACE_API_CORS_ORIGINS", "*"),
        ("MILLRACE_API_CORS_ORIGINS", "https://a.example,"),
        ("MILLRACE_API_REQUESTS_PER_MINUTE", "0"),
        ("MILLRACE_API_LOGIN_BAN_S", "0"),
    ] {
        assert!(load(&[wrong], Flags::new()).is_err(), "{wrong:?}");
    }
}

#[test]
fn media_stays_in_the_data_folder_unless_it_is_said() {
    let load = |variables: &[_]| load(variables, Flags::new());
    assert!(load(&[]).expect("valid").objects.is_none());
    let url = ("MILLRACE_STORAGE_URL", "s3://media/tv");
    let choice = load(&[url]).expect("valid").objects.expect("configured");
    assert_eq!((choice.url.as_str(), choice.keep_local_bytes), (url.1, 0));
    assert_eq!(choice.playback, Playback::Proxy);
    let signed = ("MILLRACE_STORAGE_PLAYBACK", "signed");
    let kept = ("MILLRACE_STORAGE_KEEP_LOCAL_GIB", "10");
    let choice = load(&[url, signed, kept]).expect("valid").objects;
    let choice = choice.expect("configured");
    assert_eq!(choice.keep_local_bytes, 10 << 30);
    let ttl = Duration::from_secs(21_600);
    assert_eq!(choice.playback, Playback::Signed { ttl });
    let cdn = ("MILLRACE_STORAGE_PLAYBACK", "cdn");
    let address = ("MILLRACE_STORAGE_CDN", "https://cdn.example.org/tv");
    let choice = load(&[url, cdn, address]).expect("valid").objects;
    let expected = Playback::cdn(address.1).expect("an address");
    assert_eq!(choice.expect("configured").playback, expected);
    for wrong in [
        // Nothing signs, and nowhere to go.
        vec![signed],
        vec![url, cdn],
        vec![url, ("MILLRACE_STORAGE_CDN", "cdn.example.org")],
        vec![url, ("MILLRACE_STORAGE_SIGNED_S", "59")],
        vec![("MILLRACE_STORAGE_PLAYBACK", "direct")],
    ] {
        assert!(load(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn recordings_still_have_the_disk_when_uploads_get_none_of_it() {
    let reserves = |variables: &[(&str, &str)]| {
        let config = load(variables, Flags::new()).expect("valid");
        (config.uploads.reserve, config.recording.reserve)
    };
    let (uploads, recordings) = reserves(&[]);
    assert!(
        uploads.bytes > recordings.bytes,
        "{uploads:?} {recordings:?}"
    );
    assert!(uploads.percent > recordings.percent);
    // Whatever is said of recordings holds for uploads too.
    let (uploads, recordings) = reserves(&[("MILLRACE_RECORDING_RESERVE_MIB", "900000")]);
    assert_eq!(uploads.bytes, recordings.bytes);
}
