//! `/api/v1/videos/{id}/chapters`: as JSON, and as the WebVTT that players take.

use std::fmt::Write;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use storage::videos::{Chapter, Chapters};
use utoipa::ToSchema;

use super::{OwnVideo, SeenVideo, TokenQuery};
use crate::Api;
use crate::body::{self, JsonBody};
use crate::faults::{self, Faults};
use crate::list::{OnlyKnown, Page};
use crate::problem::{Error, Problem};

/// The media type of WebVTT.
pub(super) const WEBVTT_TYPE: &str = "text/vtt";

/// How long the last chapter is where the video's length does not say so.
const LAST_AT_LEAST: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChapterView {
    /// Where it begins, in milliseconds.
    #[schema(example = 90_000)]
    start_ms: u64,
    /// What it is called: 1 to 100 characters, no control characters.
    #[schema(example = "The ferry comes in")]
    title: String,
}

impl From<&Chapter> for ChapterView {
    fn from(chapter: &Chapter) -> Self {
        Self {
            start_ms: u64::try_from(chapter.start.as_millis()).unwrap_or(u64::MAX),
            title: chapter.title.to_string(),
        }
    }
}

/// In the order of time: none, or the first at 0.
fn listed(chapters: &Chapters) -> Page<ChapterView> {
    Page::whole(chapters.iter().map(ChapterView::from).collect())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewChapters {
    /// All of them in the order of time: at most 100, the first at 0, each later than the one
    /// before.
    #[schema(value_type = Vec<ChapterView>, required)]
    items: Option<Vec<ChapterView>>,
}

/// Shows a video's chapters: as JSON, or with `Accept: text/vtt` as WebVTT.
#[utoipa::path(
    get,
    path = "/api/v1/videos/{id}/chapters",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id."), TokenQuery),
    responses(
        (status = 200, description = "The chapters.", content(
            (Page<ChapterView> = "application/json"),
            (String = "text/vtt"),
        )),
        (status = 400, description = "There is no such parameter.", body = Problem,
            content_type = "application/problem+json"),
        (status = 401, description = "A token that is wrong or has expired.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    headers: HeaderMap,
    _: OnlyKnown,
    seen: SeenVideo,
) -> Result<Response, Error> {
    let chapters = api.videos.chapters(&seen.video.id).await?;
    let vary = (header::VARY, "Accept");
    if !wants_webvtt(&headers) {
        return Ok(([vary], Json(listed(&chapters))).into_response());
    }
    let content_type = (header::CONTENT_TYPE, WEBVTT_TYPE);
    let text = webvtt(&chapters, seen.video.duration);
    Ok(([vary, content_type], text).into_response())
}

/// Gives a video these chapters and no others.
#[utoipa::path(
    put,
    path = "/api/v1/videos/{id}/chapters",
    tag = "videos",
    params(("id" = String, Path, description = "The video's id.")),
    request_body = NewChapters,
    responses(
        (status = 200, description = "The chapters as they are now.", body = Page<ChapterView>),
        (status = 404, description = "No such video, or none that the caller may see.",
            body = Problem, content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn replace(
    State(api): State<Api>,
    OwnVideo(video): OwnVideo,
    JsonBody(wanted): JsonBody<NewChapters>,
) -> Result<Json<Page<ChapterView>>, Error> {
    let mut faults = Faults::default();
    let chapters = faults.required("items", wanted.items, |items| {
        Chapters::new(items.into_iter().map(|item| (item.start_ms, item.title)))
    });
    faults.end()?;
    let chapters = chapters.ok_or(Error::Aborted)?;
    api.videos.set_chapters(&video.id, &chapters).await?;
    tracing::info!(video = %video.id, "chapters of a video replaced");
    Ok(Json(listed(&chapters)))
}

/// Whether the caller names WebVTT, and not JSON before it. Weights are not looked at: whoever wants
/// either says so.
fn wants_webvtt(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    let ranges = accept.unwrap_or_default().split(',');
    let mut essences = ranges.map(|range| range.split(';').next().unwrap_or_default().trim());
    let known = essences.find(|it| [WEBVTT_TYPE, "application/json"].contains(it));
    known == Some(WEBVTT_TYPE)
}

/// A cue a chapter, up to the next one or the end of a video that is so long.
fn webvtt(chapters: &Chapters, duration: Duration) -> String {
    let mut text = String::from("WEBVTT\n");
    let ends = chapters.iter().skip(1).map(|next| next.start);
    let last = chapters.iter().next_back().map(|last| last.start);
    let end = last.map(|start| duration.max(start + LAST_AT_LEAST));
    for (chapter, end) in chapters.iter().zip(ends.chain(end)) {
        let title = chapter.title.as_str();
        let title = title
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        // A String takes everything.
        let _ = write!(
            text,
            "\n{} --> {}\n{title}\n",
            timestamp(chapter.start),
            timestamp(end)
        );
    }
    text
}

fn timestamp(at: Duration) -> String {
    let (s, ms) = (at.as_secs(), at.subsec_millis());
    format!("{:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapters_become_cues_with_their_text_escaped() {
        let chapters = Chapters::new([(0, "Start"), (90_061, "<b> --> & more")]).expect("valid");
        let expected = "WEBVTT\n\n00:00:00.000 --> 00:01:30.061\nStart\n\n\
            00:01:30.061 --> 01:00:00.000\n&lt;b&gt; --&gt; &amp; more\n";
        assert_eq!(webvtt(&chapters, Duration::from_secs(3600)), expected);
        let short = webvtt(&chapters, Duration::ZERO);
        assert!(short.contains("00:01:30.061 --> 00:01:31.061"), "{short}");
        assert_eq!(webvtt(&Chapters::default(), Duration::ZERO), "WEBVTT\n");
    }

    #[test]
    fn webvtt_is_for_those_who_name_it() {
        for (accept, wanted) in [
            ("text/vtt", true),
            ("text/vtt;q=0.9, */*", true),
            ("application/json, text/vtt", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a value"));
            assert_eq!(wants_webvtt(&headers), wanted, "{accept}");
        }
    }
}
