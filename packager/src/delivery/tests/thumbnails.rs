//! `thumbnail.jpg`: what a broadcast looks like now.

use super::*;

const PATH: &str = "/live/s/thumbnail.jpg";

fn with_header(path: &str, name: header::HeaderName, value: &str) -> Request<()> {
    let builder = Request::builder().uri(path).header(name, value);
    builder.body(()).unwrap()
}

#[tokio::test]
async fn it_is_the_latest_while_the_broadcast_runs() {
    let stage = Stage::at(seconds(3));
    let none = stage.at_once(PATH);
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    assert_eq!(text_header(&none, header::CACHE_CONTROL), "no-store");
    assert!(!stage.broadcast.has_thumbnail());

    let mut tags = Vec::new();
    for jpeg in ["first", "second"] {
        stage.broadcast.set_thumbnail(Bytes::from(jpeg));
        let response = stage.at_once(PATH);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text_header(&response, header::CONTENT_TYPE), "image/jpeg");
        let cache = text_header(&response, header::CACHE_CONTROL);
        assert_eq!(cache, "public, max-age=5");
        tags.push(text_header(&response, header::ETAG).to_owned());
        assert_eq!(text(response).await, jpeg);
    }
    assert_ne!(tags[0], tags[1]);
    assert!(stage.broadcast.has_thumbnail());

    stage.broadcast.end();
    assert_eq!(stage.at_once(PATH).status(), StatusCode::NOT_FOUND);
    // The encoders may still have had one.
    stage.broadcast.set_thumbnail(Bytes::from("late"));
    assert_eq!(stage.at_once(PATH).status(), StatusCode::NOT_FOUND);
    assert_eq!(stage.status("/live/unknown/thumbnail.jpg").await, 404);
    let counters = stage.delivery.counters();
    assert_eq!(counters.answered(Subject::Thumbnail), 2);
    assert_eq!(counters.refused(Subject::Thumbnail), 4);
    // Who looks at a list of streams does not watch them.
    assert_eq!(stage.broadcast.viewers_now(), 0);
}

#[tokio::test]
async fn who_has_it_is_told_so() {
    let stage = Stage::at(seconds(3));
    stage.broadcast.set_thumbnail(Bytes::from("a JPEG"));
    let whole = stage.at_once(PATH);
    let tag = text_header(&whole, header::ETAG).to_owned();
    let ask = async |tag: &str| {
        let request = with_header(PATH, header::IF_NONE_MATCH, tag);
        stage.delivery.respond(&request).await.unwrap()
    };
    let known = ask(&tag).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(text_header(&known, header::ETAG), tag);
    assert!(!known.headers().contains_key(header::CONTENT_LENGTH));
    assert!(body(known).await.is_empty());
    let other = ask("\"another\"").await;
    assert_eq!(other.status(), StatusCode::OK);
    let counters = stage.delivery.counters();
    assert_eq!(counters.answered(Subject::Thumbnail), 3);
    assert_eq!(counters.refused(Subject::Thumbnail), 0);

    // A range would be of no use: a server may ignore it (RFC 9110 §14.2).
    let ranged = stage.ranged(PATH, "bytes=0-1").await;
    assert_eq!(text(ranged).await, "a JPEG");
    let head = stage.respond(Method::HEAD, PATH).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(text_header(&head, header::CONTENT_LENGTH), "6");
    assert!(body(head).await.is_empty());
}

#[tokio::test]
async fn a_private_streams_needs_the_token() {
    let plan = plan(&["720p", "audio"], PART);
    let stage = Stage::with(plan, None, Arc::new(shapes::Private), seconds(3));
    stage.broadcast.set_thumbnail(Bytes::from("a JPEG"));
    for path in [PATH, "/live/s/thumbnail.jpg?token=bad"] {
        assert_eq!(stage.status(path).await, 403, "{path}");
    }
    let shown = stage.get("/live/s/thumbnail.jpg?token=good").await;
    assert_eq!(shown.status(), StatusCode::OK);
    let cache = text_header(&shown, header::CACHE_CONTROL);
    assert_eq!(cache, "private, max-age=5");
}
