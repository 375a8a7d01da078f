//! What both databases do alike, and what statements have to mind where they do not (design/0005).

use sqlx::{AnyPool, Row};

use super::*;

async fn open(scratch: &scratch::Scratch) -> AnyPool {
    let database = Database::open(scratch.url()).await.expect("open");
    let pool = database.pool().clone();
    sqlx::raw_sql("CREATE TABLE ship (id TEXT NOT NULL PRIMARY KEY, crew BIGINT)")
        .execute(&pool)
        .await
        .expect("a table");
    for (id, crew) in [("a", Some(3)), ("b", None::<i64>), ("c", Some(4))] {
        sqlx::query("INSERT INTO ship (id, crew) VALUES ($1, $2)")
            .bind(id)
            .bind(crew)
            .execute(&pool)
            .await
            .expect("a row");
    }
    pool
}

async fn number(pool: &AnyPool, statement: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query(statement).fetch_one(pool).await?.try_get(0)
}

scratch::on_each_database! {
    async fn counts_are_64_bits_and_sums_are_where_it_is_said(scratch) {
        let pool = open(&scratch).await;
        assert_eq!(number(&pool, "SELECT COUNT(*) FROM ship").await.expect("count"), 3);
        let sum = number(&pool, "SELECT CAST(SUM(crew) AS BIGINT) FROM ship").await;
        assert_eq!(sum.expect("sum"), 7);
        let plain = number(&pool, "SELECT SUM(crew) FROM ship").await;
        assert_eq!(plain.is_ok(), scratch.kind() == scratch::Kind::Sqlite);
    }

    async fn a_null_parameter_has_the_type_of_its_option(scratch) {
        let pool = open(&scratch).await;
        let row = sqlx::query(
            "UPDATE ship SET id = COALESCE($1, id), crew = COALESCE($2, crew) WHERE id = 'a' \
             RETURNING id, crew",
        )
        .bind(None::<String>)
        .bind(None::<i64>)
        .fetch_one(&pool)
        .await
        .expect("updated");
        assert_eq!(row.try_get::<String, _>(0).expect("text"), "a");
        assert_eq!(row.try_get::<i64, _>(1).expect("number"), 3);
        // Also where nothing else says which type it is.
        let filtered = sqlx::query("SELECT id FROM ship WHERE $1 IS NULL OR id = $1")
            .bind(None::<String>)
            .fetch_all(&pool)
            .await;
        assert_eq!(filtered.expect("rows").len(), 3);
    }

    async fn a_unique_violation_is_known_as_such_and_a_conflict_is_none(scratch) {
        let pool = open(&scratch).await;
        let error = sqlx::query("INSERT INTO ship (id) VALUES ('a')")
            .execute(&pool)
            .await
            .expect_err("it is there");
        let error = error.as_database_error().expect("the database's");
        assert!(error.is_unique_violation());
        let done = sqlx::query("INSERT INTO ship (id) VALUES ('a') ON CONFLICT (id) DO NOTHING")
            .execute(&pool)
            .await
            .expect("no error");
        assert_eq!(done.rows_affected(), 0);
        let done = sqlx::query(
            "INSERT INTO ship (id, crew) VALUES ('a', 9) \
             ON CONFLICT (id) DO UPDATE SET crew = excluded.crew",
        )
        .execute(&pool)
        .await
        .expect("no error");
        assert_eq!(done.rows_affected(), 1);
    }

    async fn a_failed_statement_ends_a_transaction_on_one_of_them(scratch) {
        let pool = open(&scratch).await;
        let mut write = pool.begin().await.expect("begin");
        sqlx::query("INSERT INTO ship (id) VALUES ('a')")
            .execute(&mut *write)
            .await
            .expect_err("it is there");
        let after = sqlx::query("INSERT INTO ship (id) VALUES ('d')").execute(&mut *write).await;
        assert_eq!(after.is_ok(), scratch.kind() == scratch::Kind::Sqlite);
    }

    async fn like_minds_the_case_on_one_of_them(scratch) {
        let pool = open(&scratch).await;
        let plain = number(&pool, "SELECT COUNT(*) FROM ship WHERE id LIKE 'A%'").await;
        let expected = i64::from(scratch.kind() == scratch::Kind::Sqlite);
        assert_eq!(plain.expect("count"), expected);
        let lower = "SELECT COUNT(*) FROM ship WHERE LOWER(id) LIKE LOWER('A%')";
        assert_eq!(number(&pool, lower).await.expect("count"), 1);
    }
    async fn texts_are_in_the_order_of_bytes_or_of_a_language(scratch) {
        let pool = open(&scratch).await;
        sqlx::query("INSERT INTO ship (id) VALUES ('B')").execute(&pool).await.expect("a row");
        let rows = sqlx::query("SELECT id FROM ship ORDER BY id").fetch_all(&pool).await;
        let ids: Result<Vec<String>, _> = rows.expect("rows").iter().map(|row| row.try_get(0)).collect();
        let expected = match scratch.kind() {
            scratch::Kind::Sqlite => ["B", "a", "b", "c"],
            scratch::Kind::Postgres => ["a", "b", "B", "c"],
        };
        assert_eq!(ids.expect("texts"), expected);
    }

    async fn a_text_with_a_nul_is_refused_by_one_of_them(scratch) {
        let pool = open(&scratch).await;
        let done = sqlx::query("INSERT INTO ship (id) VALUES ($1)").bind("a\0b").execute(&pool).await;
        assert_eq!(done.is_ok(), scratch.kind() == scratch::Kind::Sqlite);
    }
}
