//! `regimes sign` and `regimes verify`.

use std::path::Path;
use std::process::Command;

use tradewind::packs::{BUILTIN_PLATFORMS, BUILTIN_REGIMES};

fn regimes(folder: &Path, args: &[&str]) -> (String, bool) {
    let out = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .arg("regimes")
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let told = [out.stdout, out.stderr].concat();
    (String::from_utf8(told).unwrap(), out.status.success())
}

fn put(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn a_pack_is_signed_and_who_looks_sees_by_whom_and_that_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(at, "pack.key", &format!("{}\n", "07".repeat(32)));
    put(at, "regimes.yaml", BUILTIN_REGIMES);
    let (line, good) = regimes(at, &["sign", "--key", "pack.key", "regimes.yaml"]);
    assert!(good, "{line}");
    put(at, "regimes.yaml.sig", &line);
    let key = line.split(' ').next().unwrap();
    let verify = |trusted: &str, name: &str, pack: &str| {
        let args = [
            "--trusted-key",
            trusted,
            "--signature",
            "regimes.yaml.sig",
            "--as",
            name,
            pack,
        ];
        regimes(at, &[&["verify"], &args[..]].concat())
    };
    let told = format!("regimes.yaml is signed by {key}\n");
    assert_eq!(verify(key, "regimes.yaml", "regimes.yaml"), (told, true));
    put(at, "changed.yaml", &format!("{BUILTIN_REGIMES}\n"));
    let other = format!("ed25519-{}", "00".repeat(32));
    for ((told, good), wanted) in [
        (
            verify(key, "regimes.yaml", "changed.yaml"),
            "PACK: 'changed.yaml' is not the regimes.yaml that",
        ),
        (
            verify(key, "platforms.yaml", "regimes.yaml"),
            "is not the platforms.yaml that",
        ),
        (
            verify(&other, "regimes.yaml", "regimes.yaml"),
            "which is none of them",
        ),
        (
            verify("x", "regimes.yaml", "regimes.yaml"),
            "ed25519- and 64",
        ),
    ] {
        assert!(!good && told.contains(wanted), "{told}");
    }
}

/// Another program makes the same signature of the same bytes: nobody needs this one to vouch for a pack.
#[test]
fn openssl_signs_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(at, "regimes.yaml", BUILTIN_REGIMES);
    let script = "set -e
        openssl genpkey -algorithm ed25519 -out pack.pem
        key=$(openssl pkey -in pack.pem -pubout -outform DER | tail -c 32 | od -An -v -tx1 | tr -d ' \\n')
        { printf 'tradewind.dev/pack/v1\\nregimes.yaml\\n'; cat regimes.yaml; } > statement
        signature=$(openssl pkeyutl -sign -rawin -inkey pack.pem -in statement | od -An -v -tx1 | tr -d ' \\n')
        echo ed25519-$key $signature > regimes.yaml.sig; echo ed25519-$key";
    let out = Command::new("sh")
        .args(["-c", script])
        .current_dir(at)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let key = String::from_utf8(out.stdout).unwrap();
    let args = [
        "verify",
        "--trusted-key",
        key.trim(),
        "--signature",
        "regimes.yaml.sig",
        "regimes.yaml",
    ];
    let (told, good) = regimes(at, &args);
    assert!(good, "{told}");
}

#[test]
fn what_is_no_key_or_no_pack_is_not_signed_and_no_key_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(at, "pack.key", &"07".repeat(32));
    put(at, "short.key", "0123456789abcdef");
    put(at, "regimes.yaml", BUILTIN_REGIMES);
    put(at, "platforms.yaml", BUILTIN_PLATFORMS);
    put(at, "broken.yaml", "regimes: [");
    let sign = |key: &str, more: &[&str]| regimes(at, &[&["sign", "--key", key], more].concat());
    assert!(sign("pack.key", &["--as", "platforms.yaml", "platforms.yaml"]).1);
    for ((told, good), wanted) in [
        (
            sign("short.key", &["regimes.yaml"]),
            "--key: 'short.key' is no key",
        ),
        (
            sign("none.key", &["regimes.yaml"]),
            "--key: reading 'none.key'",
        ),
        (
            sign("pack.key", &["broken.yaml"]),
            "PACK: 'broken.yaml' is not taken as regimes.yaml",
        ),
        (
            sign("pack.key", &["platforms.yaml"]),
            "is not taken as regimes.yaml",
        ),
        (
            sign("pack.key", &["--as", "other.yaml", "regimes.yaml"]),
            "possible values",
        ),
    ] {
        assert!(!good && told.contains(wanted), "{told}");
        assert!(
            !told.contains("0123456789") && !told.contains("0707"),
            "{told}"
        );
    }
}
