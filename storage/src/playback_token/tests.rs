//! What opens a stream, until when, and everything that does not.

use super::*;

const ISSUED_S: u64 = 1_767_225_600;

/// Made by another implementation of HMAC (Python's) from the module's description.
const KNOWN: &str = "v1.1767247200.IsXooZZhUwlOgsNMxz2zzAc1bOaaG7PLwc1IrEp6MTw";

fn secret() -> PlaybackSecret {
    PlaybackSecret::of("a-secret-of-the-tests-0123456789")
}

fn stream() -> StreamId {
    StreamId::new("k3f9a2mzq7xw2b").expect("id")
}

fn at(unix_s: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s)
}

fn lifetime(seconds: u64) -> Lifetime {
    Lifetime::new(Duration::from_secs(seconds)).expect("lifetime")
}

#[test]
fn the_format_is_the_described_one_and_unreserved() {
    let token = secret().issue(&stream(), Lifetime::DEFAULT, at(ISSUED_S));
    assert_eq!(token.reveal(), KNOWN);
    assert_eq!(token.expires_at(), at(1_767_247_200));
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    assert!(KNOWN.bytes().all(unreserved));
    assert!(!format!("{token:?}").contains("IsXoo"));
}

#[test]
fn a_token_opens_its_stream_until_it_expires() {
    let check = |now| secret().check(&stream(), KNOWN, now);
    assert_eq!(check(at(ISSUED_S)), Ok(()));
    // A clock that was set back does not matter: there is no beginning.
    assert_eq!(check(SystemTime::UNIX_EPOCH), Ok(()));
    let last = at(1_767_247_199) + Duration::from_millis(999);
    assert_eq!(check(last), Ok(()));
    assert_eq!(check(at(1_767_247_200)), Err(Refusal::Expired));
    assert_eq!(check(at(u64::MAX / 4)), Err(Refusal::Expired));
}

#[test]
fn another_streams_token_and_another_secrets_are_invalid() {
    let other = StreamId::new("k3f9a2mzq7xw2c").expect("id");
    let invalid = Err(Refusal::Invalid);
    assert_eq!(secret().check(&other, KNOWN, at(ISSUED_S)), invalid);
    // Not told apart from any other wrong one, though it has expired too.
    assert_eq!(secret().check(&other, KNOWN, at(ISSUED_S * 2)), invalid);
    let new_secret = PlaybackSecret::of("a-secret-of-the-tests-0123456780");
    assert_eq!(new_secret.check(&stream(), KNOWN, at(ISSUED_S)), invalid);
}

#[test]
fn a_token_of_one_kind_opens_no_other() {
    let video = VideoId::new(stream().as_str()).expect("id");
    let of_video = secret().issue(&video, Lifetime::DEFAULT, at(ISSUED_S));
    let check = |token: &str| secret().check(&video, token, at(ISSUED_S));
    assert_eq!(check(of_video.reveal()), Ok(()));
    assert_eq!(check(KNOWN), Err(Refusal::Invalid));
    let of_stream = secret().check(&stream(), of_video.reveal(), at(ISSUED_S));
    assert_eq!(of_stream, Err(Refusal::Invalid));
}

#[test]
fn no_mangled_token_is_valid() {
    let check = |token: &str| secret().check(&stream(), token, at(ISSUED_S));
    for end in 0..KNOWN.len() {
        assert_eq!(check(&KNOWN[..end]), Err(Refusal::Invalid), "{end}");
    }
    for index in 0..KNOWN.len() {
        for replacement in ["A", "0", "9", ".", "-", "=", "%", "ä"] {
            let mut mangled = KNOWN.to_owned();
            mangled.replace_range(index..=index, replacement);
            let expected = match mangled == KNOWN {
                true => Ok(()),
                false => Err(Refusal::Invalid),
            };
            assert_eq!(check(&mangled), expected, "{mangled}");
        }
    }
    let (_, signature) = KNOWN.rsplit_once('.').expect("parts");
    for mangled in [
        "".to_owned(),
        "v1..".to_owned(),
        "v1.1767247200".to_owned(),
        format!("{KNOWN}="),
        format!("{KNOWN}A"),
        format!(" {KNOWN}"),
        KNOWN.replacen("v1", "v2", 1),
        KNOWN.replacen("v1", "V1", 1),
        // The same number, written otherwise, and a later one.
        format!("v1.01767247200.{signature}"),
        format!("v1.+1767247200.{signature}"),
        format!("v1.1767247201.{signature}"),
        format!("v1.-1.{signature}"),
        // The last character's two lowest bits belong to no byte (RFC 4648 §3.5).
        KNOWN.replacen("MTw", "MTx", 1),
        "x".repeat(100_000),
    ] {
        assert_eq!(check(&mangled), Err(Refusal::Invalid), "{mangled}");
    }
}

#[test]
fn a_huge_expiry_neither_overflows_nor_opens() {
    // The signatures are right: whoever has the secret could write them.
    let largest = "v1.18446744073709551615.YtLk4BrrjHHCQAeaF2CYZRzHf5_0C9Ljfn7XJGNFs_s";
    assert_eq!(secret().check(&stream(), largest, at(ISSUED_S)), Ok(()));
    let beyond = "v1.99999999999999999999.-lWIZNhZypEQFTKm7iDv5ONKi8JkJL9rlaRcO13CHR4";
    assert_eq!(
        secret().check(&stream(), beyond, at(ISSUED_S)),
        Err(Refusal::Invalid)
    );
}

#[test]
fn a_lifetime_is_a_second_to_a_year() {
    for (seconds, valid) in [
        (0, false),
        (1, true),
        (31_536_000, true),
        (31_536_001, false),
    ] {
        let lifetime = Lifetime::new(Duration::from_secs(seconds));
        assert_eq!(lifetime.is_ok(), valid, "{seconds}");
    }
    assert!(Lifetime::new(Duration::from_millis(999)).is_err());
    assert_eq!(Lifetime::new(Duration::from_millis(1999)), Ok(lifetime(1)));
    let token = secret().issue(&stream(), lifetime(1), at(ISSUED_S));
    let check = |now| secret().check(&stream(), token.reveal(), now);
    assert_eq!(check(at(ISSUED_S)), Ok(()));
    assert_eq!(check(at(ISSUED_S + 1)), Err(Refusal::Expired));
}

#[test]
fn the_secret_is_made_once_kept_private_and_its_loss_voids_all_tokens() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("folder");
    let first = load_or_create(folder.path()).expect("made");
    let path = folder.path().join(FILE_NAME);
    let mode = std::fs::metadata(&path).expect("file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).expect("text");
    assert_eq!(text.trim_end().len(), SECRET_CHARS);
    assert!(!format!("{first:?}").contains(text.trim_end()));

    let token = first.issue(&stream(), Lifetime::DEFAULT, at(ISSUED_S));
    let again = load_or_create(folder.path()).expect("read");
    let check = |secret: &PlaybackSecret| secret.check(&stream(), token.reveal(), at(ISSUED_S));
    assert_eq!(check(&again), Ok(()));
    std::fs::remove_file(&path).expect("delete");
    let another = load_or_create(folder.path()).expect("made anew");
    assert_eq!(check(&another), Err(Refusal::Invalid));
}

#[test]
fn a_secret_that_could_be_guessed_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(FILE_NAME);
    std::fs::write(&path, "x".repeat(SECRET_CHARS_MIN - 1)).expect("write");
    let message = load_or_create(folder.path())
        .expect_err("too short")
        .to_string();
    assert!(message.contains("the playback secret"), "{message}");
    assert!(!message.contains("xxx"), "{message}");
    std::fs::write(&path, "x".repeat(SECRET_CHARS_MIN)).expect("write");
    assert!(load_or_create(folder.path()).is_ok());
}
