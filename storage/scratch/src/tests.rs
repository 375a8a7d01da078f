//! The databases of two tests do not meet, and a cut one comes back.

use super::*;

fn ask(scratch: &Scratch, statement: &str) -> String {
    let (server, name) = scratch.server().expect("a server");
    server.execute(name, &[statement]).trim().to_owned()
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let one = Scratch::new(Kind::Postgres).await;
    let other = Scratch::new(Kind::Postgres).await;
    ask(&one, "CREATE TABLE mine (a BIGINT)");
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'";
    assert_eq!(ask(&one, tables), "1");
    assert_eq!(ask(&other, tables), "0");
    assert_ne!(one.url(), other.url());
}

#[tokio::test]
async fn a_dropped_database_is_gone() {
    let kept = Scratch::new(Kind::Postgres).await;
    let gone = Scratch::new(Kind::Postgres).await;
    let (_, name) = gone.server().expect("a server");
    let exists = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(ask(&kept, &exists), "1");
    drop(gone);
    assert_eq!(ask(&kept, &exists), "0");
}

#[tokio::test]
async fn a_cut_database_refuses_until_it_is_mended() {
    let other = Scratch::new(Kind::Postgres).await;
    let cut = Scratch::new(Kind::Postgres).await;
    let (_, name) = cut.server().expect("a server");
    let allowed = format!("SELECT datallowconn FROM pg_database WHERE datname = '{name}'");
    cut.cut();
    assert_eq!(ask(&other, &allowed), "f");
    cut.mend();
    assert_eq!(ask(&cut, &allowed), "t");
}

#[tokio::test]
async fn a_file_has_no_server() {
    let scratch = Scratch::new(Kind::Sqlite).await;
    assert_eq!(scratch.kind(), Kind::Sqlite);
    assert!(scratch.server().is_none());
    assert_eq!(Path::new(scratch.url()), scratch.folder());
}
