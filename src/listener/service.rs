//! Which part of the process answers a request.

use axum::Router;
use bytes::Bytes;
use control_api::urls::Secured;
use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use packager::Delivery;
use tower_service::Service as _;

use super::body::{Body, RequestBody};
use super::redirect::Redirect;

/// How a connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Via {
    /// By TLS.
    pub(super) is_secure: bool,
    /// From this machine.
    pub(super) is_local: bool,
}

/// All that is answered from.
pub(crate) struct Service {
    delivery: Delivery,
    api: Router,
    redirect: Option<Redirect>,
    /// `Strict-Transport-Security` (RFC 6797 §6.1).
    hsts: Option<HeaderValue>,
}

impl Service {
    pub(crate) fn new(delivery: Delivery, api: Router) -> Self {
        Self {
            delivery,
            api,
            redirect: None,
            hsts: None,
        }
    }

    /// Sends requests without TLS to where they are answered with it.
    pub(crate) fn redirecting(mut self, redirect: Option<Redirect>) -> Self {
        self.redirect = redirect;
        self
    }

    /// Has browsers use TLS for so many seconds from each answer on; 0: leaves it to them.
    pub(crate) fn with_hsts(mut self, seconds: u64) -> Self {
        let text = format!("max-age={seconds}");
        let value = HeaderValue::try_from(text).expect("ASCII letters and digits");
        self.hsts = (seconds > 0).then_some(value);
        self
    }

    pub(super) async fn respond(&self, via: Via, request: Request<RequestBody>) -> Response<Body> {
        if !via.is_secure {
            let redirection = self
                .redirect
                .as_ref()
                .filter(|redirect| redirect.applies(via, &request));
            return match redirection {
                Some(redirect) => page(redirect.respond(&request)),
                None => self.answer(via, request).await,
            };
        }
        let mut response = self.answer(via, request).await;
        // §7.2: never without TLS.
        if let Some(hsts) = &self.hsts {
            let headers = response.headers_mut();
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        response
    }

    async fn answer(&self, via: Via, mut request: Request<RequestBody>) -> Response<Body> {
        if let Some(response) = self.delivery.respond(&request).await {
            return response.map(Body::Delivery);
        }
        let found = web::respond(request.method(), request.uri().path(), request.headers());
        if let Some(response) = found {
            return page(response);
        }
        if via.is_secure {
            request.extensions_mut().insert(Secured);
        }
        let mut api = self.api.clone();
        // Apart, since it is large and every connection has room for one answer.
        match Box::pin(api.call(request)).await {
            Ok(response) => response.map(Body::Api),
            Err(never) => match never {},
        }
    }
}

fn page(response: Response<Bytes>) -> Response<Body> {
    response.map(|bytes| Body::Page(Full::new(bytes)))
}
