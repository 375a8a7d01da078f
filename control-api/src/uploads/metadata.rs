//! `Upload-Metadata` (tus 1.0.0): pairs of a name and a text in Base64, with commas between.

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use storage::videos::Title;
use storage::videos::text::InvalidText;
use storage::videos::uploads::METADATA_BYTES_MAX;

use super::fault::Fault;
use super::tus::fault;

const NAME: &str = "Upload-Metadata";

/// The title of a video whose file's name has nothing to read.
const UNTITLED: &str = "Upload";

/// What an uploader says of a file. Names other than these are kept and not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// As it was sent.
    pub(crate) sent: String,
    /// `filename`.
    pub(crate) file_name: Option<String>,
    /// `title`: of the video that is to be made.
    pub(crate) title: Option<String>,
    /// `video`: the id of the one that waits for the file.
    pub(crate) video: Option<String>,
}

impl Metadata {
    /// What a header says; one that is not there says nothing.
    pub(crate) fn of(header: Option<&HeaderValue>) -> Result<Self, Fault> {
        let Some(header) = header else {
            return Ok(Self::default());
        };
        let sent = header.to_str().map_err(|_| fault(NAME, "is no ASCII"))?;
        if sent.len() > METADATA_BYTES_MAX {
            return Err(fault(NAME, "is too long"));
        }
        let mut metadata = Self {
            sent: sent.to_owned(),
            ..Self::default()
        };
        for pair in sent.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let field = match name {
                "filename" => &mut metadata.file_name,
                "title" => &mut metadata.title,
                "video" => &mut metadata.video,
                _ => continue,
            };
            if field.is_some() {
                return Err(fault(NAME, "says the same twice"));
            }
            let bytes = STANDARD.decode(value.trim());
            let bytes = bytes.map_err(|_| fault(NAME, "has a value that is no Base64"))?;
            let text = String::from_utf8(bytes);
            let text = text.map_err(|_| fault(NAME, "has a value that is no UTF-8"))?;
            // A database keeps no U+0000, and a log no line's end.
            if text.contains(char::is_control) {
                return Err(fault(NAME, "has a value with control characters"));
            }
            *field = Some(text).filter(|text| !text.is_empty());
        }
        Ok(metadata)
    }

    /// The title of a video that is to be made: what is said, or else what can be read of the file's
    /// name without its end.
    ///
    /// # Errors
    /// It is no title that is kept, or neither is said.
    pub(crate) fn title(&self) -> Result<Title, InvalidText> {
        let said = self.title.as_deref();
        let Some(name) = self.file_name.as_deref().filter(|_| said.is_none()) else {
            return Title::new(said.unwrap_or_default());
        };
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let short = Title::out_of(name, &Title::new(UNTITLED)?);
        Ok(Title::out_of(stem, &short))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Metadata, Fault> {
        Metadata::of(Some(&HeaderValue::from_str(text).expect("a value")))
    }

    #[test]
    fn pairs_are_read_and_unknown_ones_kept() {
        // "a film.mp4", "Ein Titel – ü"
        let sent = "filename YSBmaWxtLm1wNA==, title RWluIFRpdGVsIOKAkyDDvA==,is_confidential,x !";
        let metadata = of(sent).expect("valid");
        assert_eq!(metadata.file_name.as_deref(), Some("a film.mp4"));
        assert_eq!(title(sent), "Ein Titel – ü");
        assert_eq!(metadata.sent, sent);
        assert!(Metadata::of(None).expect("nothing").title().is_err());
        assert!(of("title ").expect("empty").title().is_err());
    }

    fn title(sent: &str) -> String {
        let title = of(sent).expect("valid").title();
        title.expect("a title").as_str().to_owned()
    }

    #[test]
    fn a_files_name_becomes_a_title_whatever_it_is() {
        let (long, cut) = (format!("{}.mp4", "a".repeat(300)), "a".repeat(100));
        for (name, wanted) in [
            ("a film.mp4", "a film"),
            ("C:\\films\\a film.mov", "a film"),
            ("1.mp4", "1.mp4"),
            ("a", "Upload"),
            (".mp4", ".mp4"),
            (long.as_str(), cut.as_str()),
        ] {
            let sent = format!("filename {}", STANDARD.encode(name));
            assert_eq!(title(&sent), wanted, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        // The last two: "a<U+0000>.mp4", "a<LF>".
        for text in [
            "title !",
            "title /w==",
            "title YQ==,title YQ==",
            "filename YQAubXA0",
            "title YQo=",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
        let long = format!("x {}", "a".repeat(METADATA_BYTES_MAX));
        assert!(of(&long).is_err());
    }
}
