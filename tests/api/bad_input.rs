use crate::harness::{hub, problem, problem_in_full};
use reqwest::Method;

#[tokio::test]
async fn each_malformed_body_gets_its_own_clear_error() {
    let hub = hub().await;
    let big = format!("{{\"email\": \"{}\"}}", "x".repeat(1 << 20));
    for (kind, body, status, code, field) in [
        (
            "application/json",
            &b"{\"email\": "[..],
            400,
            "request.malformed",
            "",
        ),
        ("application/json", b"\xff\xfe", 400, "request.malformed", ""),
        (
            "application/json",
            b"{\"email\": 1, \"password\": \"x\"}",
            422,
            "request.invalid",
            "email",
        ),
        (
            "application/json",
            b"{\"email\": \"a\"}",
            422,
            "request.invalid",
            "password",
        ),
        (
            "application/json",
            b"{\"email\": \"a\", \"password\": \"x\", \"admin\": true}",
            422,
            "request.invalid",
            "admin",
        ),
        ("application/json", b"[1]", 422, "request.invalid", ""),
        ("application/json", big.as_bytes(), 413, "request.too_large", ""),
        (
            "text/plain",
            b"{\"email\": \"a\", \"password\": \"x\"}",
            415,
            "request.media_type",
            "",
        ),
    ] {
        let answer = hub
            .ask(Method::POST, "/auth/login")
            .header("content-type", kind)
            .body(body.to_vec())
            .send()
            .await
            .unwrap();
        let (got, said, body) = problem_in_full(answer).await;
        assert_eq!((got, said.as_str()), (status, code), "{body}");
        if !field.is_empty() {
            assert_eq!(body["errors"][0]["field"], field, "{body}");
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_known_one_with_another_method_405() {
    let hub = hub().await;
    let unknown = hub.ask(Method::GET, "/nothing").send().await.unwrap();
    assert_eq!(problem(unknown).await, (404, "request.unknown_path".into()));
    let other = hub.ask(Method::DELETE, "/me").send().await.unwrap();
    assert_eq!(other.headers()["allow"], "GET");
    assert_eq!(problem(other).await, (405, "request.method".into()));
    let owner = hub.owner().await;
    let no_id = hub.get(&owner, "/users/not-an-id/sessions").await;
    assert_eq!(problem(no_id).await, (400, "request.path".into()));
}

#[tokio::test]
async fn a_trace_id_of_the_caller_is_kept_and_a_bad_one_replaced() {
    let hub = hub().await;
    let ask = async |traceparent: &str| {
        let request = hub.ask(Method::GET, "/me").header("traceparent", traceparent);
        let (_, _, body) = problem_in_full(request.send().await.unwrap()).await;
        body["trace_id"].as_str().unwrap().to_owned()
    };
    let theirs = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(ask(&format!("00-{theirs}-00f067aa0ba902b7-01")).await, theirs);
    assert_ne!(
        ask("00-00000000000000000000000000000000-00f067aa0ba902b7-01").await,
        "0".repeat(32)
    );
    assert_ne!(ask("nonsense").await, "nonsense");
}

#[tokio::test]
async fn a_database_that_is_away_is_said_to_be_and_nothing_internal_is() {
    let hub = hub().await;
    let owner = hub.owner().await;
    hub.test.store.db.close().await;
    let answer = hub.get(&owner, "/me").await;
    assert_eq!(answer.headers()["retry-after"], "1");
    let (status, code, body) = problem_in_full(answer).await;
    assert_eq!((status, code.as_str()), (503, "database.unavailable"));
    assert!(!body.to_string().contains("Pool"), "{body}");
}
