//! `/live/{id}/thumbnail.jpg`: what a broadcast looks like now, of real publishers' pictures.

use serde_json::{Value, json};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use crate::clip::{Clip, H264};
use crate::encoder;
use crate::http::{self, Answer};
use crate::picture::{Scene, WHITE};
use crate::program::wait_for;
use crate::server::{Server, Stream};

/// Three rungs, the highest of them larger than a thumbnail.
const LADDER: &str = "540p 960x540 900k, 180p 320x180 300k, 90p 160x90 200k";

/// A thumbnail's pixels.
struct Shown {
    width: usize,
    height: usize,
    /// Red, green and blue of each.
    rgb: Vec<u8>,
}

impl Shown {
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.header("content-type"), Some("image/jpeg"));
        let mut decoder = JpegDecoder::new(ZCursor::new(&answer.body));
        let rgb = decoder.decode().expect("a whole JPEG");
        let (width, height) = decoder.dimensions().expect("a size");
        Self { width, height, rgb }
    }

    /// A pixel's colour, by its place in hundredths of the picture.
    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let (x, y) = (x * self.width / 100, y * self.height / 100);
        let first = (y * self.width + x) * 3;
        self.rgb[first..first + 3].try_into().expect("three")
    }

    fn assert_colour(&self, (x, y): (usize, usize), expected: [u8; 3]) {
        let shown = self.at(x, y);
        let off = shown.iter().zip(expected).map(|(is, to)| is.abs_diff(to));
        assert!(
            off.max() < Some(16),
            "{shown:?} at {x} %, {y} %, not {expected:?}"
        );
    }
}

fn get(server: &Server, stream: &Stream, query: &str) -> Answer {
    let path = format!("/live/{}/thumbnail.jpg{query}", stream.id);
    http::get(server.http, &path).expect("an answer")
}

/// The first thumbnail of a broadcast that has just begun.
fn first(server: &Server, stream: &Stream, query: &str) -> Answer {
    wait_for("a thumbnail", || get(server, stream, query).status == 200);
    get(server, stream, query)
}

/// What the API and the page's own question say of it.
fn told(server: &Server, stream: &Stream) -> [Value; 2] {
    let api = server.admin("GET", &format!("/api/v1/streams/{}", stream.id), None);
    let page = http::get(server.http, &format!("/api/v1/watch/{}", stream.id));
    [api, page.expect("an answer")].map(|answer| answer.json()["playback"]["thumbnail"].clone())
}

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const GREEN: [u8; 3] = [0, 255, 0];

#[test]
fn it_has_the_pictures_colours_and_is_renewed_as_the_picture_changes() {
    let server = Server::with(&[("MILLRACE_LADDER_RUNGS", LADDER)]);
    let stream = server.stream();
    let none = get(&server, &stream, "");
    assert_eq!(none.status, 404);
    assert_eq!(
        none.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(told(&server, &stream), [Value::Null, Value::Null]);
    let clip = Clip {
        width: 960,
        height: 540,
        rate: (10, 1),
        frames: 10 * 30,
        // Red beside blue; from the eighth second on green beside blue. BT.709, as encoders say.
        video: "-vf format=gbrp,drawbox=w=480:t=fill:c=red,drawbox=x=480:w=480:t=fill:c=blue,\
            drawbox=w=480:t=fill:c=0x00ff00:enable='gte(t,8)',\
            scale=out_color_matrix=bt709:out_range=tv,format=yuv420p -colorspace bt709 \
            -color_primaries bt709 -color_trc bt709 -color_range tv \
            -c:v libx264 -preset ultrafast -tune zerolatency -g 10 -threads 1",
        ..Clip::new(0)
    };
    let mut publisher = encoder::rtmp(&clip.file(), &stream.rtmp);
    let answer = first(&server, &stream, "");
    assert_eq!(answer.header("cache-control"), Some("public, max-age=5"));
    let shown = Shown::of(&answer);
    assert_eq!((shown.width, shown.height), (640, 360));
    for y in [4, 50, 96] {
        shown.assert_colour((25, y), RED);
        shown.assert_colour((75, y), BLUE);
    }
    let url = json!(format!(
        "http://{}/live/{}/thumbnail.jpg",
        server.http, stream.id
    ));
    wait_for("a playable playlist", || server.status(&stream) == "live");
    assert_eq!(told(&server, &stream), [url.clone(), url]);

    let tag = answer.header("etag").expect("a validator").to_owned();
    let unless_changed = || {
        let path = format!("/live/{}/thumbnail.jpg", stream.id);
        let condition = format!("If-None-Match: {tag}\r\n");
        http::request(server.http, "GET", &path, &condition, None).expect("an answer")
    };
    let same = unless_changed();
    assert_eq!((same.status, same.body.len()), (304, 0));
    wait_for("another one", || unless_changed().status == 200);
    let shown = Shown::of(&get(&server, &stream, ""));
    shown.assert_colour((25, 50), GREEN);
    shown.assert_colour((75, 50), BLUE);
    assert!(publisher.runs());
    drop(publisher);
    server.stop();
}

#[test]
fn a_portrait_picture_stands_in_the_middle_of_black() {
    let server = Server::with(&[("MILLRACE_LADDER_RUNGS", LADDER)]);
    let stream = server.stream();
    let clip = Clip {
        width: 180,
        height: 320,
        scene: Scene::Rectangle {
            width: 180,
            height: 320,
        },
        video: H264,
        ..Clip::new(30 * 20)
    };
    let publisher = encoder::srt(&clip.file(), &stream.srt);
    let shown = Shown::of(&first(&server, &stream, ""));
    // As large as the highest rung that it fills.
    assert_eq!((shown.width, shown.height), (320, 180));
    for y in [5, 50, 95] {
        for x in [5, 30, 70, 95] {
            shown.assert_colour((x, y), [0; 3]);
        }
        for x in [37, 50, 63] {
            shown.assert_colour((x, y), [WHITE; 3]);
        }
    }
    drop(publisher);
    server.stop();
}

#[test]
fn a_private_streams_is_for_those_with_a_token() {
    let server = Server::start();
    let stream = server.private_stream();
    let publisher = encoder::rtmp(&Clip::new(30 * 20).file(), &stream.rtmp);
    let path = format!("/api/v1/streams/{}/playback-tokens", stream.id);
    let issued = server.admin("POST", &path, Some("{}")).json();
    let token = issued["token"].as_str().expect("text");
    server.keep_secret(token);
    let answer = first(&server, &stream, &format!("?token={token}"));
    assert_eq!(answer.header("cache-control"), Some("private, max-age=5"));
    Shown::of(&answer);
    for query in ["", "?token=guess"] {
        let refused = get(&server, &stream, query);
        assert_eq!(refused.status, 403, "{query}");
        assert_eq!(refused.header("cache-control"), Some("no-store"));
    }
    drop(publisher);
    server.stop();
}

#[test]
fn a_broadcast_that_is_over_or_has_no_picture_has_none() {
    let server = Server::start();
    let stream = server.stream();
    let clip = Clip::new(30 * 4);
    let publisher = encoder::rtmp(&clip.file(), &stream.rtmp);
    first(&server, &stream, "");
    publisher.finish();
    wait_for("the broadcast's end", || {
        get(&server, &stream, "").status == 404
    });

    let clip = Clip { video: "", ..clip };
    let publisher = encoder::rtmp(&clip.file(), &stream.rtmp);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    assert_eq!(told(&server, &stream), [Value::Null, Value::Null]);
    assert_eq!(get(&server, &stream, "").status, 404);
    publisher.finish();
    server.stop();
}
