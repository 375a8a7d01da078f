//! Requests that are held: for how long, for what, and by whom they are answered.

use super::*;

#[tokio::test]
async fn each_request_that_was_held_is_measured_by_its_rendition() {
    let measured = |stage: &Stage| {
        let counts = stage.broadcast.answered();
        let counts = counts.map(|(name, span)| (name.to_string(), span.read().count()));
        counts.collect::<Vec<_>>()
    };
    let counts = |video, audio| [("720p".to_owned(), video), ("audio".to_owned(), audio)];
    let mut stage = Stage::at(MediaTime::from_millis(6700));
    stage.at_once("/live/s/720p/playlist.m3u8");
    stage.at_once("/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=3");
    assert_eq!(measured(&stage), counts(0, 0));
    let reload = "/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=4";
    let held = [stage.held(reload).await, stage.held(reload).await];
    let gone = stage.held(reload).await;
    gone.abort();
    stage.push_video();
    for held in held {
        assert_eq!(held.await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(measured(&stage), counts(2, 0));
    let slowest = stage.broadcast.answered().map(|(_, span)| span.read().sum);
    assert!(slowest.max() < Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_blocking_reload_is_answered_when_its_part_exists_and_not_before() {
    let mut stage = Stage::at(MediaTime::from_millis(6700));
    let fifth = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=4")
        .await;
    let sixth = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=5")
        .await;
    let whole = stage.held("/live/s/720p/playlist.m3u8?_HLS_msn=3").await;
    let past_end = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=10")
        .await;
    let next = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=4&_HLS_part=0")
        .await;
    assert_eq!(stage.delivery.waiting(), 5);

    stage.push_video();
    let playlist = reread::media(&text(fifth.await.unwrap()).await);
    assert_eq!(playlist.open_parts.len(), 5);
    assert!(!sixth.is_finished());
    assert_eq!(stage.delivery.waiting(), 4);

    stage.push_video();
    let playlist = reread::media(&text(sixth.await.unwrap()).await);
    assert_eq!(playlist.open_parts.len(), 6);
    assert_eq!(stage.delivery.waiting(), 3);

    for _ in 0..4 {
        stage.push_video();
    }
    // The segment has all its parts, but the next has not begun.
    tokio::task::yield_now().await;
    assert_eq!(stage.delivery.waiting(), 3);
    stage.push_video();
    for held in [whole, past_end, next] {
        let playlist = reread::media(&text(held.await.unwrap()).await);
        assert_eq!(playlist.last_sequence(), 3);
        assert_eq!(playlist.open_parts.len(), 1);
    }
    assert_eq!(stage.delivery.waiting(), 0);
}

#[tokio::test]
async fn a_hinted_part_is_held_until_it_exists() {
    let mut stage = Stage::at(MediaTime::from_millis(6700));
    let playlist = text(stage.get("/live/s/720p/playlist.m3u8").await).await;
    assert_eq!(reread::media(&playlist).hint.as_deref(), Some("b7/3.4.m4s"));
    let hinted = stage.held("/live/s/720p/b7/3.4.m4s").await;
    stage.push_video();
    let response = hinted.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    // 6.8 s in, at frame 204.
    assert!(body(response).await.starts_with(b"moof720p/3/204;"));
    // Further ahead than any hint.
    assert_eq!(stage.at_once("/live/s/720p/b7/3.6.m4s").status(), 404);
}

#[tokio::test]
async fn a_hinted_part_is_not_found_where_the_segment_ended_first() {
    let mut stage = Stage::at(seconds(6));
    // Ten parts of segment 2 are there; an eleventh never comes.
    let never = stage.held("/live/s/720p/b7/2.10.m4s").await;
    let next = stage.held("/live/s/720p/b7/3.0.m4s").await;
    stage.push_video();
    let response = never.await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(text_header(&response, header::CACHE_CONTROL), "no-store");
    assert_eq!(next.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_stream_is_a_503_after_three_target_durations() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    let began = Instant::now();
    for path in [
        "/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=4",
        "/live/s/720p/b7/3.4.m4s",
    ] {
        let response = stage.get(path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text_header(&response, header::RETRY_AFTER), "1");
        assert_eq!(text_header(&response, header::CACHE_CONTROL), "no-store");
    }
    let waited = began.elapsed();
    assert!(
        (seconds_of(12)..seconds_of(13)).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(stage.delivery.waiting(), 0);
}

#[tokio::test]
async fn the_end_answers_everyone_who_waits() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    let reload = stage
        .held("/live/s/720p/playlist.m3u8?_HLS_msn=4&_HLS_part=0")
        .await;
    let part = stage.held("/live/s/audio/b7/4.0.m4s").await;
    stage.broadcast.end();
    let playlist = reread::media(&text(reload.await.unwrap()).await);
    assert!(playlist.ended);
    assert_eq!(playlist.segments.len(), 4);
    assert_eq!(part.await.unwrap().status(), StatusCode::NOT_FOUND);
    // What was open is complete now, and whatever is asked for is answered at once.
    assert_eq!(stage.status("/live/s/720p/b7/3.m4s").await, 200);
    let after = stage.at_once("/live/s/720p/playlist.m3u8?_HLS_msn=77");
    assert_eq!(after.status(), StatusCode::OK);
}

#[tokio::test]
async fn removing_a_stream_answers_everyone_who_waits() {
    let stage = Stage::at(MediaTime::from_millis(6700));
    let reload = stage.held("/live/s/720p/playlist.m3u8?_HLS_msn=4").await;
    stage.live.remove(&StreamId::new("s").unwrap());
    assert_eq!(reload.await.unwrap().status(), StatusCode::OK);
    assert_eq!(stage.status("/live/s/master.m3u8").await, 404);
}

#[tokio::test]
async fn only_so_many_may_wait() {
    let mut stage = Stage::with_waiting_max(MediaTime::from_millis(6700), 2);
    let path = "/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=4";
    let held = [stage.held(path).await, stage.held(path).await];
    let refused = stage.at_once(path);
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text_header(&refused, header::RETRY_AFTER), "1");
    // A viewer who leaves makes room.
    let [leaves, stays] = held;
    leaves.abort();
    assert!(leaves.await.is_err());
    assert_eq!(stage.delivery.waiting(), 1);
    let third = stage.held(path).await;
    stage.push_video();
    for held in [stays, third] {
        assert_eq!(held.await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn of_those_who_wait_for_an_edition_those_who_want_media_are_answered_first() {
    let mut stage = Stage::at(MediaTime::from_millis(6700));
    let answered = Arc::new(std::sync::Mutex::new(Vec::new()));
    for (index, path) in [
        "/live/s/720p/playlist.m3u8?_HLS_msn=3&_HLS_part=4",
        "/live/s/720p/b7/3.4.m4s",
    ]
    .into_iter()
    .enumerate()
    {
        let (delivery, answered) = (stage.delivery.clone(), answered.clone());
        tokio::spawn(async move {
            let response = delivery.respond(&request(Method::GET, path, None)).await;
            assert_eq!(response.expect("under /live/").status(), StatusCode::OK);
            answered.lock().unwrap().push(path);
        });
        while stage.delivery.waiting() == index {
            tokio::task::yield_now().await;
        }
    }
    stage.push_video();
    while stage.delivery.waiting() > 0 {
        tokio::task::yield_now().await;
    }
    let answered = answered.lock().unwrap();
    assert!(answered[0].ends_with(".m4s"), "{answered:?}");
    assert_eq!(answered.len(), 2);
}
