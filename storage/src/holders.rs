//! Who refers to an asset: a recording, and the videos that play the same media. Its files go with
//! the last of them.
//!
//! Both sides lock the asset's row first, and look after that: so nobody begins to refer to what
//! somebody else is about to give up.

use sqlx::{Any, Transaction};

/// Holds an asset's row until the transaction ends.
pub(crate) async fn lock(
    write: &mut Transaction<'static, Any>,
    asset: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE assets SET status = status WHERE id = $1")
        .bind(asset)
        .execute(&mut **write)
        .await?;
    Ok(())
}

/// Gives up an asset to which the transaction has deleted a reference: unless there is another, its
/// files are to be removed.
pub(crate) async fn release(
    write: &mut Transaction<'static, Any>,
    asset: Option<&str>,
) -> Result<(), sqlx::Error> {
    let Some(asset) = asset else {
        return Ok(());
    };
    lock(write, asset).await?;
    sqlx::query(
        "UPDATE assets SET status = 'gone' WHERE id = $1 \
         AND NOT EXISTS (SELECT 1 FROM recordings WHERE asset_id = $1) \
         AND NOT EXISTS (SELECT 1 FROM videos WHERE asset_id = $1)",
    )
    .bind(asset)
    .execute(&mut **write)
    .await?;
    Ok(())
}
