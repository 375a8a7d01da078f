//! Which part of the process answers a request.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use packager::Delivery;
use tower_service::Service as _;

use super::body::Body;

/// Clones share what they answer from.
#[derive(Clone)]
pub(crate) struct Service {
    delivery: Arc<Delivery>,
    api: Router,
}

impl Service {
    pub(crate) fn new(delivery: Delivery, api: Router) -> Self {
        Self {
            delivery: Arc::new(delivery),
            api,
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        if let Some(response) = self.delivery.respond(&request).await {
            return response.map(Body::Delivery);
        }
        let page = web::respond(request.method(), request.uri().path(), request.headers());
        if let Some(response) = page {
            return response.map(Full::new).map(Body::Page);
        }
        let mut api = self.api.clone();
        match api.call(request).await {
            Ok(response) => response.map(Body::Api),
            Err(never) => match never {},
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.respond(request).await) })
    }
}
