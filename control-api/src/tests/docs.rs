//! docs/api.md stays true: its shell examples run, in their order, against the real router.

use std::path::Path;
use std::process::Command;

use super::*;

/// Everything between the fences of shell blocks.
fn shell_examples(markdown: &str) -> String {
    let mut script = String::new();
    let mut inside = false;
    for line in markdown.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => {
                script.push_str(line);
                script.push('\n');
            }
            _ => {}
        }
    }
    script
}

scratch::on_each_database! {
    async fn the_examples_in_the_documentation_work_as_they_stand(scratch) {
        let curl = Command::new("curl").arg("--version").output();
        curl.expect("curl is installed: the examples are calls of it");
        let markdown = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md");
        let markdown = std::fs::read_to_string(markdown).expect("docs/api.md");
        let examples = shell_examples(&markdown);
        let calls = examples.matches("curl ").count();
        assert!(calls >= 7, "only {calls} calls found");

        let server = Server::on(scratch).await;
        let address = server.socket.address();

        // A failed request fails its example; every other line's failure does so by itself.
        let script = format!("set -eu\ncurl() {{ command curl --fail-with-body \"$@\"; }}\n{examples}");
        let folder = server.scratch.folder().to_owned();
        // What the reader has.
        std::fs::write(folder.join("film.mp4"), b"\0\0\0\x10ftypisom\0\0\x02\0").expect("a file");
        let output = tokio::task::spawn_blocking(move || {
            Command::new("sh")
                .arg("-c")
                .arg(script)
                .current_dir(folder)
                .env("MILLRACE", format!("http://{address}"))
                .output()
                .expect("sh")
        })
        .await
        .expect("script");
        let seen = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{seen}");
        assert!(seen.contains(r#""stream_key":"mr_"#), "{seen}");
        // The examples delete what they create.
        let left = server
            .database
            .streams()
            .all(&storage::streams::Filter::default())
            .await
            .expect("list");
        assert!(left.is_empty(), "{left:?}");
    }
}
