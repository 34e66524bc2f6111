//! Skills: what is asked, and which archives are taken.

use codex_backend::ErrorKind;
use codex_backend::skills::SkillScope;
use codex_backend::testing::{Backend, Fault, Route};

use crate::support::{client, guard};

#[tokio::test]
async fn skills_are_listed_for_a_product_and_a_scope() {
    let backend = Backend::start().unwrap();
    let skills = client(&backend).skills();
    assert_eq!(guard(skills.list(SkillScope::Personal)).await.unwrap()[0].name, "minutes");
    assert!(guard(skills.list_for("atlas", SkillScope::AllShared, Some(false))).await.unwrap().is_empty());
    let sent: Vec<_> = backend.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(
        sent,
        [
            "/backend-api/hazelnuts?product_surface=codex&scope=personal",
            "/backend-api/hazelnuts?product_surface=atlas&scope=all-shared&enabled=false",
        ]
    );
}

#[tokio::test]
async fn an_archive_is_taken_as_it_is_and_nothing_else_is_one() {
    let backend = Backend::start().unwrap();
    let skills = client(&backend).skills();
    for archive in ["PK\u{3}\u{4}..", "PK\u{5}\u{6}", "PK\u{7}\u{8}PK\u{3}\u{4}"] {
        backend.inject(Route::EXPORT_SKILL, Fault::status(200).body(archive));
        assert_eq!(guard(skills.export("a/../b")).await.unwrap(), archive);
    }
    assert_eq!(backend.requests()[0].target, "/backend-api/hazelnuts/a%2F..%2Fb/export");
    for other in ["", "PK", "PK\u{1}\u{2}", "<html>", r#"{"error":"none"}"#, " PK\u{3}\u{4}"] {
        backend.inject(Route::EXPORT_SKILL, Fault::status(200).body(other));
        let error = guard(skills.export("skill_1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{other}: {error}");
    }
    backend.inject(Route::EXPORT_SKILL, Fault::status(200).body(vec![b'P'; (50 << 20) + 1]));
    let error = guard(skills.export("skill_1")).await.unwrap_err();
    assert!(error.to_string().contains("longer") || error.to_string().contains("too long"), "{error}");
}
