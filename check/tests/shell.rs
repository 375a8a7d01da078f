//! The shell against a server over real sockets: TLS, HTTP/2, gzip, redirections, and its bounds.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use check::report::Outcome;
use check::{Failed, Options, Report, Session, Trust, follow, rules};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A second of FFmpeg's transport stream.
const SEGMENT: &[u8] = include_bytes!("../../fixtures/media/testsrc-160x90-aac.ts");

const MASTER: &str = "#EXTM3U\n\
    #EXT-X-STREAM-INF:BANDWIDTH=400000,CODECS=\"avc1.42c00b,mp4a.40.2\",RESOLUTION=160x90\n\
    live.m3u8\n";

/// Long enough to be worth compressing.
fn playlist() -> String {
    let padding = "# a comment that says nothing\n".repeat(40);
    format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n{padding}#EXT-X-TARGETDURATION:1\n#EXTINF:1.000,\na.ts\n\
         #EXT-X-ENDLIST\n"
    )
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let body = match path {
        "/old/master.m3u8" => {
            let response = Response::builder()
                .status(StatusCode::FOUND)
                .header("location", "/new/master.m3u8")
                .body(Full::default());
            return Ok(response.expect("a response"));
        }
        "/new/master.m3u8" | "/stuck/master.m3u8" => Bytes::from(MASTER),
        "/new/live.m3u8" => Bytes::from(playlist()),
        "/new/a.ts" => Bytes::from_static(SEGMENT),
        "/stuck/live.m3u8" => std::future::pending().await,
        _ => {
            let response = Response::builder()
                .status(StatusCode::NOT_FOUND)
                .body(Full::default());
            return Ok(response.expect("a response"));
        }
    };
    let gzip = request.headers().get("accept-encoding");
    let response = Response::builder();
    let response = match gzip.is_some_and(|it| it == "gzip") && path.ends_with(".m3u8") {
        true => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&body).expect("memory");
            let body = Bytes::from(encoder.finish().expect("memory"));
            response
                .header("content-encoding", "gzip")
                .body(Full::new(body))
        }
        false => response.body(Full::new(body)),
    };
    Ok(response.expect("a response"))
}

/// Starts a server and returns its port and the certificate (PEM) that it is believed with.
async fn serve() -> (u16, tempfile::NamedTempFile) {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a key");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(key.cert.pem().as_bytes()).expect("room");
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .expect("a certificate");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not believe the certificate hangs up.
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service_fn(answer))
                        .await;
                }
            });
        }
    });
    (port, file)
}

fn options(trust: Trust) -> Options {
    Options {
        watch: Duration::from_secs(1),
        trust,
        http1: false,
    }
}

async fn look(port: u16, path: &str, options: &Options) -> Result<Session, Failed> {
    follow(&format!("https://localhost:{port}/{path}"), options).await
}

fn is_kept(report: &Report, id: &str) -> bool {
    let judged = report.rule(id).expect("a rule");
    matches!(judged.outcome, Outcome::Kept { .. })
}

#[tokio::test]
async fn a_server_with_tls_http2_gzip_and_a_redirection_is_followed() {
    let (port, ca) = serve().await;
    let options = options(Trust::File(ca.path().to_owned()));
    let session = look(port, "old/master.m3u8", &options)
        .await
        .expect("a session");
    let report = rules::judge(&session, false);
    for id in [
        "http.http2",
        "http.gzip",
        "http.identity",
        "http.media-answers",
        "mv.codecs-true",
        "mv.resolution-true",
        "md.readable",
        "md.segment-durations",
        "md.starts-with-idr",
    ] {
        assert!(is_kept(&report, id), "{id}: {:#?}", report.rule(id));
    }
    assert_eq!(report.broken(), 0, "{report}");
    let json = report.to_json();
    assert_eq!((&json["format"], &json["ok"]), (&1.into(), &true.into()));
    assert_eq!(
        json["rules"].as_array().expect("rules").len(),
        report.rules.len()
    );
}

#[tokio::test]
async fn http1_can_be_asked_for_and_is_seen() {
    let (port, _ca) = serve().await;
    let options = Options {
        http1: true,
        ..options(Trust::Anything)
    };
    let session = look(port, "new/master.m3u8", &options)
        .await
        .expect("a session");
    let report = rules::judge(&session, false);
    assert!(report.rule("http.http2").expect("a rule").is_broken());
    assert!(is_kept(&report, "md.readable"));
}

#[tokio::test]
async fn strangers_certificates_are_not_believed() {
    let (port, _ca) = serve().await;
    let failed = look(port, "new/master.m3u8", &options(Trust::System)).await;
    let failed = failed.expect_err("it is not believed").to_string();
    assert!(failed.contains("certificate"), "{failed}");
    let nobody = Trust::File("/nonexistent.pem".into());
    let failed = look(port, "new/master.m3u8", &options(nobody)).await;
    assert!(matches!(failed, Err(Failed::Tls(_))), "{failed:?}");
}

/// A server that never answers holds nobody for longer than was asked, and a little.
#[tokio::test]
async fn a_server_that_hangs_is_left_when_the_time_is_over() {
    let (port, _ca) = serve().await;
    let options = options(Trust::Anything);
    let look = look(port, "stuck/master.m3u8", &options);
    let session = tokio::time::timeout(Duration::from_secs(30), look).await;
    let session = session.expect("it ends").expect("a session");
    assert_eq!(session.exchanges.len(), 2);
    let report = rules::judge(&session, false);
    let judged = report.rule("mv.playlists-answer").expect("a rule");
    assert!(judged.is_broken(), "{report}");
}
