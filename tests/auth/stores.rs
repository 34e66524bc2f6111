//! Stores by their public interface: compare-and-swap, files and their surroundings, locks, and what they never show.
//! Every secret in here holds the word `MARK`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use codex_backend::auth::{
    AuthErrorKind, AuthHealth, CredentialStore, FileStore, MemoryStore, StoreError, StoreErrorKind, StoredCredentials,
    SwapOutcome,
};
use codex_backend::mode::Unset;
use codex_backend::testing::{Backend, Fault, Route};
use codex_backend::transport::Environment;
use codex_backend::{ChatGptSession, Client, ClientBuilder};
use serde_json::{Value, json};

use super::second_process::{Second, command, count, told_by};
use crate::support::capture::{assert_debug_hides, assert_error_hides, assert_hidden, capture_traces, traced};
use crate::support::guard::HANGS;
use crate::support::raw::{RawServer, answer};
use crate::support::rounds::rounds;

/// Long enough for a write that nothing stops to have happened.
const WHILE: Duration = Duration::from_millis(400);

#[test]
fn a_second_process_does_as_it_is_told() {
    super::second_process::act();
}

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        capture_traces();
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn with(text: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        fs::write(folder.auth_json(), text).unwrap();
        folder
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn auth_json(&self) -> PathBuf {
        self.join("auth.json")
    }

    fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn store(&self) -> FileStore {
        FileStore::new(self.auth_json())
    }

    fn names(&self) -> Vec<String> {
        names_in(self.path())
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What is there beside credentials and locks.
fn leftovers_in(folder: &Path) -> Vec<String> {
    names_in(folder).into_iter().filter(|name| name.starts_with(".auth-")).collect()
}

fn credentials(value: &Value) -> StoredCredentials {
    StoredCredentials::from_json(&value.to_string()).unwrap()
}

fn numbered(number: u64) -> StoredCredentials {
    credentials(&json!({ "OPENAI_API_KEY": "sk-MARK", "count": number }))
}

/// ChatGPT tokens that have expired, of an account.
fn expired_sign_in(account: &str) -> Value {
    let claims = json!({ "exp": 1, "https://api.openai.com/auth": { "chatgpt_account_id": account } });
    let jwt = format!("e30.{}.MARK", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    json!({
        "auth_mode": "chatgpt",
        "tokens": {
            "id_token": jwt, "access_token": jwt, "refresh_token": "rt_MARK_0123456789", "account_id": account,
        },
        "mine": "MARK",
    })
}

/// Each store there is, keeping nothing.
fn with_each_store(check: impl Fn(&dyn CredentialStore)) {
    check(&Folder::new().store());
    check(&MemoryStore::default());
}

#[track_caller]
fn fails(result: Result<impl Sized, StoreError>, kind: StoreErrorKind) -> String {
    let Err(error) = result else { panic!("it succeeded") };
    assert_eq!(error.kind(), kind, "{error}");
    assert_error_hides(&error);
    error.to_string()
}

// ---- compare and swap ----

#[test]
fn an_empty_store_takes_the_first_credentials_and_gives_them_back() {
    with_each_store(|store| {
        assert_eq!(store.load().unwrap(), None);
        assert_eq!(store.swap(None, Some(&numbered(1))).unwrap(), SwapOutcome::Done);
        assert_eq!(store.load().unwrap(), Some(numbered(1)));
        assert_eq!(store.swap(Some(&numbered(1)), Some(&numbered(2))).unwrap(), SwapOutcome::Done);
        assert_eq!(store.load().unwrap(), Some(numbered(2)));
    });
}

#[test]
fn what_was_not_expected_is_told_and_stays() {
    with_each_store(|store| {
        assert_eq!(store.swap(Some(&numbered(1)), Some(&numbered(2))).unwrap(), SwapOutcome::Changed(None));
        assert_eq!(store.swap(Some(&numbered(1)), None).unwrap(), SwapOutcome::Changed(None));
        assert_eq!(store.load().unwrap(), None);
        store.swap(None, Some(&numbered(1))).unwrap();
        for (expected, new) in [(None, Some(2)), (Some(3), Some(2)), (None, None), (Some(3), None)] {
            let (expected, new) = (expected.map(numbered), new.map(numbered));
            let told = store.swap(expected.as_ref(), new.as_ref()).unwrap();
            assert_eq!(told, SwapOutcome::Changed(Some(numbered(1))));
            assert_eq!(store.load().unwrap(), Some(numbered(1)));
            assert_debug_hides(&told);
        }
    });
}

#[test]
fn credentials_can_be_removed_and_kept_again() {
    with_each_store(|store| {
        store.swap(None, Some(&numbered(1))).unwrap();
        assert_eq!(store.swap(Some(&numbered(1)), None).unwrap(), SwapOutcome::Done);
        assert_eq!(store.load().unwrap(), None);
        assert_eq!(store.swap(None, Some(&numbered(2))).unwrap(), SwapOutcome::Done);
        assert_eq!(store.load().unwrap(), Some(numbered(2)));
    });
}

#[test]
fn nothing_in_place_of_nothing_is_done() {
    with_each_store(|store| {
        assert_eq!(store.swap(None, None).unwrap(), SwapOutcome::Done);
        assert_eq!(store.load().unwrap(), None);
    });
}

#[test]
fn content_is_compared_and_not_its_layout() {
    let folder = Folder::with("{\n\t\"count\" : 1,\n\n\"OPENAI_API_KEY\":\"sk-\\u004dARK\"}");
    assert_eq!(folder.store().swap(Some(&numbered(1)), Some(&numbered(2))).unwrap(), SwapOutcome::Done);
}

#[test]
fn foreign_members_survive_at_every_level() {
    let foreign = json!({
        "null": null, "empty": {}, "list": [1, -1, 1.5, [], [{}], u64::MAX, i64::MIN],
        "ünïcode \" \\ \u{1}": "\u{10ffff}",
        "deep": (0..100).fold(json!(0), |inner, _| json!([inner])),
    });
    let mut sign_in = expired_sign_in("acct-1");
    sign_in["foreign"] = foreign.clone();
    sign_in["tokens"]["foreign"] = foreign;
    with_each_store(|store| {
        store.swap(None, Some(&credentials(&sign_in))).unwrap();
        let kept = store.load().unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&kept.to_json()).unwrap(), sign_in);
    });
}

#[test]
fn no_count_is_lost_among_threads() {
    let times = rounds(20).into();
    with_each_store(|store| {
        store.swap(None, Some(&credentials(&json!({ "count": 0 })))).unwrap();
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| count(store, times));
            }
        });
        assert_eq!(store.load().unwrap(), Some(credentials(&json!({ "count": 6 * times }))));
    });
}

#[test]
fn no_count_is_lost_among_processes() {
    let times = rounds(20);
    let folder = Folder::with(r#"{"count":0}"#);
    let task = json!({ "do": "count", "path": folder.auth_json(), "times": times });
    let mut processes: Vec<Second> = (0..5).map(|_| Second::start(&mut command(&task)).unwrap()).collect();
    for process in &mut processes {
        assert_eq!(process.told(), times);
    }
    assert_eq!(folder.store().load().unwrap(), Some(credentials(&json!({ "count": 5 * times }))));
    assert_eq!(leftovers_in(folder.path()), [""; 0]);
}

#[test]
fn a_reader_never_sees_a_part_of_a_write() {
    let writes = u64::from(rounds(200));
    let folder = Folder::new();
    let version = |number: u64| credentials(&json!({ "first": number, "filling": "x".repeat(20_000), "last": number }));
    folder.store().swap(None, Some(&version(0))).unwrap();
    let seen = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..writes {
                let swap = folder.store().swap(Some(&version(number)), Some(&version(number + 1))).unwrap();
                assert_eq!(swap, SwapOutcome::Done);
            }
        });
        let (mut reads, mut newest) = (0_u64, 0);
        while !writer.is_finished() {
            let text = fs::read(folder.auth_json()).unwrap();
            let read: Value = serde_json::from_slice(&text).expect("a part of a write");
            assert_eq!((&read["first"], read["filling"].as_str().unwrap().len()), (&read["last"], 20_000));
            let number = read["first"].as_u64().unwrap();
            assert!(number >= newest);
            (reads, newest) = (reads + 1, number);
        }
        writer.join().unwrap();
        reads
    });
    assert!(seen > 0);
    assert_eq!(folder.store().load().unwrap(), Some(version(writes)));
    assert_eq!(leftovers_in(folder.path()), [""; 0]);
}

// ---- what is found in place of credentials ----

#[test]
fn what_is_broken_is_a_typed_error_and_stays_as_it_is() {
    let huge = [&b"{\"x\":\"MARK"[..], &vec![b' '; 10 << 20]].concat();
    let garbage: Vec<u8> = (0..10 << 20).map(|index: u32| index.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let deep = format!("{{\"MARK\":{}", "[".repeat(200_000));
    for text in [
        &b""[..],
        b"   ",
        b"MARK",
        b"{\"x\":\"MARK",
        b"{\"x\":\"MARK\"} MARK",
        b"[\"MARK\"]",
        b"\"MARK\"",
        b"null",
        b"\0",
        b"{\"x\":\"MARK\"}\0",
        b"\0\0\0\0{\"x\":\"MARK\"}",
        b"{\"x\":\"MARK\0\"}",
        b"\xff\xfeM\0A\0R\0K\0",
        b"{\"x\":\"MARK\xff\"}",
        deep.as_bytes(),
        &huge,
        &garbage,
    ] {
        let folder = Folder::with(text);
        let store = folder.store();
        let said = fails(store.load(), StoreErrorKind::Malformed);
        assert!(said.contains(folder.auth_json().to_str().unwrap()), "{said}");
        fails(store.swap(None, Some(&numbered(1))), StoreErrorKind::Malformed);
        fails(store.swap(Some(&numbered(0)), Some(&numbered(1))), StoreErrorKind::Malformed);
        fails(store.swap(Some(&numbered(0)), None), StoreErrorKind::Malformed);
        if let Ok(mut lease) = store.begin_refresh(Duration::ZERO) {
            fails(lease.save(&numbered(0), &numbered(1)), StoreErrorKind::Malformed);
        }
        assert!(fs::read(folder.auth_json()).unwrap() == text);
        assert_eq!(leftovers_in(folder.path()), [""; 0]);
        if let Ok(text) = std::str::from_utf8(text) {
            assert_error_hides(&StoredCredentials::from_json(text).unwrap_err());
        }
    }
}

#[test]
fn a_nul_inside_of_a_string_is_kept_when_it_is_escaped() {
    let folder = Folder::with(r#"{"x":"a\u0000b"}"#);
    let store = folder.store();
    let kept = store.load().unwrap().unwrap();
    store.swap(Some(&kept), Some(&kept)).unwrap();
    assert_eq!(store.load().unwrap(), Some(credentials(&json!({ "x": "a\0b" }))));
}

#[test]
fn a_folder_in_place_of_the_file_is_a_typed_error_and_stays() {
    let folder = Folder::new();
    fs::create_dir(folder.auth_json()).unwrap();
    fs::write(folder.auth_json().join("inside"), "kept").unwrap();
    let store = folder.store();
    fails(store.load(), StoreErrorKind::Unreadable);
    fails(store.swap(None, Some(&numbered(1))), StoreErrorKind::Unreadable);
    fails(store.begin_refresh(Duration::ZERO), StoreErrorKind::Unwritable);
    assert_eq!(fs::read(folder.auth_json().join("inside")).unwrap(), b"kept");
    assert_eq!(leftovers_in(folder.path()), [""; 0]);
}

#[test]
fn a_file_in_place_of_the_folder_is_a_typed_error_and_stays() {
    let folder = Folder::with("kept");
    let store = FileStore::new(folder.auth_json().join("auth.json"));
    if cfg!(unix) {
        fails(store.load(), StoreErrorKind::Unreadable);
    }
    fails(store.swap(None, Some(&numbered(1))), StoreErrorKind::Unwritable);
    fails(store.begin_refresh(Duration::ZERO), StoreErrorKind::Unwritable);
    assert_eq!((folder.names(), fs::read(folder.auth_json()).unwrap()), (vec!["auth.json".to_owned()], b"kept".into()));
}

#[test]
fn a_missing_folder_keeps_nothing_and_is_created_by_the_first_write() {
    let folder = Folder::new();
    let path = folder.join("one/two/three/auth.json");
    let store = FileStore::new(&path);
    assert_eq!(store.load().unwrap(), None);
    fails(store.begin_refresh(Duration::ZERO), StoreErrorKind::Unwritable);
    assert_eq!(folder.names(), [""; 0]);
    store.swap(None, Some(&numbered(1))).unwrap();
    assert_eq!(store.load().unwrap(), Some(numbered(1)));
}

#[test]
fn a_view_for_reading_only_reads_and_never_writes() {
    let sign_in = expired_sign_in("acct-1");
    let folder = Folder::with(sign_in.to_string());
    let store = FileStore::read_only(folder.auth_json());
    assert!(store.is_read_only() && !folder.store().is_read_only());
    let kept = store.load().unwrap().unwrap();
    assert_eq!(kept, credentials(&sign_in));
    fails(store.swap(Some(&kept), Some(&numbered(1))), StoreErrorKind::ReadOnly);
    fails(store.swap(Some(&kept), None), StoreErrorKind::ReadOnly);
    fails(store.swap(None, Some(&numbered(1))), StoreErrorKind::ReadOnly);
    fails(store.begin_refresh(Duration::ZERO), StoreErrorKind::ReadOnly);
    fails(FileStore::read_only(folder.join("new/auth.json")).swap(None, None), StoreErrorKind::ReadOnly);
    assert_eq!(
        (folder.names(), fs::read_to_string(folder.auth_json()).unwrap()),
        (vec!["auth.json".into()], sign_in.to_string())
    );
}

// ---- locks ----

/// Begins a write while another process holds a lock, and lets go of the lock.
#[track_caller]
fn waits_for(folder: &Folder, lock: &str, write: impl FnOnce(&FileStore) + Send) {
    let before = folder.store().load().unwrap();
    let held = Second::holding(&folder.join(lock));
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        scope.spawn(move || {
            write(&folder.store());
            tell.send(()).unwrap();
        });
        assert_eq!(told.recv_timeout(WHILE), Err(RecvTimeoutError::Timeout), "{lock} delays nothing");
        assert_eq!(folder.store().load().unwrap(), before);
        held.release();
        told.recv_timeout(HANGS).unwrap();
    });
}

#[test]
fn the_official_tools_locks_delay_a_write_and_no_read() {
    for lock in ["auth.lock", "auth.json.lock"] {
        let folder = Folder::new();
        waits_for(&folder, lock, |store| drop(store.swap(None, Some(&numbered(1))).unwrap()));
        assert_eq!(folder.store().load().unwrap(), Some(numbered(1)));
        waits_for(&folder, lock, |store| {
            let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
            assert_eq!(lease.save(&numbered(1), &numbered(2)).unwrap(), SwapOutcome::Done);
        });
        waits_for(&folder, lock, |store| drop(store.swap(Some(&numbered(2)), None).unwrap()));
        assert_eq!(folder.store().load().unwrap(), None);
    }
}

#[test]
fn a_lock_that_is_not_let_go_of_is_a_typed_error() {
    thread::scope(|scope| {
        for lock in ["auth.lock", "auth.json.lock"] {
            scope.spawn(move || {
                let folder = Folder::new();
                let store = folder.store();
                store.swap(None, Some(&numbered(1))).unwrap();
                let _held = Second::holding(&folder.join(lock));
                let said = fails(store.swap(Some(&numbered(1)), Some(&numbered(2))), StoreErrorKind::Locked);
                assert!(said.contains(&format!("{lock} ")), "{said}");
                assert_eq!(store.load().unwrap(), Some(numbered(1)));
                assert_eq!(leftovers_in(folder.path()), [""; 0]);
            });
        }
    });
}

#[test]
fn the_locks_of_a_process_that_was_killed_are_free() {
    let folder = Folder::with("{}");
    for lock in ["auth.lock", "auth.json.lock", "auth.json.refresh.lock"] {
        Second::holding(&folder.join(lock)).kill();
        let store = folder.store();
        let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
        lease.save(&credentials(&json!({})), &credentials(&json!({}))).unwrap();
    }
}

#[test]
fn a_refresh_excludes_another_until_it_is_dropped() {
    let folder = Folder::with("{}");
    let (first, second) = (folder.store(), folder.store());
    let elsewhere = json!({ "do": "prepare", "path": folder.auth_json() });
    let lease = first.begin_refresh(Duration::ZERO).unwrap();
    assert_debug_hides(&lease);
    for patience in [Duration::ZERO, Duration::from_millis(50)] {
        let said = fails(second.begin_refresh(patience), StoreErrorKind::Locked);
        assert!(said.contains("auth.json.refresh.lock"), "{said}");
    }
    assert_eq!(told_by(&mut command(&elsewhere))["kind"], "Locked");
    drop(lease);
    assert_eq!(told_by(&mut command(&elsewhere)), Value::Null);
    drop(second.begin_refresh(Duration::ZERO).unwrap());
    assert_eq!(leftovers_in(folder.path()), [""; 0]);
}

#[test]
fn a_refresh_waits_for_another_for_as_long_as_it_is_told() {
    let folder = Folder::with("{}");
    waits_for(&folder, "auth.json.refresh.lock", |store| drop(store.begin_refresh(HANGS).unwrap()));
}

#[test]
fn a_refresh_under_way_stops_neither_reads_nor_writes() {
    let folder = Folder::new();
    let store = folder.store();
    store.swap(None, Some(&numbered(1))).unwrap();
    let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
    assert_eq!(store.load().unwrap(), Some(numbered(1)));
    let elsewhere = json!({ "do": "swap", "path": folder.auth_json(), "new": { "count": 2 } });
    assert_eq!(told_by(&mut command(&elsewhere)), Value::Null);

    let meanwhile = credentials(&json!({ "count": 2 }));
    assert_eq!(lease.save(&numbered(1), &numbered(3)).unwrap(), SwapOutcome::Changed(Some(meanwhile.clone())));
    assert_eq!(store.load().unwrap().as_ref(), Some(&meanwhile));
    assert_eq!(lease.save(&meanwhile, &numbered(3)).unwrap(), SwapOutcome::Done);
    assert_eq!(store.load().unwrap(), Some(numbered(3)));
    drop(lease);
    assert_eq!(leftovers_in(folder.path()), [""; 0]);
}

#[test]
fn a_refresh_of_what_was_removed_brings_nothing_back() {
    let folder = Folder::with("{}");
    let store = folder.store();
    let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
    fs::remove_file(folder.auth_json()).unwrap();
    assert_eq!(lease.save(&credentials(&json!({})), &numbered(1)).unwrap(), SwapOutcome::Changed(None));
    drop(lease);
    assert!(!folder.auth_json().exists());
    assert_eq!(leftovers_in(folder.path()), [""; 0]);
}

#[test]
fn memory_refreshes_as_it_swaps() {
    let store = MemoryStore::new(numbered(1));
    let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
    assert_eq!(lease.save(&numbered(0), &numbered(2)).unwrap(), SwapOutcome::Changed(Some(numbered(1))));
    assert_eq!(lease.save(&numbered(1), &numbered(2)).unwrap(), SwapOutcome::Done);
    drop(lease);
    assert_eq!(store.load().unwrap(), Some(numbered(2)));
    assert_debug_hides(&store);
}

#[test]
fn a_file_without_an_extension_does_not_lock_itself_out() {
    let folder = Folder::new();
    let store = FileStore::new(folder.join("credentials"));
    assert_eq!(store.swap(None, Some(&numbered(1))).unwrap(), SwapOutcome::Done);
    assert_eq!(store.load().unwrap(), Some(numbered(1)));
}

#[test]
fn accounts_in_one_folder_refresh_side_by_side() {
    let folder = Folder::new();
    let stores = ["one.json", "two.json", "one.json-too"].map(|name| FileStore::new(folder.join(name)));
    for store in &stores {
        store.swap(None, Some(&numbered(1))).unwrap();
    }
    let leases = stores.each_ref().map(|store| store.begin_refresh(Duration::ZERO).unwrap());
    for (mut lease, store) in leases.into_iter().zip(&stores) {
        assert_eq!(lease.save(&numbered(1), &numbered(2)).unwrap(), SwapOutcome::Done);
        assert_eq!(store.load().unwrap(), Some(numbered(2)));
    }
    assert_eq!(leftovers_in(folder.path()), [""; 0]);
}

#[test]
fn a_lock_that_cannot_be_had_is_found_out_before_the_refresh_token_is_used() {
    for lock in ["auth.lock", "auth.json.lock", "auth.json.refresh.lock"] {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        fs::create_dir(folder.join(lock)).unwrap();
        let said = fails(folder.store().begin_refresh(Duration::ZERO), StoreErrorKind::Unwritable);
        assert!(said.contains(lock), "{said}");
        let backend = Backend::start().unwrap();
        assert_error_hides(&call(&backend, folder.store()).unwrap_err());
        assert_eq!(backend.requests().len(), 0, "{lock}");
        assert_eq!(leftovers_in(folder.path()), [""; 0]);
    }
}

#[test]
fn a_lock_that_is_held_is_found_out_before_the_refresh_token_is_used() {
    thread::scope(|scope| {
        for lock in ["auth.lock", "auth.json.lock"] {
            scope.spawn(move || {
                let folder = Folder::with(expired_sign_in("acct-1").to_string());
                let held = Second::holding(&folder.join(lock));
                let backend = Backend::start().unwrap();
                let error = call(&backend, folder.store()).unwrap_err();
                let said = error.to_string();
                assert!(error.is_retryable() && said.contains(lock), "{said}");
                if cfg!(target_os = "linux") {
                    assert!(said.contains(&format!("by process {} (", held.id())), "{said}");
                }
                assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 0);
            });
        }
    });
}

#[test]
fn a_save_goes_on_without_a_lock_that_is_not_given_back() {
    let folder = Folder::new();
    let store = folder.store();
    store.swap(None, Some(&numbered(1))).unwrap();
    let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
    let _held = Second::holding(&folder.join("auth.lock"));
    assert_eq!(lease.save(&numbered(2), &numbered(3)).unwrap(), SwapOutcome::Changed(Some(numbered(1))));
    assert_eq!(lease.save(&numbered(1), &numbered(2)).unwrap(), SwapOutcome::Done);
    drop(lease);
    assert_eq!(store.load().unwrap(), Some(numbered(2)));
    assert_eq!(leftovers_in(folder.path()), [""; 0]);
}

#[test]
fn what_a_killed_writer_left_behind_goes_with_the_next_refresh() {
    let folder = Folder::with("{}");
    let task = json!({ "do": "rewrite", "path": folder.auth_json() });
    let mut left = 0;
    for round in 0..400 {
        let mut writer = Second::start(&mut command(&task)).unwrap();
        assert_eq!(writer.told(), "begins");
        thread::sleep(Duration::from_micros(1_000 + 97 * round));
        writer.kill();
        left = leftovers_in(folder.path()).len();
        if left > 0 {
            break;
        }
    }
    assert!(left > 0, "no writer was killed in time");
    let store = folder.store();
    let kept = store.load().unwrap().unwrap();
    let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
    assert_eq!(lease.save(&kept, &numbered(1)).unwrap(), SwapOutcome::Done);
    drop(lease);
    assert_eq!(leftovers_in(folder.path()), [""; 0]);
}

// ---- files of Unix ----

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;
    use crate::second_process::{NOBODY, command_without_umask};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_created_is_for_its_owner_alone() {
        let folder = Folder::new();
        let path = folder.join("one/two/auth.json");
        let task = json!({ "do": "swap", "path": path, "new": {} });
        assert_eq!(told_by(&mut command_without_umask(&task)), Value::Null);
        assert_eq!(mode(&path), 0o600);
        assert_eq!((mode(&folder.join("one")), mode(&folder.join("one/two"))), (0o700, 0o700));
        assert_eq!(mode(&folder.join("one/two/auth.json.lock")), 0o600);
    }

    #[test]
    fn what_prepares_a_refresh_is_for_its_owner_alone() {
        let folder = Folder::with("{}");
        let store = folder.store();
        let _lease = store.begin_refresh(Duration::ZERO).unwrap();
        for name in leftovers_in(folder.path()).iter().map(String::as_str).chain(["auth.json.refresh.lock"]) {
            assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn a_mode_that_is_too_wide_is_tightened_by_a_write_and_a_folder_is_left_alone() {
        let folder = Folder::with("{}");
        set_mode(&folder.auth_json(), 0o666);
        set_mode(folder.path(), 0o755);
        folder.store().swap(Some(&credentials(&json!({}))), Some(&numbered(1))).unwrap();
        assert_eq!((mode(&folder.auth_json()), mode(folder.path())), (0o600, 0o755));
    }

    /// Writes, refreshes and removes by a link, and looks at what it leads to.
    #[track_caller]
    fn assert_follows(link: &Path, target: &Path) {
        let store = FileStore::new(link);
        let kept = store.load().unwrap();
        store.swap(kept.as_ref(), Some(&numbered(1))).unwrap();
        let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
        assert_eq!(lease.save(&numbered(1), &numbered(2)).unwrap(), SwapOutcome::Done);
        drop(lease);
        assert!(link.is_symlink() && !target.is_symlink());
        assert_eq!(FileStore::new(target).load().unwrap(), Some(numbered(2)));
        assert_eq!(mode(target), 0o600);
        store.swap(Some(&numbered(2)), None).unwrap();
        assert!(link.is_symlink() && !target.exists());
        for folder in [link.parent().unwrap(), target.parent().unwrap()] {
            assert_eq!(leftovers_in(folder), [""; 0]);
        }
    }

    #[test]
    fn links_are_followed_wherever_they_lead() {
        let folder = Folder::new();
        for name in ["there", "here"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        symlink("there", folder.join("also-there")).unwrap();
        let target = folder.join("there/real.json");
        let absolute = target.to_str().unwrap().to_owned();
        for (name, leads_to) in [
            ("here/absolute.json", &*absolute),
            ("here/relative.json", "../there/real.json"),
            ("here/roundabout.json", "../here/../also-there/./real.json"),
            ("there/beside.json", "real.json"),
            ("here/chain.json", "relative.json"),
            ("here/longer-chain.json", "chain.json"),
        ] {
            symlink(leads_to, folder.join(name)).unwrap();
            // First without, then with a file at the end.
            assert_follows(&folder.join(name), &target);
            fs::write(&target, "{}").unwrap();
            assert_follows(&folder.join(name), &target);
        }
    }

    #[test]
    fn a_link_to_nowhere_is_filled_and_its_folder_created() {
        let folder = Folder::new();
        symlink("missing/real.json", folder.auth_json()).unwrap();
        assert_eq!(folder.store().load().unwrap(), None);
        assert_follows(&folder.auth_json(), &folder.join("missing/real.json"));
        assert_eq!(mode(&folder.join("missing")), 0o700);
    }

    #[test]
    fn links_in_a_circle_are_a_typed_error() {
        let folder = Folder::new();
        symlink("other.json", folder.auth_json()).unwrap();
        symlink("auth.json", folder.join("other.json")).unwrap();
        let store = folder.store();
        fails(store.load(), StoreErrorKind::Unreadable);
        fails(store.swap(None, Some(&numbered(1))), StoreErrorKind::Unwritable);
        fails(store.begin_refresh(Duration::ZERO), StoreErrorKind::Unwritable);
        assert_eq!(folder.names(), ["auth.json", "other.json"]);
    }

    #[test]
    fn refreshes_by_a_link_and_by_the_file_itself_exclude_each_other() {
        let folder = Folder::with("{}");
        symlink("auth.json", folder.join("link.json")).unwrap();
        let by_link = FileStore::new(folder.join("link.json"));
        let _lease = by_link.begin_refresh(Duration::ZERO).unwrap();
        fails(folder.store().begin_refresh(Duration::ZERO), StoreErrorKind::Locked);
    }

    #[test]
    fn a_link_that_is_turned_during_a_refresh_is_followed_to_its_new_end() {
        let folder = Folder::new();
        for name in ["old.json", "new.json"] {
            fs::write(folder.join(name), "{}").unwrap();
        }
        symlink("old.json", folder.auth_json()).unwrap();
        let store = folder.store();
        let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
        fs::remove_file(folder.auth_json()).unwrap();
        symlink("new.json", folder.auth_json()).unwrap();
        assert_eq!(lease.save(&credentials(&json!({})), &numbered(1)).unwrap(), SwapOutcome::Done);
        drop(lease);
        assert_eq!(FileStore::new(folder.join("new.json")).load().unwrap(), Some(numbered(1)));
        assert_eq!(fs::read(folder.join("old.json")).unwrap(), b"{}");
        assert_eq!(leftovers_in(folder.path()), [""; 0]);
    }

    #[test]
    fn no_count_is_lost_between_a_link_and_the_file_itself() {
        let times = rounds(60).into();
        let folder = Folder::with(r#"{"count":0}"#);
        fs::create_dir(folder.join("elsewhere")).unwrap();
        let link = folder.join("elsewhere/auth.json");
        symlink("../auth.json", &link).unwrap();
        thread::scope(|scope| {
            for path in [folder.auth_json(), link] {
                scope.spawn(move || count(&FileStore::new(path), times));
            }
        });
        assert_eq!(folder.store().load().unwrap(), Some(credentials(&json!({ "count": 2 * times }))));
    }

    #[test]
    fn a_link_in_a_folder_that_may_only_be_read_is_found_out_before_the_refresh_token_is_used() {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        chown(folder.auth_json(), Some(NOBODY), Some(NOBODY)).unwrap_or_else(|error| skip(&error.to_string()));
        set_mode(folder.path(), 0o777);
        fs::create_dir(folder.join("links")).unwrap();
        symlink("../auth.json", folder.join("links/auth.json")).unwrap();
        let backend = Backend::start().unwrap();
        let (path, base_url) = (folder.join("links/auth.json"), backend.codex_base_url());
        let task = |what: &str| json!({ "do": what, "path": path, "base_url": base_url });
        let Some(told) = told_to_nobody(&task("prepare")) else { return };
        assert_eq!(told["kind"], "Unwritable");
        assert_eq!(told_to_nobody(&task("call")).unwrap()["kind"], "Some(Transient)");
        assert_eq!(backend.requests().len(), 0);
    }

    #[test]
    fn no_link_in_place_of_a_lock_file_is_followed() {
        for lock in ["auth.lock", "auth.json.lock", "auth.json.refresh.lock"] {
            for existing in [false, true] {
                let folder = Folder::with(expired_sign_in("acct-1").to_string());
                let elsewhere = folder.join("elsewhere");
                if existing {
                    fs::write(&elsewhere, "").unwrap();
                }
                symlink(&elsewhere, folder.join(lock)).unwrap();
                let said = fails(folder.store().begin_refresh(Duration::ZERO), StoreErrorKind::Unwritable);
                assert!(said.contains(lock) && said.contains("not a regular file"), "{said}");
                let backend = Backend::start().unwrap();
                call(&backend, folder.store()).unwrap_err();
                assert_eq!(backend.requests().len(), 0, "{lock}");
                assert_eq!(elsewhere.exists(), existing, "{lock}");
            }
        }
    }

    #[test]
    fn a_lock_file_of_a_stranger_refuses_the_refresh_by_name() {
        for lock in ["auth.lock", "auth.json.lock", "auth.json.refresh.lock"] {
            let folder = Folder::with(expired_sign_in("acct-1").to_string());
            fs::write(folder.join(lock), "").unwrap();
            if let Err(error) = chown(folder.join(lock), Some(NOBODY), Some(NOBODY)) {
                return skip(&format!("a file cannot be given away here: {error}"));
            }
            let said = fails(folder.store().begin_refresh(Duration::ZERO), StoreErrorKind::Unwritable);
            assert!(said.contains(lock) && said.contains("belongs neither"), "{said}");
        }
    }

    /// A file with another name stands for one that cannot be renamed over: it is written in place.
    #[test]
    fn a_file_with_hard_links_keeps_them() {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        fs::hard_link(folder.auth_json(), folder.join("other.json")).unwrap();
        let store = folder.store();
        let kept = store.load().unwrap().unwrap();
        let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
        assert_eq!(fs::read(folder.auth_json()).unwrap(), kept.to_json().into_bytes());
        for (before, after) in [(&kept, &numbered(1)), (&numbered(1), &kept)] {
            assert_eq!(lease.save(before, after).unwrap(), SwapOutcome::Done);
            assert_eq!(store.load().unwrap().as_ref(), Some(after));
            assert_eq!(fs::read(folder.auth_json()).unwrap(), fs::read(folder.join("other.json")).unwrap());
        }
        drop(lease);
        fs::remove_file(folder.join("other.json")).unwrap();
        assert_eq!(leftovers_in(folder.path()), [""; 0]);
    }

    #[test]
    fn a_write_in_place_that_was_interrupted_is_finished_when_the_file_is_read() {
        let encoded = |text: &str| base64::prelude::BASE64_STANDARD_NO_PAD.encode(text);
        let (old, new) = (r#"{"n":1,"longer":"than the new one"}"#, r#"{"n":2,"m":[2]}"#);
        for written in 0..new.len() {
            let mixed = format!("{}{}", &new[..written], &old[written..]);
            let folder = Folder::with(&mixed);
            let journal = folder.join(".auth-journal-auth.json");
            fs::write(&journal, format!("{}\n{}\n", encoded(old), encoded(new))).unwrap();
            let read_only = FileStore::read_only(folder.auth_json());
            assert_eq!(read_only.load().unwrap(), Some(StoredCredentials::from_json(new).unwrap()), "{written}");
            assert_eq!(fs::read_to_string(folder.auth_json()).unwrap(), mixed);
            assert_eq!(folder.store().load().unwrap(), Some(StoredCredentials::from_json(new).unwrap()));
            assert_eq!(fs::read_to_string(folder.auth_json()).unwrap(), new);
            assert!(!journal.exists());
        }
        // What another program has written since is not overwritten.
        let folder = Folder::with("{}");
        fs::write(folder.join(".auth-journal-auth.json"), format!("{}\n{}\n", encoded(old), encoded(new))).unwrap();
        assert_eq!(folder.store().load().unwrap(), Some(credentials(&json!({}))));
        assert_eq!(fs::read(folder.auth_json()).unwrap(), b"{}");
        assert!(!folder.join(".auth-journal-auth.json").exists());
    }

    /// Runs `mount` or `chattr`, and undoes it when dropped.
    struct Undone(Vec<&'static str>, PathBuf);

    impl Undone {
        fn after(does: &[&str], undoes: Vec<&'static str>, path: PathBuf) -> Option<Self> {
            let done = Command::new(does[0]).args(&does[1..]).arg(&path).output();
            if done.is_ok_and(|done| done.status.success()) {
                return Some(Self(undoes, path));
            }
            skip(&format!("`{}` is not allowed here", does.join(" ")));
            None
        }
    }

    impl Drop for Undone {
        fn drop(&mut self) {
            let _undone = Command::new(self.0[0]).args(&self.0[1..]).arg(&self.1).output();
        }
    }

    #[test]
    fn a_file_that_is_a_mount_of_its_own_is_written_in_place() {
        let backend = Backend::start().unwrap();
        let folder = Folder::with(backend.issue_auth_json("acct-1", Duration::ZERO));
        let outside = folder.join("outside.json");
        fs::copy(folder.auth_json(), &outside).unwrap();
        let does = ["mount", "--bind", outside.to_str().unwrap()];
        let Some(_mounted) = Undone::after(&does, vec!["umount"], folder.auth_json()) else { return };
        let before = fs::read(&outside).unwrap();
        call(&backend, folder.store()).unwrap();
        assert_ne!(fs::read(&outside).unwrap(), before);
        assert!(!folder.join(".auth-journal-auth.json").exists());
        call(&backend, FileStore::new(&outside)).unwrap();
        assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_at_all_costs_no_refresh_token_and_the_error_says_what_to_do() {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        let Some(_fixed) = Undone::after(&["chattr", "+i"], vec!["chattr", "-i"], folder.auth_json()) else { return };
        let backend = Backend::start().unwrap();
        let said = call(&backend, folder.store()).unwrap_err().to_string();
        assert!(said.contains("neither replaced") && said.contains("mount the folder"), "{said}");
        assert_eq!(backend.requests().len(), 0);
        assert_eq!(leftovers_in(folder.path()), [""; 0]);
    }

    #[test]
    fn a_lock_file_of_another_user_that_may_be_read_can_be_taken() {
        let folder = Folder::new();
        set_mode(folder.path(), 0o777);
        for lock in ["auth.lock", "auth.json.lock", "auth.json.refresh.lock"] {
            fs::write(folder.join(lock), "").unwrap();
            set_mode(&folder.join(lock), 0o644);
        }
        let task = |what: &str| json!({ "do": what, "path": folder.auth_json(), "new": {} });
        let Some(told) = told_to_nobody(&task("swap")) else { return };
        assert_eq!(told, Value::Null);
        assert_eq!(told_to_nobody(&task("prepare")).unwrap(), Value::Null);
    }

    #[test]
    fn a_file_of_another_owner_is_not_removed() {
        let folder = Folder::with("{}");
        set_mode(folder.path(), 0o777);
        set_mode(&folder.auth_json(), 0o644);
        let Some(told) = told_to_nobody(&json!({ "do": "remove", "path": folder.auth_json() })) else { return };
        assert_eq!(told["kind"], "Unwritable");
        assert_eq!(fs::read(folder.auth_json()).unwrap(), b"{}");
    }

    #[test]
    fn a_write_into_a_folder_that_may_not_be_listed_succeeds() {
        let folder = Folder::new();
        set_mode(folder.path(), 0o333);
        let Some(told) = told_to_nobody(&json!({ "do": "swap", "path": folder.auth_json(), "new": {} })) else {
            return;
        };
        assert_eq!(told, Value::Null);
        assert_eq!(fs::read(folder.auth_json()).unwrap(), b"{}");
    }

    #[test]
    fn a_pipe_in_place_of_the_file_is_a_typed_error_and_no_hang() {
        let folder = Folder::new();
        let made = Command::new("mkfifo").arg(folder.auth_json()).status();
        if !made.is_ok_and(|status| status.success()) {
            return skip("`mkfifo` makes no pipe here");
        }
        let (tell, told) = mpsc::channel();
        let store = folder.store();
        thread::spawn(move || tell.send(store.load()));
        fails(told.recv_timeout(Duration::from_secs(20)).expect("it hangs"), StoreErrorKind::Unreadable);
    }

    // ---- full disks ----

    /// A file system of 64 KiB in a folder, for as long as this value lives.
    struct SmallDisk {
        folder: Folder,
    }

    impl SmallDisk {
        /// Nothing where the system does not let this process mount one.
        fn mount() -> Option<Self> {
            let folder = Folder::new();
            let mounted = Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"])
                .arg(folder.path())
                .output()
                .is_ok_and(|output| output.status.success());
            if !mounted {
                skip("a small disk cannot be mounted here");
            }
            mounted.then_some(Self { folder })
        }

        /// Leaves no room.
        fn fill(&self) {
            let mut filling = fs::File::create(self.folder.join("filling")).unwrap();
            let full = loop {
                if let Err(error) = filling.write_all(&[0; 512]) {
                    break error;
                }
            };
            assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            // Where it fails, the folder cannot be removed either, and says so.
            let _unmounted = Command::new("umount").arg(self.folder.path()).status();
        }
    }

    /// Says so past the test harness, which would keep it to itself.
    fn skip(reason: &str) {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        io::stderr().write_all(format!("skipped {test}: {reason}\n").as_bytes()).unwrap();
    }

    #[test]
    fn a_full_disk_is_a_typed_error_and_costs_nothing() {
        let Some(disk) = SmallDisk::mount() else { return };
        let sign_in = expired_sign_in("acct-1");
        let (store, kept) = (disk.folder.store(), credentials(&sign_in));
        store.swap(None, Some(&kept)).unwrap();
        let before = fs::read(disk.folder.auth_json()).unwrap();
        disk.fill();

        let said = fails(store.swap(Some(&kept), Some(&numbered(1))), StoreErrorKind::Unwritable);
        assert!(said.contains("space"), "{said}");
        fails(store.begin_refresh(Duration::ZERO), StoreErrorKind::Unwritable);
        let backend = Backend::start().unwrap();
        let error = call(&backend, store).unwrap_err();
        assert_eq!(error.auth_error().unwrap().kind(), AuthErrorKind::Transient);
        assert_error_hides(&error);
        assert_eq!(backend.requests().len(), 0);
        assert_eq!(fs::read(disk.folder.auth_json()).unwrap(), before);
        assert_eq!(leftovers_in(disk.folder.path()), [""; 0]);
    }

    #[test]
    fn a_disk_that_fills_up_during_a_refresh_has_room_for_it() {
        let Some(disk) = SmallDisk::mount() else { return };
        let store = disk.folder.store();
        store.swap(None, Some(&numbered(1))).unwrap();
        let mut lease = store.begin_refresh(Duration::ZERO).unwrap();
        disk.fill();
        let larger = credentials(&json!({ "access_token": "MARK".repeat(2000) }));
        assert_eq!(lease.save(&numbered(1), &larger).unwrap(), SwapOutcome::Done);
        drop(lease);
        assert_eq!(store.load().unwrap(), Some(larger));
        assert_eq!(leftovers_in(disk.folder.path()), [""; 0]);
    }

    // ---- other users ----

    /// What a user that is neither root nor an owner is told; nothing where this process cannot become one.
    fn told_to_nobody(task: &Value) -> Option<Value> {
        match Second::start(command(task).uid(NOBODY).gid(NOBODY)) {
            Ok(mut second) => Some(second.told()),
            Err(error) => {
                skip(&format!("another user cannot be had here: {error}"));
                None
            }
        }
    }

    #[test]
    fn a_folder_that_may_only_be_read_is_a_typed_error_before_any_refresh_token_is_used() {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        set_mode(folder.path(), 0o555);
        set_mode(&folder.auth_json(), 0o644);
        let before = fs::read(folder.auth_json()).unwrap();
        let backend = Backend::start().unwrap();
        let (path, base_url) = (folder.auth_json(), backend.codex_base_url());
        let task = |what: &str| json!({ "do": what, "path": path, "new": {}, "base_url": base_url });
        let Some(told) = told_to_nobody(&task("load")) else { return };
        assert_eq!(told, Value::Null);
        for what in ["swap", "remove", "prepare"] {
            assert_eq!(told_to_nobody(&task(what)).unwrap()["kind"], "Unwritable", "{what}");
        }
        assert_eq!(told_to_nobody(&task("call")).unwrap()["kind"], "Some(Transient)");
        assert_eq!(backend.requests().len(), 0);
        assert_eq!((folder.names(), fs::read(folder.auth_json()).unwrap()), (vec!["auth.json".to_owned()], before));
    }

    #[test]
    fn a_file_that_may_not_be_read_is_a_typed_error_and_not_a_missing_one() {
        let folder = Folder::with("{}");
        set_mode(folder.path(), 0o777);
        set_mode(&folder.auth_json(), 0o600);
        let task = |what: &str| json!({ "do": what, "path": folder.auth_json(), "new": {} });
        let Some(told) = told_to_nobody(&task("load")) else { return };
        assert_eq!(told["kind"], "Unreadable");
        assert_eq!(told_to_nobody(&task("prepare")).unwrap()["kind"], "Unwritable");
        assert_eq!(fs::read(folder.auth_json()).unwrap(), b"{}");
    }

    #[test]
    fn a_file_of_another_owner_is_not_replaced() {
        let folder = Folder::with("{}");
        set_mode(folder.path(), 0o777);
        set_mode(&folder.auth_json(), 0o644);
        let task = |what: &str| json!({ "do": what, "path": folder.auth_json(), "new": { "x": 1 } });
        let Some(told) = told_to_nobody(&task("swap")) else { return };
        assert_eq!(told["kind"], "Unwritable");
        assert!(told["text"].as_str().unwrap().contains("another user"), "{told}");
        assert_eq!(told_to_nobody(&task("prepare")).unwrap()["kind"], "Unwritable");
        assert_eq!(fs::read(folder.auth_json()).unwrap(), b"{}");
        assert_eq!(leftovers_in(folder.path()), [""; 0]);
    }

    #[test]
    fn root_does_not_take_a_file_from_its_owner() {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        if let Err(error) = chown(folder.auth_json(), Some(NOBODY), Some(NOBODY)) {
            return skip(&format!("a file cannot be given away here: {error}"));
        }
        let (store, before) = (folder.store(), fs::read(folder.auth_json()).unwrap());
        let kept = store.load().unwrap();
        fails(store.swap(kept.as_ref(), Some(&numbered(1))), StoreErrorKind::Unwritable);
        fails(store.begin_refresh(Duration::ZERO), StoreErrorKind::Unwritable);
        let backend = Backend::start().unwrap();
        assert_error_hides(&call(&backend, store).unwrap_err());
        assert_eq!(backend.requests().len(), 0);
        assert_eq!(fs::read(folder.auth_json()).unwrap(), before);
        // Not so much as a lock file that would lock the owner out.
        assert_eq!(folder.names(), ["auth.json"]);
    }
}

// ---- what is never shown ----

/// One call of a new session.
fn call(backend: &Backend, store: FileStore) -> Result<(), codex_backend::Error> {
    call_after(backend.client(), store, || {})
}

/// One call of a session that was opened before something happened.
fn call_after(
    builder: ClientBuilder<Unset>,
    store: FileStore,
    happens: impl FnOnce(),
) -> Result<(), codex_backend::Error> {
    let session = ChatGptSession::open(store).unwrap();
    assert_debug_hides(&session);
    happens();
    let client = builder.provider(session).build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let call = client.usage().get().into_future();
    runtime.block_on(async { tokio::time::timeout(HANGS, call).await.expect("it hangs") }).map(drop)
}

fn json_answer(body: &Value) -> Fault {
    Fault::status(200).header("content-type", "application/json").body(body.to_string())
}

#[track_caller]
fn assert_call_hides(error: &codex_backend::Error) {
    assert_error_hides(error);
    assert_hidden(error.message());
    for text in [error.body(), error.code(), error.request_id()].into_iter().flatten() {
        assert_hidden(text);
    }
    assert_error_hides(error.auth_error().unwrap());
}

#[test]
fn the_failures_of_a_refresh_show_no_token() {
    let refreshed =
        || json!({ "access_token": "MARK-new", "refresh_token": "rt_NEWMARK_0123456789", "id_token": "MARK" });
    let refusal =
        json!({ "error": { "code": "refresh_token_reused", "message": "rt_MARK_0123456789 was used" } }).to_string();
    for answer in [
        json_answer(&json!({ "refresh_token": "rt_NEWMARK_0123456789", "id_token": "MARK" })),
        json_answer(&json!({ "access_token": "", "refresh_token": "rt_NEWMARK_0123456789" })),
    ] {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        let backend = Backend::start().unwrap();
        backend.inject(Route::REFRESH_TOKEN, answer);
        assert_call_hides(&call(&backend, folder.store()).unwrap_err());
        // The refresh token is kept; an id token that is none would make the official tool refuse the file.
        let mut expected = expired_sign_in("acct-1");
        expected["tokens"]["refresh_token"] = json!("rt_NEWMARK_0123456789");
        let kept: Value = serde_json::from_str(&fs::read_to_string(folder.auth_json()).unwrap()).unwrap();
        assert_eq!(kept, expected);
        assert_eq!(leftovers_in(folder.path()), [""; 0]);
    }
    for answer in [
        json_answer(&json!([refreshed()])),
        Fault::status(200).body(&b"{\"access_token\":\"MARK"[..]),
        Fault::status(200).body(&b"{\"access_token\":\"MARK\xff\"}"[..]),
        Fault::status(401).body(refusal.clone()),
        Fault::status(400).body(refusal),
        Fault::status(400).body("rt_MARK_0123456789"),
        Fault::status(500).body("rt_MARK_0123456789"),
        Fault::redirect_to("https://elsewhere.example/?token=rt_MARK_0123456789"),
        Fault::reset_before_headers(),
        Fault::unauthorized("refresh_token_invalidated"),
    ] {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        let backend = Backend::start().unwrap();
        backend.inject(Route::REFRESH_TOKEN, answer);
        assert_call_hides(&call(&backend, folder.store()).unwrap_err());
        assert_eq!(fs::read_to_string(folder.auth_json()).unwrap(), expired_sign_in("acct-1").to_string());
        assert_eq!(leftovers_in(folder.path()), [""; 0]);
    }
    assert!(traced().contains("could not be refreshed"));
}

type Change = fn(&Path);

/// What may happen to the file, and of which class the error of a call is then.
fn changes() -> [(AuthErrorKind, Change); 5] {
    [
        (AuthErrorKind::AccountMismatch, |path| fs::write(path, expired_sign_in("acct-2").to_string()).unwrap()),
        (AuthErrorKind::ReauthRequired, |path| fs::remove_file(path).unwrap()),
        (AuthErrorKind::Permanent, |path| fs::write(path, "{\"MARK").unwrap()),
        (AuthErrorKind::Incomplete, |path| fs::write(path, r#"{"OPENAI_API_KEY":"sk-MARK"}"#).unwrap()),
        (AuthErrorKind::Permanent, |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ]
}

#[test]
fn a_file_that_changed_before_a_refresh_is_a_typed_error_that_shows_no_token() {
    for (kind, change) in changes() {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        let backend = Backend::start().unwrap();
        let error = call_after(backend.client(), folder.store(), || change(&folder.auth_json())).unwrap_err();
        assert_call_hides(&error);
        if !folder.auth_json().is_dir() {
            assert_eq!(error.auth_error().unwrap().kind(), kind, "{error:?}");
        }
        assert_eq!(backend.requests().len(), 0);
        assert_eq!(leftovers_in(folder.path()), [""; 0]);
    }
}

#[test]
fn a_file_that_changes_during_a_refresh_shows_no_token() {
    for (_, change) in changes() {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        let path = folder.auth_json();
        let server = RawServer::start(move |request| match request.line.starts_with("POST") {
            true => {
                change(&path);
                let refreshed = json!({ "access_token": "opaque-MARK-new", "refresh_token": "rt_NEWMARK_0123456789" });
                answer("HTTP/1.1 200 OK\ncontent-type: application/json", refreshed.to_string())
            }
            false => answer("HTTP/1.1 401 Unauthorized", ""),
        });
        let builder = Client::builder().codex_base_url(server.codex_base_url()).environment(Environment::empty());
        let error = call_after(builder, folder.store(), || {}).unwrap_err();
        assert_error_hides(&error);
        assert_eq!(server.requests().iter().filter(|request| request.line.starts_with("POST")).count(), 1);
        assert_eq!(leftovers_in(folder.path()), [""; 0]);
    }
    assert!(traced().contains("refreshed credentials could not be saved"));
}

#[test]
fn an_answer_that_cannot_be_understood_shows_no_token() {
    for body in [json!({ "access_token": { "value": "MARK" } }), json!({ "access_token": ["MARK"] }), json!(["MARK"])] {
        let folder = Folder::with(expired_sign_in("acct-1").to_string());
        let backend = Backend::start().unwrap();
        backend.inject(Route::REFRESH_TOKEN, json_answer(&body));
        assert_call_hides(&call(&backend, folder.store()).unwrap_err());
    }
}

#[test]
fn a_refreshed_token_of_another_user_is_handed_over_and_never_a_mixture() {
    let of_user = |user: &str| {
        let claims = json!({ "exp": 1, "https://api.openai.com/auth": { "chatgpt_user_id": user } });
        format!("e30.{}.MARK", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
    };
    let mut sign_in = expired_sign_in("acct-1");
    sign_in["tokens"]["access_token"] = of_user("user-1").into();
    let folder = Folder::with(sign_in.to_string());
    let backend = Backend::start().unwrap();
    let body = json!({ "access_token": of_user("user-2"), "refresh_token": "rt_MARK_of_another" });
    backend.inject(Route::REFRESH_TOKEN, json_answer(&body).times(9));
    let session = ChatGptSession::open(folder.store()).unwrap();
    let client = backend.client().provider(session).build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for _ in 0..2 {
        let error = runtime.block_on(client.usage().get().into_future()).unwrap_err();
        assert_call_hides(&error);
        let auth = error.auth_error().unwrap().clone();
        assert_eq!(auth.kind(), AuthErrorKind::AccountMismatch, "{error:?}");
        let redeemed: Value = serde_json::from_str(&auth.into_credentials().unwrap().to_json()).unwrap();
        assert_eq!(redeemed["tokens"]["refresh_token"], "rt_MARK_of_another");
        assert_eq!(client.auth_health(), AuthHealth::OtherUser);
    }
    assert_eq!(backend.requests_to(Route::REFRESH_TOKEN).len(), 1);
    assert_eq!(folder.store().load().unwrap(), Some(credentials(&sign_in)));
}

#[test]
fn credentials_and_their_stores_show_nothing_of_them() {
    let folder = Folder::with(expired_sign_in("acct-1").to_string());
    let kept = folder.store().load().unwrap().unwrap();
    assert!(kept.to_json().contains("MARK"));
    assert_debug_hides(&kept);
    assert_debug_hides(&SwapOutcome::Changed(Some(kept.clone())));
    assert_debug_hides(&folder.store());
    assert_debug_hides(&MemoryStore::new(kept));
    assert_hidden(&folder.store().describe());
}
