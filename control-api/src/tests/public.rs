//! What everybody may ask.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

#[tokio::test]
async fn health_counts_broadcasts() {
    let server = Server::start().await;
    server.broadcasts.go_live("a", SystemTime::now());
    server.broadcasts.go_live("b", SystemTime::now());
    let answer = server.stranger("GET", "/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    let json = answer.json();
    assert!(json["uptime_s"].as_u64().is_some_and(|s| s < 600), "{json}");
    assert_eq!(
        json,
        json!({
            "status": "ok",
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_s": json["uptime_s"],
            "live_broadcasts": 2,
        })
    );
}

scratch::on_each_database! {
    async fn a_viewer_learns_what_the_page_needs(scratch) {
        let server = Server::on(scratch).await;
        let (id, _) = server.create("Harbour").await;
        let path = format!("/api/v1/watch/{id}");
        let mut expected = json!({
            "id": id,
            "title": "Harbour",
            "description": "",
            "status": "offline",
            "playback": {
                "hls": format!("http://media.test:8080/live/{id}/master.m3u8"),
                "dvr": null,
                "page": format!("http://media.test:8080/watch/{id}"),
                "thumbnail": null,
            },
            "live_since": null,
            "rewind_s": null,
            "viewers": null,
            "viewers_peak": null,
        });
        let answer = server.stranger("GET", &path).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json(), expected);

        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        server.broadcasts.go_live(&id, since);
        expected["status"] = json!("live");
        *server.broadcasts.audience.lock().expect("lock") = Some(Audience { now: 3, peak: 7 });
        expected["live_since"] = json!("2026-01-01T00:00:00.000Z");
        expected["viewers"] = json!(3);
        expected["viewers_peak"] = json!(7);
        assert_eq!(server.stranger("GET", &path).await.json(), expected);

        *server.broadcasts.rewind.lock().expect("lock") = Some(Duration::from_secs(7200));
        expected["rewind_s"] = json!(7200);
        let dvr = format!("http://media.test:8080/live/{id}/master.m3u8?dvr=1");
        expected["playback"]["dvr"] = json!(dvr);
        assert_eq!(server.stranger("GET", &path).await.json(), expected);

        server.broadcasts.show_thumbnails();
        let thumbnail = format!("http://media.test:8080/live/{id}/thumbnail.jpg");
        expected["playback"]["thumbnail"] = json!(thumbnail);
        assert_eq!(server.stranger("GET", &path).await.json(), expected);
    }

    async fn a_page_that_plays_says_so_and_is_not_cached(scratch) {
        let server = Server::on(scratch).await;
        let (id, _) = server.create("Harbour").await;
        server.broadcasts.take_told();
        let path = format!("/api/v1/watch/{id}");
        for query in ["", "?playing=0", "?playing=", "?playing=5", "?played=1"] {
            let answer = server.stranger("GET", &format!("{path}{query}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{query}");
        }
        assert_eq!(server.broadcasts.take_told(), []);
        let answer = server.stranger("GET", &format!("{path}?playing=1")).await;
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        let stream = StreamId::new(&id).expect("id");
        assert_eq!(server.broadcasts.take_told(), [Told::PagePlays(stream)]);
        let answer = server
            .stranger("GET", "/api/v1/watch/nothere?playing=1")
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(server.broadcasts.take_told(), []);
    }
}

#[tokio::test]
async fn answers_are_neither_cached_nor_framed_nor_sniffed() {
    let server = Server::start().await;
    for path in ["/health", "/api/v1/openapi.json", "/api/nothing"] {
        let answer = server.stranger("GET", path).await;
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(answer.header(header::X_FRAME_OPTIONS), "DENY");
        assert_eq!(answer.header(header::REFERRER_POLICY), "no-referrer");
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'"));
    }
}

#[tokio::test]
async fn the_document_lists_every_route_and_who_may_call_it() {
    let server = Server::start().await;
    let answer = server.stranger("GET", "/api/v1/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/json");
    let document = answer.json();
    assert!(text(&document["openapi"]).starts_with("3.1"));
    let mut routes = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let id = text(&operation["operationId"]);
            assert!(ids.insert(id.clone()), "two operations are {id}");
            let schemes = operation["security"].as_array().into_iter().flatten();
            let schemes: Vec<&str> = schemes
                .flat_map(|scheme| scheme.as_object().expect("scheme").keys())
                .map(String::as_str)
                .collect();
            let audience = match schemes[..] {
                ["admin_token", "access_token", "access_cookie"] => "admins",
                ["access_token", "access_cookie"] => "users",
                [] => "everybody",
                _ => panic!("{schemes:?}"),
            };
            routes.insert(format!("{method} {path} {audience}"));
        }
    }
    let expected = [
        "delete /api/v1/invitations/{id} admins",
        "delete /api/v1/session everybody",
        "delete /api/v1/streams/{id} admins",
        "delete /api/v1/users/{id} admins",
        "get /api/v1/audit admins",
        "get /api/v1/capacity admins",
        "get /api/v1/invitations admins",
        "get /api/v1/me users",
        "get /api/v1/openapi.json everybody",
        "get /api/v1/problems everybody",
        "get /api/v1/problems/{code} everybody",
        "get /api/v1/streams admins",
        "get /api/v1/streams/live everybody",
        "get /api/v1/streams/own users",
        "post /api/v1/streams/{id}/kick admins",
        "get /api/v1/recordings everybody",
        "get /api/v1/recordings/{id} everybody",
        "get /api/v1/recordings/{id}/download everybody",
        "patch /api/v1/recordings/{id} admins",
        "delete /api/v1/recordings/{id} admins",
        "get /api/v1/streams/{id} admins",
        "get /api/v1/streams/{id}/publishers admins",
        "get /api/v1/users admins",
        "get /api/v1/users/{id} admins",
        "get /api/v1/watch/{id} everybody",
        "get /health everybody",
        "patch /api/v1/me users",
        "patch /api/v1/streams/{id} admins",
        "patch /api/v1/users/{id} admins",
        "post /api/v1/invitations admins",
        "post /api/v1/session everybody",
        "post /api/v1/session/refresh everybody",
        "post /api/v1/streams admins",
        "post /api/v1/streams/{id}/key admins",
        "post /api/v1/streams/{id}/playback-tokens admins",
        "post /api/v1/users everybody",
        "put /api/v1/me/password users",
        "delete /api/v1/videos/{id} admins",
        "delete /api/v1/videos/{id}/like users",
        "delete /api/v1/videos/{id}/subtitles/{name} admins",
        "get /api/v1/videos everybody",
        "get /api/v1/videos/{id} everybody",
        "get /api/v1/videos/{id}/chapters everybody",
        "get /api/v1/videos/{id}/subtitles everybody",
        "get /api/v1/videos/{id}/subtitles/{name} everybody",
        "patch /api/v1/videos/{id} admins",
        "post /api/v1/videos admins",
        "post /api/v1/videos/{id}/playback-tokens admins",
        "post /api/v1/videos/{id}/retry admins",
        "post /api/v1/videos/{id}/subtitles admins",
        "post /api/v1/videos/{id}/views everybody",
        "put /api/v1/videos/{id}/chapters admins",
        "put /api/v1/videos/{id}/like users",
        "delete /api/v1/uploads/{id} admins",
        "head /api/v1/uploads/{id} admins",
        "options /api/v1/uploads everybody",
        "patch /api/v1/uploads/{id} admins",
        "post /api/v1/uploads admins",
        "post /api/v1/uploads/{id} admins",
        "put /api/v1/videos/{id}/file admins",
        "get /api/v1/webhooks admins",
        "post /api/v1/webhooks admins",
        "get /api/v1/webhooks/{id} admins",
        "patch /api/v1/webhooks/{id} admins",
        "delete /api/v1/webhooks/{id} admins",
        "post /api/v1/webhooks/{id}/ping admins",
        "get /api/v1/webhooks/{id}/deliveries admins",
        "post /api/v1/webhooks/{id}/deliveries/{delivery}/redeliver admins",
    ];
    assert_eq!(routes, expected.map(str::to_owned).into());
    let scheme = &document["components"]["securitySchemes"]["admin_token"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&json!("http"), &json!("bearer"))
    );
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    match (name.as_str(), value) {
                        ("$ref", Value::String(target)) => found.push(target.clone()),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let server = Server::start().await;
    let document = server.stranger("GET", "/api/v1/openapi.json").await.json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for target in found {
        let pointer = target.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{target}");
    }
    let new = &document["components"]["schemas"]["NewStream"];
    assert_eq!(new["required"], json!(["title"]));
    assert_eq!(new["properties"]["title"]["type"], "string");
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_what_it_means() {
    let server = Server::start().await;
    let problem = server.stranger("GET", "/api/v1/streams").await.json();
    let kind = text(&problem["type"]);

    let explained = server.stranger("GET", &kind).await;
    assert_eq!(explained.status, StatusCode::OK);
    let json = explained.json();
    assert_eq!(json["type"], problem["type"]);
    assert_eq!(json["code"], "unauthorized");
    assert_eq!(json["status"], 401);
    assert!(text(&json["meaning"]).contains("Bearer"), "{json}");

    let browser = request("GET", &kind).header(header::ACCEPT, "text/html,*/*;q=0.8");
    let page = server
        .send(browser.body(Body::empty()).expect("request"))
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(
        page.header(header::CONTENT_TYPE),
        "text/html; charset=utf-8"
    );
    assert!(page.text.contains("<h1>unauthorized</h1>"), "{page:?}");

    let all = server.stranger("GET", "/api/v1/problems").await.json();
    let items = all["items"].as_array().expect("items");
    assert!(items.contains(&json), "{all}");

    for unknown in ["no_such_kind", "unauthorized%20", "%FF"] {
        let path = format!("/api/v1/problems/{unknown}");
        let answer = server.stranger("GET", &path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
        assert_eq!(answer.json()["code"], "no_such_route");
    }
}
