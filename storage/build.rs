//! Rebuilds the crate when a migration is added: `sqlx::migrate!` embeds the folder, and the
//! compiler watches only the files that it has already seen.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
