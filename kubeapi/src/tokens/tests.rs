//! Token files, good and bad.

use expect_test::{Expect, expect};

use super::*;

/// The grants of a file, or what is wrong with it.
fn check(text: &str, expected: Expect) {
    let told = match Tokens::parse(Path::new("tokens.toml"), text) {
        Ok(tokens) => tokens.0.iter().map(|(_, grant)| told(grant)).collect(),
        Err(error) => format!("{error}\n"),
    };
    assert!(!told.contains("secret-of"), "no token is ever shown");
    expected.assert_eq(&told);
}

fn told(grant: &Grant) -> String {
    let Grant {
        name,
        user,
        zones,
        read_only,
    } = grant;
    format!("{name}: user {user:?} zones {zones:?} read only {read_only}\n")
}

#[test]
fn good_files() {
    check(
        r#"
        [[tokens]]
        name = "ops"
        token = "secret-of-ops"
        [[tokens]]
        name = "ann"
        sha256 = "5E884898DA28047151D0E56F8DC6292773603D0D6AABBDD62A11EF721D1542D9"
        user = "ann"
        zones = ["a.test", "b.test."]
        read_only = true
        "#,
        expect![[r#"
            ops: user None zones [] read only false
            ann: user Some("ann") zones [a.test., b.test.] read only true
        "#]],
    );
}

#[test]
fn bad_files() {
    check(
        "",
        expect![[r#"
        tokens.toml: has 0 tokens; write 1 to 1024 tables [[tokens]]
    "#]],
    );
    check(
        "tokens = 5",
        expect![[r#"
            tokens.toml: line 1: is no table of tokens; write it as in configs/tokens.toml, values in quotes
        "#]],
    );
    check(
        "[[tokens]]\nname = \"x\"\ntoken = \"secret-of-x\"\nzone = []",
        expect![[r#"
        tokens.toml: line 4: unknown field `zone`, expected one of `name`, `token`, `sha256`, `user`, `zones`, `read_only`
    "#]],
    );
    check(
        "[[tokens]]\nname = \"x\"\ntoken = \"secret-of-x\"\nzones = [\"a..b\"]",
        expect![[r#"
        tokens.toml: line 4: label 2 is empty: a name is labels of 1 to 63 octets between single dots
    "#]],
    );
    check(
        "[[tokens]]\ntoken = \"secret-of-x\"",
        expect![[r#"
        tokens.toml: line 1: missing field `name`
    "#]],
    );
    check(
        "[[tokens]]\nname = \"\"\ntoken = \"secret-of-x\"",
        expect![[r#"
        token ``: has no name; write a printable one, for the log
    "#]],
    );
}

#[test]
fn bad_tokens() {
    check(
        "[[tokens]]\nname = \"x\"\ntoken = 8372615",
        expect![[r#"
        tokens.toml: line 3: is no table of tokens; write it as in configs/tokens.toml, values in quotes
    "#]],
    );
    check(
        "tokens = \"secret-of-x\"",
        expect![[r#"
        tokens.toml: line 1: is no table of tokens; write it as in configs/tokens.toml, values in quotes
    "#]],
    );
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    check(
        &format!("[[tokens]]\nname = \"x\"\nsha256 = \"{empty}\""),
        expect![[r#"
        token `x`: is the digest of an empty token; was the variable set?
    "#]],
    );
    check(
        "[[tokens]]\nname = \"x\"",
        expect![[r#"
        token `x`: wants either token or sha256; write one of them
    "#]],
    );
    check(
        "[[tokens]]\nname = \"x\"\ntoken = \"\"",
        expect![[r#"
        token `x`: has 0 characters; write 8 to 512 (`openssl rand -hex 16`)
    "#]],
    );
    check(
        "[[tokens]]\nname = \"x\"\ntoken = \"s\"",
        expect![[r#"
        token `x`: has 1 characters; write 8 to 512 (`openssl rand -hex 16`)
    "#]],
    );
    check(
        "[[tokens]]\nname = \"x\"\ntoken = \"123456789\"",
        expect![[r#"
            token `x`: is a sample that everybody knows; write a secret one (`openssl rand -hex 16`)
        "#]],
    );
    check(
        "[[tokens]]\nname = \"x\"\ntoken = \"ChangeMe\"",
        expect![[r#"
            token `x`: is a sample that everybody knows; write a secret one (`openssl rand -hex 16`)
        "#]],
    );
    check(
        "[[tokens]]\nname = \"x\"\ntoken = \"secret of x\"",
        expect![[r#"
            token `x`: holds a blank or a character that no header carries; write ASCII
        "#]],
    );
    check(
        "[[tokens]]\nname = \"x\"\nsha256 = \"12\"",
        expect![[r#"
        token `x`: sha256 is not 64 hex digits; write what `printf %s TOKEN | sha256sum` prints
    "#]],
    );
}

#[test]
fn tokens_that_are_known_already() {
    let twice = "[[tokens]]\nname = \"x\"\ntoken = \"secret-of-x\"\n";
    check(
        &[twice, twice].concat(),
        expect![[r#"
        token `x`: is the same as another token; write one of its own
    "#]],
    );
    let other = twice.replace("secret-of-x", "secret-of-y");
    check(
        &[twice, &other].concat(),
        expect![[r#"
        token `x`: is there twice; give each token a name of its own
    "#]],
    );
    // The digest of a sample is a sample, too.
    let sample: [u8; 32] = Sha256::digest(b"123456789").into();
    let sample = data_encoding::HEXLOWER.encode(&sample);
    check(
        &format!("[[tokens]]\nname = \"x\"\nsha256 = \"{sample}\""),
        expect![[r#"
            token `x`: is a sample that everybody knows; write a secret one (`openssl rand -hex 16`)
        "#]],
    );
}

#[test]
fn only_the_token_itself_is_known() {
    let tokens = Tokens::single("x", "secret-of-x").expect("a good token");
    assert_eq!(
        tokens.grant("secret-of-x").map(|grant| &grant.name[..]),
        Some("x")
    );
    for other in ["", "secret-of-", "secret-of-x ", "Secret-of-x"] {
        assert_eq!(tokens.grant(other), None, "{other:?}");
    }
}
