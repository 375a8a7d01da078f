use super::*;

const AVC_RECORD: [u8; 8] = [1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 0];

fn bytes(parts: &[&[u8]]) -> Bytes {
    Bytes::from(parts.concat())
}

fn video_frame_of(payload: &Bytes) -> (VideoCodec, i32, bool, Bytes) {
    match video(payload) {
        Ok(Video::Frame {
            codec,
            composition_ms,
            random_access,
            data,
        }) => (codec, composition_ms, random_access, data),
        other => panic!("{other:?}"),
    }
}

#[test]
fn avc_in_the_legacy_form() {
    let config = video(&bytes(&[&[0x17, 0, 0, 0, 0], &AVC_RECORD])).expect("valid");
    assert_eq!(
        config,
        Video::Config(CodecConfig {
            codec: VideoCodec::H264,
            record: Bytes::copy_from_slice(&AVC_RECORD)
        })
    );
    let key = bytes(&[&[0x17, 1, 0, 0, 80], b"nal"]);
    assert_eq!(
        video_frame_of(&key),
        (VideoCodec::H264, 80, true, Bytes::from_static(b"nal"))
    );
    let inter = bytes(&[&[0x27, 1, 0xff, 0xff, 0xd8], b"nal"]);
    let (_, composition_ms, random_access, _) = video_frame_of(&inter);
    assert_eq!((composition_ms, random_access), (-40, false));
}

#[test]
fn composition_times_span_24_bits() {
    for (field, expected) in [
        ([0x7f, 0xff, 0xff], 8_388_607),
        ([0x80, 0, 0], -8_388_608),
        ([0xff, 0xff, 0xff], -1),
    ] {
        let (_, composition_ms, ..) = video_frame_of(&bytes(&[&[0x27, 1], &field, b"x"]));
        assert_eq!(composition_ms, expected);
    }
}

#[test]
fn every_codec_of_enhanced_rtmp_that_the_intake_decodes() {
    let hevc_record = [&[1][..], &[0; 22]].concat();
    let av1_record = [0x81, 8, 12, 0];
    for (four_cc, codec, record) in [
        (b"avc1", VideoCodec::H264, &AVC_RECORD[..]),
        (b"hvc1", VideoCodec::Hevc, &hevc_record),
        (b"av01", VideoCodec::Av1, &av1_record),
    ] {
        let config = video(&bytes(&[&[0x90], four_cc, record])).expect("valid");
        let record = Bytes::copy_from_slice(record);
        assert_eq!(config, Video::Config(CodecConfig { codec, record }));
        let without_shift = video_frame_of(&bytes(&[&[0xa3], four_cc, b"xyzw"]));
        assert_eq!(
            without_shift,
            (codec, 0, false, Bytes::from_static(b"xyzw"))
        );
    }
    let shifted = video_frame_of(&bytes(&[&[0x91], b"hvc1", &[0, 0, 33], b"x"]));
    assert_eq!(
        shifted,
        (VideoCodec::Hevc, 33, true, Bytes::from_static(b"x"))
    );
    // AV1 has no composition time.
    let av1 = video_frame_of(&bytes(&[&[0x91], b"av01", b"obus"]));
    assert_eq!(av1, (VideoCodec::Av1, 0, true, Bytes::from_static(b"obus")));
}

#[test]
fn audio_in_both_forms() {
    let config = |codec, record: &'static [u8]| {
        Ok(Audio::Config(CodecConfig {
            codec,
            record: Bytes::from_static(record),
        }))
    };
    let frame = |codec| {
        Ok(Audio::Frame {
            codec,
            data: Bytes::from_static(b"data"),
        })
    };
    let aac = AudioCodec::Aac;
    assert_eq!(
        audio(&bytes(&[&[0xaf, 0, 0x12, 0x10]])),
        config(aac, &[0x12, 0x10])
    );
    assert_eq!(audio(&bytes(&[&[0xaf, 1], b"data"])), frame(aac));
    assert_eq!(
        audio(&bytes(&[&[0x90], b"mp4a", &[0x12, 0x10]])),
        config(aac, &[0x12, 0x10])
    );
    assert_eq!(audio(&bytes(&[&[0x91], b"mp4a", b"data"])), frame(aac));
    assert_eq!(audio(&bytes(&[&[0x2f], b"data"])), frame(AudioCodec::Mp3));
    assert_eq!(
        audio(&bytes(&[&[0x91], b".mp3", b"data"])),
        frame(AudioCodec::Mp3)
    );
    assert_eq!(
        audio(&bytes(&[&[0x90], b"Opus", b"OpusHead"])),
        config(AudioCodec::Opus, b"OpusHead")
    );
    assert_eq!(
        audio(&bytes(&[&[0x91], b"Opus", b"data"])),
        frame(AudioCodec::Opus)
    );
}

#[test]
fn what_holds_no_media_is_nothing() {
    for payload in [
        &[][..],
        &[0x17, 2],
        &[0x17, 2, 0, 0, 0],
        &[0x17, 1, 0, 0, 0],
        &[0x57, 0],
        &[0x92, b'h', b'v', b'c', b'1'],
        &[0x94, b'h', b'v', b'c', b'1', 2],
        &[0xd3, 0],
    ] {
        let payload = Bytes::copy_from_slice(payload);
        assert_eq!(video(&payload), Ok(Video::Nothing), "{payload:?}");
    }
    for payload in [
        &[][..],
        &[0xaf, 1],
        &[0x92, b'O'],
        &[0x94],
        &[0x90, b'.', b'm', b'p', b'3'],
    ] {
        let payload = Bytes::copy_from_slice(payload);
        assert_eq!(audio(&payload), Ok(Audio::Nothing), "{payload:?}");
    }
}

#[test]
fn the_empty_aac_configuration_of_an_ffmpeg_that_copies_adts_is_nothing() {
    let payload = Bytes::from_static(&[0xaf, 0]);
    assert_eq!(audio(&payload).expect("valid"), Audio::Nothing);
}

#[test]
fn unsupported_codecs_are_refused_by_name() {
    for (payload, name) in [
        (&[0x22][..], "video codec Sorenson H.263 is"),
        (&[0x14], "video codec On2 VP6 is"),
        (&[0x13], "video codec Screen Video is"),
        (&[0x1f], "video codec number 15 is"),
        (&[0x90, b'v', b'p', b'0', b'9'], "video codec VP9 is"),
        (&[0x90, b'a', b'b', b'\n', b'd'], "video codec ab\\nd is"),
        (&[0x96, 0, b'a'], "multitrack video is"),
    ] {
        let error = video(&Bytes::copy_from_slice(payload)).expect_err(name);
        assert!(error.to_string().starts_with(name), "{error}");
        assert!(error.is_for_the_operator());
    }
    for (payload, name) in [
        (&[0x6f][..], "audio codec Nellymoser is"),
        (&[0xbf], "audio codec Speex is"),
        (&[0x3f], "audio codec PCM is"),
        (&[0x91, b'f', b'L', b'a', b'C'], "audio codec FLAC is"),
        (&[0x95, 0], "multitrack audio is"),
    ] {
        let error = audio(&Bytes::copy_from_slice(payload)).expect_err(name);
        assert!(error.to_string().starts_with(name), "{error}");
        assert!(error.is_for_the_operator());
    }
}

#[test]
fn modifiers_before_the_packet_are_skipped() {
    // Two modifiers: one of 3 bytes, one of 300 with the long size.
    let payload = bytes(&[
        &[0x97, 2, 1, 2, 3, 0x07],
        &[255, 1, 43],
        &[0; 300],
        &[0x03],
        b"hvc1",
        b"x",
    ]);
    assert_eq!(
        video_frame_of(&payload),
        (VideoCodec::Hevc, 0, true, Bytes::from_static(b"x"))
    );
    for end in 1..payload.len() - 5 {
        assert!(video(&payload.slice(..end)).is_err(), "{end}");
    }
}

#[test]
fn tags_cut_short_and_records_of_another_shape_are_errors() {
    for payload in [
        &[0x17][..],
        &[0x17, 0, 0, 0],
        &[0x17, 1, 0, 0],
        &[0x17, 3, 0, 0, 0, 1],
        &[0x17, 0, 0, 0, 0, 1, 2, 3],
        &[0x17, 0, 0, 0, 0, 0, 0, 0, 1, 0x67, 0x64, 0, 0x1f],
        &[0x90, b'h', b'v'],
        &[0x91, b'h', b'v', b'c', b'1', 0],
        &[0x90, b'a', b'v', b'0', b'1', 0x0a],
        &[0x98, b'h', b'v', b'c', b'1', 0],
    ] {
        let error = video(&Bytes::copy_from_slice(payload)).expect_err("malformed");
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
    for payload in [
        &[0xaf][..],
        &[0xaf, 0, 1],
        &[0xaf, 2, 1],
        &[0x90, b'O', b'p', b'u', b's', 1],
        &[0x93, b'O', b'p', b'u', b's', 1],
    ] {
        let error = audio(&Bytes::copy_from_slice(payload)).expect_err("malformed");
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
}
