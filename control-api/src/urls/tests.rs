//! Addresses: configured, derived, and refused.

use super::*;

fn derived() -> Urls {
    Urls {
        http: None,
        rtmp: PublishAddress::SameHost { port: 1935 },
        srt: PublishAddress::SameHost { port: 8890 },
    }
}

fn authority(text: &str) -> Authority {
    text.parse().expect("authority")
}

fn origin(http_base: &str, rtmp: &str, srt: &str) -> Origin {
    Origin {
        http_base: http_base.to_owned(),
        rtmp: rtmp.to_owned(),
        srt: srt.to_owned(),
    }
}

#[test]
fn without_configuration_the_request_says_the_host() {
    for (host, http_base, rtmp, srt) in [
        (
            "127.0.0.1:8080",
            "http://127.0.0.1:8080",
            "127.0.0.1:1935",
            "127.0.0.1:8890",
        ),
        (
            "live.example.org",
            "http://live.example.org",
            "live.example.org:1935",
            "live.example.org:8890",
        ),
        (
            "[::1]:8080",
            "http://[::1]:8080",
            "[::1]:1935",
            "[::1]:8890",
        ),
    ] {
        assert_eq!(
            derived().origin(Some(&authority(host)), false),
            Ok(origin(http_base, rtmp, srt))
        );
    }
    let host = authority("a.example:8443");
    let by_tls = derived().origin(Some(&host), true).expect("a host");
    assert_eq!(by_tls.http_base, "https://a.example:8443");
    assert_eq!(derived().origin(None, true), Err(NoHost));
}

#[test]
fn what_is_configured_goes_before_what_was_requested() {
    let mut urls = derived();
    urls.http = Some(HttpBase::new("https://live.example.org:8443/tv/").expect("base"));
    urls.srt = PublishAddress::Public(HostPort::new("srt.example.org:9000").expect("address"));
    let expected = origin(
        "https://live.example.org:8443/tv",
        "live.example.org:1935",
        "srt.example.org:9000",
    );
    assert_eq!(
        urls.origin(Some(&authority("10.0.0.7")), false),
        Ok(expected.clone())
    );
    assert_eq!(urls.origin(None, false), Ok(expected));
}

#[test]
fn unusable_addresses_are_refused_with_their_text() {
    for text in [
        "",
        "live.example.org",
        "ftp://live.example.org",
        "https://",
        "https://user:pw@live.example.org",
        "https://live.example.org/?a=b",
        "https://live.example.org/#a",
        "https://a'b.example.org",
    ] {
        let error = HttpBase::new(text).expect_err(text);
        assert!(error.to_string().starts_with(&format!("{text:?} ")));
    }
    for text in [
        "",
        "host",
        "host:",
        "host:99999",
        ":1935",
        "user@host:1935",
        "::1",
    ] {
        assert!(HostPort::new(text).is_err(), "{text:?}");
    }
    assert!(HostPort::new("[2001:db8::7]:1935").is_ok());
}

#[test]
fn what_would_end_a_query_parameter_is_escaped() {
    let plain = "Az09-_.~!$'()*,/:=?@";
    assert_eq!(query_escaped(plain), plain);
    assert_eq!(query_escaped("a&b c+;%#"), "a%26b%20c%2B%3B%25%23");
}
