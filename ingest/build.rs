//! Finds libsrt for `ingest::srt::sys`.

/// The oldest libsrt whose behaviour `ingest::srt` was tested against (Debian 12 has 1.5.1).
const LIBSRT_VERSION_MIN: &str = "1.5.0";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(error) = pkg_config::Config::new()
        .atleast_version(LIBSRT_VERSION_MIN)
        .probe("srt")
    {
        let found = match error {
            pkg_config::Error::ProbeFailure { .. } | pkg_config::Error::Failure { .. } => {
                "pkg-config does not find it".to_owned()
            }
            other => other
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        println!(
            "cargo::error=libsrt {LIBSRT_VERSION_MIN} or newer is needed ({found}): install \
             pkg-config and libsrt-gnutls-dev (Debian, Ubuntu), srt-devel (Fedora) or srt (Homebrew)"
        );
    }
}
