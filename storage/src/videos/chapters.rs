//! The chapters of a video.

use std::time::Duration;

use media_core::VideoId;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::text::{InvalidText, Label};
use super::{Error, Videos, column, damaged, lock};

/// The most chapters of a video.
pub const CHAPTERS_MAX: usize = 100;

/// The longest time at which a chapter may begin: longer than any video.
pub const START_MAX: Duration = Duration::from_secs(1000 * 3600);

/// A stretch of a video with a title, up to where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// Where it begins, to the millisecond.
    pub start: Duration,
    /// What it is called.
    pub title: Label,
}

/// All chapters of a video, one behind the other: none, or the first at its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chapters(Vec<Chapter>);

/// Why chapters are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChapters {
    /// More than [`CHAPTERS_MAX`].
    #[error("at most {CHAPTERS_MAX} chapters are kept, not {chapters}")]
    TooMany {
        /// How many there are.
        chapters: usize,
    },
    /// Before it there would be none.
    #[error("the first chapter begins at 0")]
    NotFromTheBeginning,
    /// One begins where the one before it does, or earlier.
    #[error("each chapter begins later than the one before it; number {number} does not")]
    NotInOrder {
        /// Which one, from 1.
        number: usize,
    },
    /// Later than [`START_MAX`].
    #[error("chapters begin within {} seconds", START_MAX.as_secs())]
    TooLate,
    /// A title.
    #[error("the title of chapter {number} {why}")]
    Title {
        /// Whose, from 1.
        number: usize,
        /// What is wrong with it.
        why: InvalidText,
    },
}

impl Chapters {
    /// Checks them: where each begins, in milliseconds, and its title.
    pub fn new<T: AsRef<str>>(
        chapters: impl IntoIterator<Item = (u64, T)>,
    ) -> Result<Self, InvalidChapters> {
        let mut checked: Vec<Chapter> = Vec::new();
        for ((start_ms, title), number) in chapters.into_iter().zip(1..) {
            let title =
                Label::new(title.as_ref()).map_err(|why| InvalidChapters::Title { number, why })?;
            let start = Duration::from_millis(start_ms);
            match checked.last() {
                None if !start.is_zero() => return Err(InvalidChapters::NotFromTheBeginning),
                Some(before) if start <= before.start => {
                    return Err(InvalidChapters::NotInOrder { number });
                }
                _ if start > START_MAX => return Err(InvalidChapters::TooLate),
                _ => checked.push(Chapter { start, title }),
            }
        }
        match checked.len() {
            chapters if chapters > CHAPTERS_MAX => Err(InvalidChapters::TooMany { chapters }),
            _ => Ok(Self(checked)),
        }
    }

    /// In the order of time.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Chapter> {
        self.0.iter()
    }
}

impl Videos {
    /// A video's chapters. [`Error::UnknownVideo`].
    pub async fn chapters(&self, id: &VideoId) -> Result<Chapters, Error> {
        self.existing(id).await?;
        let rows = sqlx::query(
            "SELECT start_ms, title FROM video_chapters WHERE video_id = $1 ORDER BY start_ms",
        )
        .bind(id.as_str())
        .fetch_all(&self.pool)
        .await?;
        let of = |row: &AnyRow| {
            let title: String = row.try_get("title")?;
            Ok(Chapter {
                start: Duration::from_millis(column::number(row, "start_ms", id.as_str())?),
                title: Label::new(&title).map_err(|error| damaged(id.as_str(), error))?,
            })
        };
        Ok(Chapters(rows.iter().map(of).collect::<Result<_, Error>>()?))
    }

    /// Gives a video these chapters and no others. [`Error::UnknownVideo`].
    pub async fn set_chapters(&self, id: &VideoId, chapters: &Chapters) -> Result<(), Error> {
        let mut write = self.pool.begin().await?;
        lock(&mut write, id).await?;
        sqlx::query("DELETE FROM video_chapters WHERE video_id = $1")
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        for chapter in chapters.iter() {
            sqlx::query(
                "INSERT INTO video_chapters (video_id, start_ms, title) VALUES ($1, $2, $3)",
            )
            .bind(id.as_str())
            .bind(column::whole(chapter.start.as_millis()))
            .bind(chapter.title.as_str())
            .execute(&mut *write)
            .await?;
        }
        write.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapters_begin_at_the_beginning_and_go_forward() {
        assert!(Chapters::new(Vec::<(u64, &str)>::new()).is_ok());
        assert!(Chapters::new([(0, "Start"), (1, "A"), (90_000, "End")]).is_ok());
        for (chapters, error) in [
            (vec![(1, "A")], InvalidChapters::NotFromTheBeginning),
            (
                vec![(0, "A"), (5, "B"), (5, "C")],
                InvalidChapters::NotInOrder { number: 3 },
            ),
            (vec![(0, "A"), (u64::MAX, "B")], InvalidChapters::TooLate),
        ] {
            assert_eq!(Chapters::new(chapters), Err(error));
        }
        let titles = Chapters::new([(0, "A"), (1, "")]).expect_err("no title");
        assert!(
            titles
                .to_string()
                .starts_with("the title of chapter 2 has 1 to"),
            "{titles}"
        );
        let many = (0..101).map(|number| (number, "A"));
        assert_eq!(
            Chapters::new(many),
            Err(InvalidChapters::TooMany { chapters: 101 })
        );
    }
}
