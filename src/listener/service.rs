//! Which part of the process answers a request.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use axum::Router;
use bytes::Bytes;
use control_api::Peer;
use control_api::urls::Secured;
use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use packager::{Delivery, vod};
use storage::Networks;
use tower_service::Service as _;

use super::body::{Body, RequestBody};
use super::proxies::Proxies;
use super::redirect::Redirect;

/// How a connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Via {
    /// By TLS.
    pub(super) is_secure: bool,
    /// Its other end, apart: together they would be twice as large in every connection.
    ip: IpAddr,
    port: u16,
}

impl Via {
    pub(super) const fn new(is_secure: bool, peer: SocketAddr) -> Self {
        Self {
            is_secure,
            ip: peer.ip(),
            port: peer.port(),
        }
    }

    /// Whether it came from this machine.
    pub(super) fn is_local(self) -> bool {
        self.ip.to_canonical().is_loopback()
    }
}

/// All that is answered from.
pub(crate) struct Service {
    delivery: Delivery,
    vod: vod::Delivery,
    api: Router,
    redirect: Option<Redirect>,
    /// `Strict-Transport-Security` (RFC 6797 §6.1).
    hsts: Option<HeaderValue>,
    proxies: Proxies,
}

impl Service {
    pub(crate) fn new(delivery: Delivery, vod: vod::Delivery, api: Router) -> Self {
        Self {
            delivery,
            vod,
            api,
            redirect: None,
            hsts: None,
            proxies: Proxies::default(),
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

    /// Believes reverse proxies at these addresses when they say whom they ask for.
    pub(crate) fn trusting(mut self, proxies: Networks) -> Self {
        self.proxies = Proxies::new(proxies);
        self
    }

    /// The reverse proxies that are believed.
    pub(super) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// What answers under `/live/`.
    pub(super) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Whether what is asked by such a connection is redirected, but for health checks.
    pub(super) fn redirects(&self, via: Via) -> bool {
        self.redirect.is_some() && Redirect::concerns(via)
    }

    /// `Strict-Transport-Security`, where it is said: never without TLS (RFC 6797 §7.2).
    pub(super) fn hsts(&self, via: Via) -> Option<&HeaderValue> {
        self.hsts.as_ref().filter(|_| via.is_secure)
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "the request would be in its future twice, and each connection has room for one"
    )]
    pub(super) fn respond(
        &self,
        via: Via,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Response<Body>> + Send {
        async move {
            let redirect = self.redirect.as_ref();
            if let Some(redirect) = redirect.filter(|redirect| redirect.applies(via, &request)) {
                return page(redirect.respond(&request));
            }
            let mut response = if let Some(response) = self.delivery.respond(&request).await {
                response.map(Body::Delivery)
            } else if let Some(response) = self.vod.respond(&request).await {
                response.map(Body::Vod)
            } else if let Some(response) =
                web::respond(request.method(), request.uri().path(), request.headers())
            {
                page(response)
            } else {
                self.ask_api(via, request).await
            };
            if let Some(hsts) = self.hsts(via) {
                let headers = response.headers_mut();
                headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
            }
            response
        }
    }

    /// Apart on the heap, since it is large and every connection has room for an answer.
    fn ask_api(
        &self,
        via: Via,
        mut request: Request<RequestBody>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        let peer = SocketAddr::new(via.ip, via.port);
        let client = self.proxies.client(peer, request.headers());
        request.extensions_mut().insert(Peer(client));
        if via.is_secure {
            request.extensions_mut().insert(Secured);
        }
        let mut api = self.api.clone();
        Box::pin(async move {
            match api.call(request).await {
                Ok(response) => response.map(Body::Api),
                Err(never) => match never {},
            }
        })
    }
}

fn page(response: Response<Bytes>) -> Response<Body> {
    response.map(|bytes| Body::Page(Full::new(bytes)))
}
