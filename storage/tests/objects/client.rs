//! How the tests talk to the S3 server: as the store does, and as one who knows nothing of S3.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use scratch::s3;
use storage::objects::{Options, Patience};

/// What a store has to know to find it at `address`.
pub(crate) fn options(address: SocketAddr) -> Options {
    let variables = s3::variables(address).into_iter();
    variables
        .fold(Options::default(), |options, (name, value)| {
            options.with(name, &value)
        })
        .with_patience(Patience {
            answer: Duration::from_secs(5),
            upload: Duration::from_secs(5),
        })
}

/// A request by a client that knows nothing of S3.
pub(crate) async fn fetch(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
) -> http::Response<Bytes> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::default()).expect("a request");
    let (head, body) = client
        .request(request)
        .await
        .expect("an answer")
        .into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    http::Response::from_parts(head, body)
}
