//! Holds the licences of all crates that a build pulls in to those of `deny.toml`, so that it is
//! seen without cargo-deny too, and offline. It reads what each crate declares (SPDX); it does not
//! look into its files. The C libraries of the system are listed in README.md.

use std::path::Path;
use std::process::Command;

/// Which of a crate's licences have to be accepted, as a tree.
#[derive(Debug)]
enum Expression {
    Licence(String),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

#[test]
fn every_crate_has_a_licence_that_is_accepted() {
    let accepted = accepted();
    let mut refused = Vec::new();
    let packages = packages();
    for (name, licence) in &packages {
        if !parse(licence).is_accepted(&accepted) {
            refused.push(format!("{name}: {licence}"));
        }
    }
    assert!(packages.len() > 100, "only {} crates", packages.len());
    assert!(
        refused.is_empty(),
        "not accepted by deny.toml:\n{}",
        refused.join("\n")
    );
}

#[test]
fn no_licence_is_accepted_that_does_not_occur() {
    let licences: Vec<String> = packages().into_iter().map(|(_, text)| text).collect();
    for accepted in accepted() {
        let occurs = licences.iter().any(|text| tokens(text).contains(&accepted));
        assert!(occurs, "deny.toml: no crate has {accepted} any more");
    }
}

#[test]
fn alternatives_and_conjunctions_are_told_apart() {
    let accepted = ["MIT".to_owned(), "ISC".to_owned()];
    for text in ["MIT OR GPL-3.0", "(GPL-3.0 OR MIT) AND ISC", "GPL-3.0/MIT"] {
        assert!(parse(text).is_accepted(&accepted), "{text}");
    }
    for text in ["GPL-3.0", "MIT AND GPL-3.0", "MIT WITH some-exception"] {
        assert!(!parse(text).is_accepted(&accepted), "{text}");
    }
}

impl Expression {
    fn is_accepted(&self, accepted: &[String]) -> bool {
        match self {
            Self::Licence(name) => accepted.contains(name),
            Self::All(parts) => parts.iter().all(|part| part.is_accepted(accepted)),
            Self::Any(parts) => parts.iter().any(|part| part.is_accepted(accepted)),
        }
    }
}

/// SPDX 2.3 annex D; `/` is how crates wrote OR before.
fn parse(text: &str) -> Expression {
    let tokens = tokens(text);
    let mut rest = tokens.as_slice();
    any(&mut rest)
}

/// The licences and operators of an expression; an exception stays with its licence.
fn tokens(text: &str) -> Vec<String> {
    let spaced = text
        .replace(" WITH ", "\u{1}")
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    spaced
        .split_whitespace()
        .map(|token| token.replace('\u{1}', " WITH "))
        .collect()
}

fn any(rest: &mut &[String]) -> Expression {
    let mut parts = vec![all(rest)];
    while rest.first().is_some_and(|token| token == "OR") {
        *rest = &rest[1..];
        parts.push(all(rest));
    }
    Expression::Any(parts)
}

fn all(rest: &mut &[String]) -> Expression {
    let mut parts = vec![one(rest)];
    while rest.first().is_some_and(|token| token == "AND") {
        *rest = &rest[1..];
        parts.push(one(rest));
    }
    Expression::All(parts)
}

fn one(rest: &mut &[String]) -> Expression {
    let (first, after) = rest.split_first().expect("an expression goes on");
    *rest = after;
    if first != "(" {
        return Expression::Licence(first.clone());
    }
    let inner = any(rest);
    *rest = &rest[1..];
    inner
}

/// The licences that deny.toml allows.
fn accepted() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    let text = std::fs::read_to_string(path).expect("deny.toml is readable");
    let table: toml::Table = text.parse().expect("deny.toml is TOML");
    let allow = table["licenses"]["allow"].as_array();
    allow
        .expect("licenses.allow is an array")
        .iter()
        .filter_map(|licence| licence.as_str().map(str::to_owned))
        .collect()
}

/// Name and licence of every crate from a registry that is built on this platform.
fn packages() -> Vec<(String, String)> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned());
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--filter-platform", &platform])
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {errors}");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array();
    packages
        .expect("packages is an array")
        .iter()
        .filter(|package| !package["source"].is_null())
        .map(|package| {
            let text = |field: &str| package[field].as_str().unwrap_or("none").to_owned();
            (text("name"), text("license"))
        })
        .collect()
}
