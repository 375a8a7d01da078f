//! Storage that fails, is silent, or comes back.

use super::*;

const MEDIA: [&str; 3] = [
    "/vod/public/720p.mp4",
    "/vod/public/720p/download.mp4",
    "/vod/public/subtitles/en.vtt",
];

#[tokio::test]
async fn storage_that_is_gone_is_503_until_it_is_back() {
    let stage = Stage::new();
    stage.shelf.cause(Trouble::Gone);
    for path in MEDIA {
        let response = stage.get(path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(field(&response, "retry-after"), "1");
    }
    // What is in memory needs no storage.
    assert_eq!(stage.status("/vod/public/720p/playlist.m3u8").await, 200);
    stage.shelf.cause(Trouble::None);
    for path in MEDIA {
        assert_eq!(stage.status(path).await, 200, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn storage_that_says_nothing_is_waited_for_so_long() {
    let stage = Stage::new();
    stage.shelf.cause(Trouble::Silent);
    for path in MEDIA {
        let began = tokio::time::Instant::now();
        assert_eq!(stage.status(path).await, 503, "{path}");
        assert_eq!(began.elapsed().as_secs(), READ_WITHIN.as_secs());
    }
}

/// Its length was promised: it ends with an error and never early or with other bytes.
#[tokio::test]
async fn an_outage_in_the_middle_ends_the_body_with_an_error() {
    let long = Duration::from_secs(1000);
    let stage = Stage::of(vec![Tape::video("720p", Duration::ZERO, long)]);
    for path in &MEDIA[..2] {
        stage.shelf.cause(Trouble::None);
        let whole = body(stage.get(path).await).await;
        stage.shelf.cause(Trouble::After(PIECE_BYTES));
        let mut cut = stage.get(path).await.into_body();
        let mut sent = Vec::new();
        let error = loop {
            match cut.frame().await.expect("an error first") {
                Ok(frame) => sent.extend(frame.into_data().unwrap()),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "unplugged");
        assert!(!sent.is_empty() && sent.len() < whole.len());
        assert!(whole.starts_with(&sent), "{path}");
    }
}

#[tokio::test]
async fn a_file_that_is_shorter_than_its_index_is_not_sent() {
    let stage = Stage::new();
    stage.shelf.cause(Trouble::Truncated);
    assert_eq!(stage.status("/vod/public/720p.mp4").await, 503);
}

/// Titles by their assets.
struct Shelves(Vec<Arc<Title>>);

impl Library for Shelves {
    fn open(&self, id: &str, _: Option<&str>) -> Pending<Result<Opened, Closed>> {
        let mut titles = self.0.iter();
        let found = titles.find(|title| title.contents().asset.as_str() == id);
        let opened = found.map(|title| Opened {
            title: Arc::clone(title),
            audience: Audience::Everyone,
        });
        Box::pin(std::future::ready(opened.ok_or(Closed::NotFound)))
    }
}

/// One that was read at a store without an answer held the only turn: 503 to all others.
#[tokio::test(start_paused = true)]
async fn storage_that_says_nothing_keeps_no_download_from_storage_that_works() {
    /// More than are read at a time.
    const SILENT: usize = 10;
    let tapes = || vec![Tape::video("720p", Duration::ZERO, LENGTH)];
    let mut titles = vec![shelved("works", tapes()).1];
    for number in 0..SILENT {
        let (shelf, title) = shelved(&format!("silent{number}"), tapes());
        shelf.cause(Trouble::Silent);
        titles.push(title);
    }
    let delivery = Arc::new(Delivery::new(Arc::new(Shelves(titles))));
    let ask = |id: String| {
        let delivery = Arc::clone(&delivery);
        let request = Request::get(format!("/vod/{id}/720p/download.mp4"));
        let request = request.body(()).unwrap();
        tokio::spawn(async move { delivery.respond(&request).await.unwrap().status() })
    };
    let silent: Vec<_> = (0..SILENT)
        .map(|number| ask(format!("silent{number}")))
        .collect();
    let began = tokio::time::Instant::now();
    assert_eq!(ask("works".to_owned()).await.unwrap(), StatusCode::OK);
    assert!(began.elapsed() < READ_WITHIN / 2, "{:?}", began.elapsed());
    for asked in silent {
        assert_eq!(asked.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
