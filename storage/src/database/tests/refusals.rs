//! PostgreSQL databases that cannot be used: what is said, and that the password is not.

use scratch::{Kind, Scratch};

use super::*;

const PASSWORD: &str = "hunter2%40%2Fx";

/// The error's one line, on opening `database` as `user` by TCP.
async fn refusal(port: u16, user: &str, database: &str) -> String {
    let url = format!("postgres://{user}:{PASSWORD}@127.0.0.1:{port}/{database}");
    let error = Database::open(&url).await.expect_err("refused");
    let told = format!("{error}\n{error:?}");
    assert!(!told.contains("hunter2"), "{told}");
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

/// A user of the test's own who has [`PASSWORD`].
fn make_user(scratch: &Scratch) -> String {
    let (server, name) = scratch.server().expect("a server");
    let user = format!("user_of_{name}");
    let create = format!("CREATE ROLE {user} LOGIN PASSWORD 'hunter2@/x'");
    server.execute(name, &[&create]);
    user
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    let message = refusal(port, "mill", "live").await;
    let expected =
        format!("cannot reach PostgreSQL database live (user mill, host 127.0.0.1, port {port}): ");
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.contains("that the server runs"), "{message}");
}

#[tokio::test]
async fn something_else_that_listens_is_no_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a client");
        drop(socket);
    });
    let message = refusal(port, "mill", "live").await;
    assert!(message.starts_with("cannot reach "), "{message}");
    serving.await.expect("served");
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_database_are_told_apart() {
    let scratch = Scratch::new(Kind::Postgres).await;
    let (server, name) = scratch.server().expect("a server");
    let message = refusal(server.port(), "stranger", name).await;
    assert!(message.contains("check the user and password"), "{message}");
    let user = make_user(&scratch);
    let message = refusal(server.port(), &user, "nothere").await;
    let expected = format!("there is no PostgreSQL database nothere (user {user}, ");
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.contains("createdb --owner="), "{message}");
}

#[tokio::test]
async fn a_user_who_may_not_create_tables_is_told_how_to() {
    let scratch = Scratch::new(Kind::Postgres).await;
    let (server, name) = scratch.server().expect("a server");
    let user = make_user(&scratch);
    let message = refusal(server.port(), &user, name).await;
    assert!(message.contains("ALTER DATABASE … OWNER TO …"), "{message}");
    let owner = format!("ALTER DATABASE {name} OWNER TO {user}");
    server.execute(name, &[&owner]);
    for scheme in ["postgres", "postgresql"] {
        let url = format!(
            "{scheme}://{user}:{PASSWORD}@127.0.0.1:{}/{name}",
            server.port()
        );
        let database = Database::open(&url).await.expect("the owner may");
        database.streams().revision().await.expect("revision");
        assert!(!format!("{database:?}").contains("hunter2"));
        database.close().await;
    }
    server.execute(name, &[&format!("REASSIGN OWNED BY {user} TO postgres")]);
    server.execute(name, &[&format!("DROP ROLE {user}")]);
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let scratch = Scratch::new(Kind::Postgres).await;
    let (server, name) = scratch.server().expect("a server");
    let latin = format!("{name}_latin");
    let create = format!(
        "CREATE DATABASE {latin} ENCODING LATIN1 LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0"
    );
    server.execute(name, &[&create]);
    let error = Database::open(&server.url(&latin))
        .await
        .expect_err("LATIN1");
    assert!(
        error.to_string().contains("has the encoding LATIN1"),
        "{error}"
    );
    server.execute(name, &[&format!("DROP DATABASE {latin} WITH (FORCE)")]);
}

#[tokio::test]
async fn one_process_that_prepares_keeps_others_waiting_and_not_for_ever() {
    let scratch = Scratch::new(Kind::Postgres).await;
    Database::open(scratch.url()).await.expect("open");
    let location = Location::parse(scratch.url()).expect("a location");
    let Place::Postgres(address) = &location.0 else {
        panic!("{location}")
    };
    let pool = postgres::connect(address).expect("connect");
    let mut first = pool.acquire().await.expect("a connection");
    sqlx::migrate::Migrate::lock(&mut *first)
        .await
        .expect("the lock");
    let waiting = tokio::spawn({
        let url = scratch.url().to_owned();
        async move { Database::open(&url).await }
    });
    // It cannot come to an end before the lock is free: it either waits or has not come that far.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    sqlx::migrate::Migrate::unlock(&mut *first)
        .await
        .expect("unlock");
    waiting.await.expect("task").expect("open");
}

#[tokio::test]
async fn urls_that_cannot_be_read_say_how_they_are_written() {
    for url in [
        "postgres://mill:hunter2#x@db/live",
        "postgres://mill:hunter2@db:port/live",
        "postgres://mill:hunter2@db/live?sslmode=perhaps",
    ] {
        let error = Database::open(url).await.expect_err("no URL");
        let told = format!("{error}\n{error:?}");
        assert!(
            told.starts_with("the database's URL cannot be read: "),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
    let location =
        Location::parse("postgresql://mill:hunter2@db.example.org:5433/live?sslmode=require");
    let location = location.expect("a URL");
    for told in [format!("{location}"), format!("{location:?}")] {
        assert!(told.contains("db.example.org"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn a_database_that_goes_away_comes_back_by_itself() {
    let scratch = Scratch::new(Kind::Postgres).await;
    let streams = Database::open(scratch.url()).await.expect("open").streams();
    let before = streams.revision().await.expect("revision");
    scratch.cut();
    let error = streams.revision().await.expect_err("it is away");
    assert!(
        error
            .to_string()
            .starts_with("the database does not answer: "),
        "{error}"
    );
    scratch.mend();
    assert_eq!(streams.revision().await.expect("it is back"), before);
}
