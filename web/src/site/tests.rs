use super::*;

const FILES: &[File] = &[
    File {
        name: "assets/watch-K3F9.js",
        tag: "00aa",
        plain: b"plain script",
        gzip: Some(b"gzip script"),
        brotli: Some(b"brotli script"),
    },
    File {
        name: "api.html",
        tag: "00dd",
        plain: b"api",
        gzip: None,
        brotli: None,
    },
    File {
        name: "index.html",
        tag: "00bb",
        plain: b"landing",
        gzip: None,
        brotli: None,
    },
    File {
        name: "watch.html",
        tag: "00cc",
        plain: b"watch",
        gzip: Some(b"gzip watch"),
        brotli: None,
    },
];
const BUILT: Site = Site { files: FILES };
const EMPTY: Site = Site { files: &[] };

fn request(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect()
}

fn get(site: &Site, path: &str, fields: &[(HeaderName, &'static str)]) -> Response<Bytes> {
    site.respond(&Method::GET, path, &request(fields))
        .expect("a path of ours")
}

fn field(response: &Response<Bytes>, name: HeaderName) -> &str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[test]
fn every_watch_path_is_the_same_page() {
    for path in ["/watch/k3f9", "/watch/what-is-this", "/watch/a%20b"] {
        let page = get(&BUILT, path, &[]);
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.body(), "watch");
        assert_eq!(
            field(&page, header::CONTENT_TYPE),
            "text/html; charset=utf-8"
        );
        assert_eq!(field(&page, header::CACHE_CONTROL), "no-cache");
    }
    assert_eq!(get(&BUILT, "/", &[]).body(), "landing");
    assert_eq!(get(&BUILT, "/api/docs", &[]).body(), "api");
}

#[test]
fn what_belongs_to_others_is_left_to_them() {
    let long = format!("/watch/{}", "x".repeat(ID_BYTES_MAX + 1));
    for path in [
        "",
        "/api/v1/streams",
        "/api/docs/",
        "/live/k3f9/master.m3u8",
        "/health",
        "/watch",
        "/watch/",
        "/watch/a/b",
        "/index.html",
        "/assets",
        &long,
    ] {
        assert!(
            BUILT
                .respond(&Method::GET, path, &HeaderMap::new())
                .is_none(),
            "{path}"
        );
    }
}

#[test]
fn assets_are_immutable_and_missing_ones_are_not_cached() {
    let script = get(&BUILT, "/assets/watch-K3F9.js", &[]);
    assert_eq!(script.status(), StatusCode::OK);
    assert_eq!(field(&script, header::CACHE_CONTROL), CACHE_HASHED);
    assert_eq!(
        field(&script, header::CONTENT_TYPE),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(field(&script, header::X_CONTENT_TYPE_OPTIONS), "nosniff");

    for path in [
        "/assets/",
        "/assets/watch-OLD.js",
        "/assets/../watch.html",
        "/assets//x",
    ] {
        let missing = get(&BUILT, path, &[]);
        assert_eq!(missing.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(field(&missing, header::CACHE_CONTROL), "no-store");
    }
}

#[test]
fn the_best_accepted_encoding_is_sent() {
    let cases = [
        ("", "", "plain script"),
        ("gzip", "gzip", "gzip script"),
        ("gzip, deflate, br", "br", "brotli script"),
        ("GZIP;q=0.5, identity", "gzip", "gzip script"),
        ("br;q=0, gzip;q=0.000", "", "plain script"),
        ("broken", "", "plain script"),
    ];
    for (accepted, encoding, body) in cases {
        let script = get(
            &BUILT,
            "/assets/watch-K3F9.js",
            &[(header::ACCEPT_ENCODING, accepted)],
        );
        assert_eq!(
            field(&script, header::CONTENT_ENCODING),
            encoding,
            "{accepted:?}"
        );
        assert_eq!(script.body(), body, "{accepted:?}");
        assert_eq!(field(&script, header::VARY), "accept-encoding");
    }
}

#[test]
fn a_known_tag_is_answered_without_a_body() {
    let page = get(&BUILT, "/watch/k3f9", &[(header::ACCEPT_ENCODING, "gzip")]);
    assert_eq!(field(&page, header::ETAG), "\"00cc-gzip\"");
    for known in [
        "\"00cc-gzip\"",
        "W/\"00cc-gzip\"",
        "\"other\", \"00cc-gzip\"",
        "*",
    ] {
        let again = get(
            &BUILT,
            "/watch/k3f9",
            &[
                (header::ACCEPT_ENCODING, "gzip"),
                (header::IF_NONE_MATCH, known),
            ],
        );
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert!(again.body().is_empty());
        assert_eq!(field(&again, header::ETAG), "\"00cc-gzip\"");
        assert_eq!(field(&again, header::CONTENT_LENGTH), "");
    }
    let other = get(
        &BUILT,
        "/watch/k3f9",
        &[(header::IF_NONE_MATCH, "\"00cc-gzip\"")],
    );
    assert_eq!(other.status(), StatusCode::OK);
}

#[test]
fn the_policy_lets_the_player_work_and_nothing_inline() {
    let page = get(&BUILT, "/watch/k3f9", &[]);
    let policy = field(&page, header::CONTENT_SECURITY_POLICY);
    let directives: Vec<&str> = policy.split("; ").collect();
    for wanted in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
    ] {
        assert!(directives.contains(&wanted), "{wanted} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[test]
fn head_has_the_length_of_get_and_other_methods_are_refused() {
    let head = BUILT
        .respond(&Method::HEAD, "/watch/k3f9", &HeaderMap::new())
        .unwrap();
    assert_eq!(field(&head, header::CONTENT_LENGTH), "5");
    assert!(head.body().is_empty());

    let post = BUILT
        .respond(&Method::POST, "/watch/k3f9", &HeaderMap::new())
        .unwrap();
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(field(&post, header::ALLOW), "GET, HEAD");
}

#[test]
fn a_server_built_without_the_pages_says_how_to_build_them() {
    assert!(BUILT.is_built());
    assert!(!EMPTY.is_built());
    for path in ["/", "/watch/k3f9"] {
        let page = get(&EMPTY, path, &[]);
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.body(), NOT_BUILT);
        assert_eq!(field(&page, header::CACHE_CONTROL), "no-store");
    }
    let text = std::str::from_utf8(NOT_BUILT).unwrap();
    assert!(text.contains("make web"));
    assert_eq!(
        get(&EMPTY, "/assets/watch-K3F9.js", &[]).status(),
        StatusCode::NOT_FOUND
    );
}

#[test]
fn the_icon_is_there_either_way() {
    for site in [&BUILT, &EMPTY] {
        let icon = get(site, "/favicon.ico", &[]);
        assert_eq!(icon.status(), StatusCode::OK);
        assert_eq!(field(&icon, header::CONTENT_TYPE), "image/svg+xml");
        let tag = HeaderValue::from_str(field(&icon, header::ETAG)).unwrap();
        let mut known = HeaderMap::new();
        known.insert(header::IF_NONE_MATCH, tag);
        let again = site.respond(&Method::GET, "/favicon.svg", &known).unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
}
