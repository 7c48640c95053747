use super::*;
use crate::Store;
use crate::change::{Change, ledger};
use crate::jobs::{JobState, Outcome};
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::id::{SessionId, UserId};
use crate::outbound::mail::Mailer;
use crate::outbound::sms::{Account, Texter};
use crate::testing::providers::{MailServer, SmsServer};
use crate::testing::{self, TestStore, claim};
use std::time::Duration;
use uuid::Uuid;

/// A person with this address, for whom things are sealed.
async fn ada(test: &TestStore) -> Address {
    let user = test.person().await;
    let salt = test
        .texts(format!("SELECT seal_salt::text FROM users WHERE id = '{user}'"))
        .await;
    let person = Person {
        id: user,
        salt: salt[0].parse().unwrap(),
    };
    Address::of(person, "ada@example.com", "Ada Löwe")
}

fn reset() -> Message {
    Message::PasswordReset {
        token: "the-token".into(),
        minutes: 30,
    }
}

async fn say(test: &TestStore, to: &Address, message: Message) {
    let ctx = Ctx::system(test.organization, "test");
    let mut change = Change::begin(&test.store, &ctx).await.unwrap();
    mail(&mut change, to, message).await.unwrap();
    change.commit().await.unwrap();
}

async fn text(test: &TestStore, to: &str) {
    let ctx = Ctx::system(test.organization, "test");
    let mut change = Change::begin(&test.store, &ctx).await.unwrap();
    let code = Message::SmsCode {
        code: "123456".into(),
        minutes: 5,
    };
    sms(&mut change, to, None, code).await.unwrap();
    change.commit().await.unwrap();
}

fn mailing(test: &mut TestStore, server: &MailServer) {
    let mailer = Mailer::new(&server.url, "Hub <hub@hub.example>").unwrap();
    test.store.outside.mail = Some(mailer);
    test.store.outside.console_is_at("https://hub.example");
}

fn texting(test: &mut TestStore, server: &SmsServer) {
    let account = Account {
        url: server.url.clone(),
        account: "AC1".into(),
        token: "secret".into(),
        from: "+15005550006".into(),
    };
    test.store.outside.sms = Some(Texter::new(account).unwrap());
}

/// Ends a run as its outcome says.
async fn settled(store: &Store, run: &crate::jobs::Run, outcome: &Outcome) -> JobState {
    ledger::settle(store, run, outcome).await.unwrap()
}

#[tokio::test]
async fn a_mail_reaches_the_server_with_its_link_and_is_sealed_until_then() {
    let (mut test, server) = (testing::store().await, MailServer::start().await);
    mailing(&mut test, &server);
    say(&test, &ada(&test).await, reset()).await;
    let kept = test.texts("SELECT payload::text FROM jobs").await;
    for word in ["ada@", "Löwe", "the-token", "password"] {
        assert!(!kept[0].contains(word), "{word} stands in the clear: {kept:?}");
    }
    let run = claim(&test, MAIL).await;
    let outcome = send_mail(&test.store, &run).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let [mail] = &server.received()[..] else {
        panic!("{:?}", server.received());
    };
    assert_eq!(mail.to, ["ada@example.com"]);
    let id = format!("<{}.send@hub.example>", run.job.id);
    assert_eq!(mail.header("message-id"), Some(id));
    assert!(
        mail.text()
            .contains("https://hub.example/reset-password#the-token"),
        "{}",
        mail.text()
    );
    assert_eq!(mail.token(), "the-token");
    assert_eq!(test.count("SELECT count(*) FROM development_outbox").await, 0);
}

#[tokio::test]
async fn a_run_that_sent_and_could_not_say_how_it_ended_does_not_send_again() {
    let (mut test, server) = (testing::store().await, MailServer::start().await);
    mailing(&mut test, &server);
    say(&test, &ada(&test).await, reset()).await;
    let run = claim(&test, MAIL).await;
    send_mail(&test.store, &run).await;
    // its worker dies before it settles, and another takes over
    test.sql("UPDATE job_leases SET until = '-infinity'").await;
    assert_eq!(ledger::take_lapsed(&test.store).await.unwrap(), 1);
    let again = claim(&test, MAIL).await;
    let outcome = send_mail(&test.store, &again).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!(server.received().len(), 1);
    // what the first run would still write is refused
    assert!(ledger::settle(&test.store, &run, &outcome).await.is_err());
    assert_eq!(settled(&test.store, &again, &outcome).await, JobState::Succeeded);
}

#[tokio::test]
async fn what_is_rolled_back_is_not_sent() {
    let test = testing::store().await;
    let ctx = Ctx::system(test.organization, "test");
    let mut change = Change::begin(&test.store, &ctx).await.unwrap();
    mail(&mut change, &ada(&test).await, reset()).await.unwrap();
    drop(change);
    testing::eventually("the transaction is over", async || {
        test.count("SELECT count(*) FROM jobs").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_server_that_puts_off_is_asked_again_one_that_refuses_is_not_and_neither_is_quoted() {
    let (mut test, server) = (testing::store().await, MailServer::start().await);
    mailing(&mut test, &server);
    say(&test, &ada(&test).await, reset()).await;
    let run = claim(&test, MAIL).await;
    server.refuses(Some("451 ada@example.com later"));
    let Outcome::Retry(later) = send_mail(&test.store, &run).await else {
        panic!("it is tried again");
    };
    server.refuses(Some("550 ada@example.com unknown"));
    let Outcome::Fail(never) = send_mail(&test.store, &run).await else {
        panic!("it is given up");
    };
    assert!(later.contains("451") && never.contains("550") && !format!("{later}{never}").contains("ada"));
    server.refuses(None);
    assert!(matches!(send_mail(&test.store, &run).await, Outcome::Done(_)));
    drop(server);
    say(&test, &ada(&test).await, reset()).await;
    let run = claim(&test, MAIL).await;
    assert!(matches!(send_mail(&test.store, &run).await, Outcome::Retry(_)));
}

#[tokio::test]
async fn what_has_lost_its_sense_or_its_reader_is_not_sent() {
    let (mut test, server) = (testing::store().await, MailServer::start().await);
    mailing(&mut test, &server);
    say(&test, &ada(&test).await, reset()).await;
    let run = claim(&test, MAIL).await;
    test.sql("UPDATE users SET seal_salt = gen_random_uuid()").await;
    assert!(matches!(send_mail(&test.store, &run).await, Outcome::Fail(_)));
    say(&test, &ada(&test).await, reset()).await;
    let mut run = claim(&test, MAIL).await;
    run.payload["until"] = 0.into();
    assert!(matches!(send_mail(&test.store, &run).await, Outcome::Fail(_)));
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn an_sms_is_asked_for_as_twilio_wants_it() {
    let (mut test, server) = (testing::store().await, SmsServer::start().await);
    texting(&mut test, &server);
    text(&test, "+49 30 123456").await;
    let run = claim(&test, SMS).await;
    assert!(matches!(send_sms(&test.store, &run).await, Outcome::Done(_)));
    let [request] = &server.requests()[..] else {
        panic!("{:?}", server.requests());
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1"),
        "{head}"
    );
    let head = head.to_lowercase();
    // AC1:secret
    assert!(head.contains("authorization: basic qumxonnly3jlda=="), "{head}");
    assert!(
        head.contains(&format!("idempotency-key: {}:send", run.job.id)),
        "{head}"
    );
    assert!(
        body.starts_with("To=%2B4930123456&From=%2B15005550006&Body=123456+is+your+code"),
        "{body}"
    );
}

#[tokio::test]
async fn a_provider_says_whether_and_when_an_sms_is_tried_again() {
    let (mut test, server) = (testing::store().await, SmsServer::start().await);
    texting(&mut test, &server);
    text(&test, "+4930123456").await;
    let run = claim(&test, SMS).await;
    let after = |seconds| {
        let why = format!(
            "The SMS provider put the message off with {}.",
            if seconds == 7 { 429 } else { 503 }
        );
        Outcome::RetryAfter(why, Duration::from_secs(seconds))
    };
    server.answers("429 Too Many Requests", "Retry-After: 7\r\n");
    assert_eq!(send_sms(&test.store, &run).await, after(7));
    server.answers("503 Service Unavailable", "Retry-After: 999999\r\n");
    assert_eq!(send_sms(&test.store, &run).await, after(3_600));
    server.answers("500 Oh", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n");
    assert!(matches!(send_sms(&test.store, &run).await, Outcome::Retry(_)));
    // a credential follows nobody elsewhere
    let elsewhere = SmsServer::start().await;
    server.answers("307 Over there", &format!("Location: {}\r\n", elsewhere.url));
    assert!(matches!(send_sms(&test.store, &run).await, Outcome::Fail(_)));
    assert!(elsewhere.requests().is_empty());
    for status in ["400 Bad Request", "401 Unauthorized"] {
        server.answers(status, "");
        assert!(
            matches!(send_sms(&test.store, &run).await, Outcome::Fail(_)),
            "{status}"
        );
    }
    drop(server);
    assert!(matches!(send_sms(&test.store, &run).await, Outcome::Retry(_)));
}

/// Somebody signed in with these permissions.
fn acting(test: &TestStore, permissions: &[&str]) -> Ctx {
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(UserId(Uuid::nil()));
    ctx.credential = Credential::Session(SessionId::new());
    ctx.permissions = permissions.iter().copied().collect();
    ctx
}

#[tokio::test]
async fn without_a_provider_messages_wait_to_be_looked_at_by_whoever_may_do_everything() {
    let test = testing::store().await;
    say(&test, &ada(&test).await, reset()).await;
    text(&test, "+4930123456").await;
    for queue in [MAIL, SMS] {
        let run = claim(&test, queue).await;
        let outcome = if queue == MAIL {
            send_mail(&test.store, &run).await
        } else {
            send_sms(&test.store, &run).await
        };
        assert_eq!(settled(&test.store, &run, &outcome).await, JobState::Succeeded);
    }
    let kept = test.texts("SELECT message FROM development_outbox").await;
    assert!(
        !kept
            .iter()
            .any(|kept| kept.contains("ada@") || kept.contains("4930")),
        "{kept:?}"
    );
    let reader = acting(&test, &["settings:read"]);
    let seen = list(&test.store, &reader, None, None).await.unwrap();
    assert_eq!((seen.items.len(), seen.mail_configured), (2, false));
    assert!(
        seen.items
            .iter()
            .all(|item| item.text.is_none() && item.to.is_none())
    );
    let owner = acting(&test, &["settings:read", "settings:update"]);
    let page = list(&test.store, &owner, Some(1), None).await.unwrap();
    assert_eq!(page.items[0].to.as_deref(), Some("+4930123456"));
    let next = list(&test.store, &owner, Some(1), page.next_cursor.as_deref())
        .await
        .unwrap();
    assert!(next.items[0].text.as_ref().unwrap().contains("#the-token") && next.next_cursor.is_none());
    let nobody = acting(&test, &[]);
    assert!(list(&test.store, &nobody, None, None).await.is_err());
    let mut key = owner.clone();
    key.credential = Credential::ApiKey(crate::kernel::id::ApiKeyId::new());
    assert!(
        list(&test.store, &key, None, None).await.unwrap().items[0]
            .text
            .is_none()
    );
    // whoever was erased is not in it any more
    test.sql("UPDATE users SET seal_salt = gen_random_uuid()").await;
    let erased = list(&test.store, &owner, None, None).await.unwrap();
    assert_eq!(erased.items.iter().filter(|item| item.text.is_none()).count(), 1);
}

#[tokio::test]
async fn the_console_of_an_organization_is_where_it_says_and_no_request_is_asked() {
    let test = testing::store().await;
    test.store.outside.console_is_at("https://configured.example");
    let organization = test.organization;
    test.sql(format!(
        "INSERT INTO organization_settings (organization_id, key, value)
         VALUES ('{organization}', 'general', '{{\"public_address\": \"https://said.example\"}}')"
    ))
    .await;
    say(
        &test,
        &Address::of_stranger("new@example.com"),
        Message::SignUpKnown,
    )
    .await;
    let run = claim(&test, MAIL).await;
    send_mail(&test.store, &run).await;
    let owner = acting(&test, &["settings:read", "settings:update"]);
    let seen = list(&test.store, &owner, None, None).await.unwrap();
    let said = seen.items[0].text.clone().unwrap();
    assert!(said.contains("https://said.example/forgot-password"), "{said}");
}
