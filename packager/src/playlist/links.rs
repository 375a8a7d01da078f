//! What the URIs in a playlist carry on, since players do not forward a playlist's own query to
//! what it lists (Safari's among them).

use std::fmt;

/// The parameters of a playlist's URL that its children need. It displays as the query of a URI,
/// with its question mark, or as nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links<'a> {
    /// Whether child playlists reach back as far as viewers may rewind.
    pub dvr: bool,
    /// The playback token of a private stream; characters that need no quoting in a URI or in a
    /// quoted string.
    pub token: Option<&'a str>,
}

impl<'a> Links<'a> {
    /// The query of a URI that leads to another playlist.
    pub fn playlist_query(self) -> Query<'a> {
        Query(self)
    }

    /// The query of a URI that leads to media: the same bytes, whichever playlist lists them.
    pub fn media_query(self) -> Query<'a> {
        Query(Self { dvr: false, ..self })
    }
}

/// See [`Links`].
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(Links<'a>);

impl fmt::Display for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.dvr, self.0.token) {
            (false, None) => Ok(()),
            (true, None) => f.write_str("?dvr=1"),
            (false, Some(token)) => write!(f, "?token={token}"),
            (true, Some(token)) => write!(f, "?dvr=1&token={token}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_has_one_url_in_live_and_dvr_playlists() {
        let links = |dvr, token| Links { dvr, token };
        for (links, playlist, media) in [
            (links(false, None), "", ""),
            (links(true, None), "?dvr=1", ""),
            (links(false, Some("t")), "?token=t", "?token=t"),
            (links(true, Some("t")), "?dvr=1&token=t", "?token=t"),
        ] {
            assert_eq!(links.playlist_query().to_string(), playlist);
            assert_eq!(links.media_query().to_string(), media);
        }
    }
}
