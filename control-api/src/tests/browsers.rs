//! Sessions in cookies, requests of other servers' pages, and pages that may call the API.

use axum::http::request::Builder;
use serde_json::json;

use super::accounts::PASSWORD;
use super::errors::assert_problem;
use super::*;
use crate::WebOrigin;
use crate::urls::Secured;

/// The cookies that an answer sets, by name, with what stands behind each.
fn set_cookies(answer: &Answer) -> Vec<(String, String, String)> {
    let fields = answer.headers.get_all(header::SET_COOKIE).iter();
    fields
        .map(|field| {
            let (pair, attributes) = field.to_str().expect("text").split_once("; ").expect("; ");
            let (name, value) = pair.split_once('=').expect("=");
            (name.to_owned(), value.to_owned(), attributes.to_owned())
        })
        .collect()
}

/// The header `Cookie` of a browser that has just been given these.
fn cookie_header(answer: &Answer) -> String {
    let cookies = set_cookies(answer).into_iter();
    let pairs: Vec<String> = cookies
        .map(|(name, value, _)| format!("{name}={value}"))
        .collect();
    pairs.join("; ")
}

/// A request of this server's own page.
fn own_page(request: Builder) -> Builder {
    request.header("sec-fetch-site", "same-origin")
}

impl Server {
    async fn log_in_browser(&self, name: &str) -> Answer {
        self.register(name).await;
        let body = json!({ "login": name, "password": PASSWORD, "cookies": true });
        let answer = self.json("POST", "/api/v1/session", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer
    }

    async fn empty(&self, request: Builder) -> Answer {
        self.send(request.body(Body::empty()).expect("request"))
            .await
    }
}

scratch::on_each_database! {
    async fn a_browser_carries_its_session_out_of_reach_of_scripts(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let answer = server.log_in_browser("mona").await;
        assert_eq!(answer.json()["refresh_token"], Value::Null);
        let cookies = set_cookies(&answer);
        let attributes = |index: usize| (cookies[index].0.as_str(), cookies[index].2.as_str());
        assert_eq!(
            attributes(0),
            ("millrace_access", "Path=/; Max-Age=900; HttpOnly; SameSite=Lax")
        );
        assert_eq!(
            attributes(1),
            (
                "millrace_refresh",
                "Path=/api/v1/session; Max-Age=2592000; HttpOnly; SameSite=Strict"
            )
        );
        let cookie = cookie_header(&answer);
        let me = request("GET", "/api/v1/me").header(header::COOKIE, &cookie);
        assert_eq!(server.empty(me).await.json()["name"], "mona");

        let refresh = request("POST", "/api/v1/session/refresh").header(header::COOKIE, &cookie);
        let refreshed = server.empty(own_page(refresh)).await;
        assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:?}");
        assert_eq!(refreshed.json()["refresh_token"], Value::Null);
        let next = cookie_header(&refreshed);
        assert_ne!(next, cookie);

        let out = request("DELETE", "/api/v1/session").header(header::COOKIE, &next);
        let answer = server.empty(own_page(out)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        for (_, value, attributes) in set_cookies(&answer) {
            assert!(value.is_empty() && attributes.contains("Max-Age=0"), "{attributes}");
        }
        let refresh = request("POST", "/api/v1/session/refresh").header(header::COOKIE, &next);
        let answer = server.empty(own_page(refresh)).await;
        assert_problem(&answer, 401, "refresh_refused");
    }

    async fn cookies_over_tls_stay_on_tls(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        server.register("mona").await;
        let body = json!({ "login": "mona", "password": PASSWORD, "cookies": true });
        let request = request("POST", "/api/v1/session")
            .header(header::CONTENT_TYPE, "application/json")
            .extension(Secured)
            .body(Body::from(body.to_string()));
        let answer = server.send(request.expect("request")).await;
        let cookies = set_cookies(&answer);
        assert_eq!(cookies.len(), 2);
        for (name, _, attributes) in cookies {
            assert!(attributes.ends_with("; Secure"), "{name}: {attributes}");
        }
    }

    async fn another_servers_page_changes_nothing_by_the_browsers_cookies(scratch) {
        let app = "https://app.example.org";
        let server = Server::open(scratch, |options| {
            options.cors_origins = vec![WebOrigin::new(app).expect("origin")];
        })
        .await;
        let answer = server.log_in_browser("mona").await;
        let cookie = cookie_header(&answer);
        let change = |headers: &[(&str, &str)]| {
            let mut request = request("PATCH", "/api/v1/me")
                .header(header::COOKIE, &cookie)
                .header(header::CONTENT_TYPE, "application/json");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            server.send(request.body(Body::from("{}")).expect("request"))
        };
        for headers in [
            &[][..],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "https://media.test:8080")],
            &[("origin", "http://media.test")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert_problem(&change(headers).await, 403, "cross_site_request");
        }
        for headers in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://media.test:8080")],
            &[("origin", app)],
            &[("sec-fetch-site", "cross-site"), ("origin", app)],
        ] {
            assert_eq!(change(headers).await.status, StatusCode::OK, "{headers:?}");
        }
        // The refresh token's cookie neither; and looking is allowed.
        for (method, path) in [("POST", "/api/v1/session/refresh"), ("DELETE", "/api/v1/session")] {
            let request = request(method, path)
                .header(header::COOKIE, &cookie)
                .header(header::ORIGIN, "https://evil.example");
            assert_problem(&server.empty(request).await, 403, "cross_site_request");
        }
        let look = request("GET", "/api/v1/me").header(header::COOKIE, &cookie);
        assert_eq!(server.empty(look).await.status, StatusCode::OK);
        // No page sends a bearer token by itself.
        let access = text(&answer.json()["access_token"]);
        let bearer = server.as_user(&access, "PATCH", "/api/v1/me", Some(json!({}))).await;
        assert_eq!(bearer.status, StatusCode::OK);
    }

    async fn a_cookie_that_has_gone_bad_is_no_obstacle_to_logging_in(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        server.register("mona").await;
        let body = json!({ "login": "mona", "password": PASSWORD });
        let with = |name: header::HeaderName, value: &str| {
            let request = request("POST", "/api/v1/session")
                .header(header::CONTENT_TYPE, "application/json")
                .header(name, value)
                .body(Body::from(body.to_string()));
            server.send(request.expect("request"))
        };
        assert_eq!(with(header::COOKIE, "millrace_access=bad").await.status, StatusCode::OK);
        assert_eq!(with(header::AUTHORIZATION, "Bearer bad").await.status, StatusCode::OK);
        let me = request("GET", "/api/v1/me").header(header::COOKIE, "millrace_access=bad");
        assert_problem(&server.empty(me).await, 401, "unauthorized");
    }

    async fn an_expired_access_token_is_told_apart_from_a_wrong_one(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let id = server.register("mona").await;
        let data_dir = server.scratch.folder().join("data");
        let secret = storage::access_token::load_or_create(&data_dir).expect("secret");
        let accounts = server.database.accounts();
        let id = storage::UserId::new(&id).expect("id");
        let user = accounts.users.find(&id).await.expect("find").expect("there");
        let now = SystemTime::now();
        let hash = accounts.users.password(&id).await.expect("find").expect("there");
        let opened = accounts.sessions.open(&id, &hash, now).await.expect("open");
        let (session, _) = opened.expect("session");
        let identity = storage::access_token::Identity::of(&user, session);
        let expired = secret.issue(&identity, now - storage::access_token::LIFETIME);
        let answer = server.as_user(&expired, "GET", "/api/v1/me", None).await;
        assert_problem(&answer, 401, "token_expired");
        let challenge = answer.header(header::WWW_AUTHENTICATE);
        assert!(challenge.ends_with(r#"error="invalid_token""#));
        let answer = server.as_user("a.b.c", "GET", "/api/v1/me", None).await;
        assert_problem(&answer, 401, "unauthorized");
    }

    async fn only_pages_in_the_list_may_call(scratch) {
        let app = "https://app.example.org";
        let server = Server::open(scratch, |options| {
            options.cors_origins = vec![WebOrigin::new(app).expect("origin")];
        })
        .await;
        let preflight = |origin: &str| {
            let request = request("OPTIONS", "/api/v1/me")
                .header(header::ORIGIN, origin)
                .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PATCH")
                .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
            server.empty(request)
        };
        let answer = preflight(app).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), app);
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "true");
        assert!(answer.header(header::ACCESS_CONTROL_ALLOW_METHODS).contains("PATCH"));
        let answer = preflight("https://evil.example").await;
        assert!(!answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        // Also what is refused can be read by the page.
        let request = request("GET", "/api/v1/me").header(header::ORIGIN, app);
        let answer = server.empty(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), app);
    }
}
