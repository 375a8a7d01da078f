//! How pictures are fitted: turned upright, letterboxed, never enlarged.

use super::{Folder, assert_rungs, grey, settings, transcode};

#[test]
fn a_phones_pictures_are_turned_upright() {
    settings();
    let folder = Folder::new();
    // What ffmpeg calls a rotation, what that is clockwise, and which part of the stored picture is
    // light so that the light is above when it is upright.
    for (anticlockwise, degrees, light) in [
        (0, 0, "0:0:320:90"),
        (90, 270, "160:0:160:180"),
        (180, 180, "0:90:320:90"),
        (270, 90, "0:0:160:180"),
    ] {
        let box_of = format!("drawbox={light}:c=white:t=fill");
        folder.make(
            "stored.mp4",
            &format!(
                "-f lavfi -i color=black:size=320x180:rate=25,{box_of} -t 1 -c:v libx264 \
                 -preset ultrafast -pix_fmt yuv420p"
            ),
        );
        let path = folder.make(
            "phone.mov",
            &format!("-i stored.mp4 -c copy -metadata:s:v:0 rotate={anticlockwise}"),
        );
        let video = media_core::graph::offline::inspect(&path)
            .unwrap()
            .video
            .unwrap();
        assert_eq!(video.rotation_degrees, degrees);
        let upright = degrees % 180 == 0;
        let size = if upright { (320, 180) } else { (180, 320) };
        assert_eq!((video.width, video.height), size, "{degrees}");
        let (_, collected) = transcode(&path);
        assert_rungs(&collected, &["180p", "90p"], 25, "a phone's");
        let pictures = grey(&folder, &collected, "180p");
        let at = |x: usize, y: usize| pictures[y * 320 + x];
        assert!(at(160, 40) > 200, "{degrees}: {}", at(160, 40));
        assert!(at(160, 140) < 50, "{degrees}: {}", at(160, 140));
        // Upright, a picture on its side leaves the sides free.
        assert_eq!(at(20, 40) > 200, upright, "{degrees}");
        assert_eq!(at(300, 40) > 200, upright, "{degrees}");
    }
}

#[test]
fn no_picture_is_enlarged() {
    let folder = Folder::new();
    for (size, rungs, top) in [
        ("200x100", &["90p"][..], (160, 90)),
        ("100x80", &["90p"][..], (100, 80)),
        ("640x480", &["180p", "90p"][..], (320, 180)),
    ] {
        let path = folder.make(
            "small.mkv",
            &format!(
                "-f lavfi -i testsrc2=size={size}:rate=25 -t 1 -c:v libx264 -preset ultrafast"
            ),
        );
        let (_, collected) = transcode(&path);
        assert_rungs(&collected, rungs, 25, size);
        let plan = collected.plan.lock().unwrap().clone().unwrap();
        assert_eq!((plan.rungs[0].width, plan.rungs[0].height), top, "{size}");
    }
}
