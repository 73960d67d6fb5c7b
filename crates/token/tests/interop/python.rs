//! Runs the script that speaks for pymacaroons.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::support::KEY;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

/// What pymacaroons answers to each task, in order.
pub(crate) fn ask(tasks: &[Value]) -> Vec<Value> {
    let mut script = Command::new(interpreter())
        .arg(Path::new(DIRECTORY).join("pymacaroons_peer.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    let mut stdin = script.stdin.take().expect("stdin is piped");
    stdin.write_all(json!(tasks).to_string().as_bytes()).expect("the script reads its tasks");
    drop(stdin);
    let output = script.wait_with_output().expect("the script ends");
    assert!(output.status.success(), "the script failed; its message is above");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("the script writes JSON");
    assert_eq!(answers.len(), tasks.len());
    answers
}

pub(crate) fn mint_task(version: u8, identifier: &[u8], caveats: &[impl AsRef<[u8]>]) -> Value {
    json!({
        "do": "mint", "version": version, "key": hex::encode(KEY), "location": crate::support::LOCATION,
        "identifier": hex::encode(identifier), "caveats": hex_of(caveats),
    })
}

pub(crate) fn attenuate_task(token: &str, caveats: &[impl AsRef<[u8]>]) -> Value {
    json!({ "do": "attenuate", "token": token, "caveats": hex_of(caveats) })
}

pub(crate) fn verify_task(token: &str, key: &[u8; 32]) -> Value {
    json!({ "do": "verify", "token": token, "key": hex::encode(key) })
}

pub(crate) fn hex_of(values: &[impl AsRef<[u8]>]) -> Vec<String> {
    values.iter().map(hex::encode).collect()
}

/// The interpreter that the environment names, or one of a virtual environment made here.
fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER
        .get_or_init(|| env::var_os("SUBGRANT_INTEROP_PYTHON").map_or_else(own_environment, PathBuf::from))
}

/// A virtual environment below the target directory, made again whenever the requirements change.
fn own_environment() -> PathBuf {
    let requirements = Path::new(DIRECTORY).join("requirements.txt");
    let wanted = fs::read_to_string(&requirements).expect("the requirements are in the repository");
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pymacaroons");
    let python = environment.join("bin/python");
    let installed = environment.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements));
    fs::write(&installed, wanted).expect("the environment is writable");
    python
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?} failed ({status:?}); install python3 with venv, or set SUBGRANT_INTEROP_PYTHON"
    );
}
