//! What is written to any log: never a secret, never anything personal.

use std::path::Path;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::hub::{Folder, Hub, eventually, signalbox};

/// Each stands in one kind of value that somebody gives to the hub, and would be told apart in a log.
const SECRET: &str = "canary-secret-9f3b1c";
const PERSON: &str = "canary.person.77aa";

/// Every file below `folder` that a program wrote as a log, and what it says.
fn log_files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            log_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "log") {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            found.push((path.display().to_string(), text));
        }
    }
}

struct Api {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Api {
    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}/api/v1{path}", self.url))
            .bearer_auth(&self.token)
            .json(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = self
            .http
            .get(format!("{}/api/v1{path}", self.url))
            .bearer_auth(&self.token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn import(&self) -> String {
        let mut file = String::from("E-mail,Full name,Phone\n");
        for n in 0..50 {
            file += &format!("{PERSON}.{n}@example.com,{PERSON} {n},{PERSON}\n");
        }
        file += &format!("{PERSON}-is-no-address,{PERSON},1\n");
        let part = Part::bytes(file.into_bytes()).file_name(format!("{PERSON}.csv"));
        let form = Form::new()
            .text("kind", "users")
            .text("mode", "commit")
            .part("file", part);
        let request = self
            .http
            .post(format!("{}/api/v1/imports", self.url))
            .bearer_auth(&self.token);
        let answer: Value = request
            .multipart(form)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        answer["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn v5_0_0_16_2_5_no_secret_and_nothing_personal_reaches_any_log_even_at_debug() {
    let folder = Folder::new();
    let owner = format!("{PERSON}.owner@example.com");
    let mut command = signalbox();
    command
        .env("SIGNALBOX__LOG__LEVEL", "debug")
        .env("SIGNALBOX__BOOTSTRAP__EMAIL", &owner)
        .env("SIGNALBOX__BOOTSTRAP__PASSWORD", SECRET);
    let mut hub = Hub::launch(command, folder.path());
    hub.wait_until_ready();
    let mut api = Api {
        http: crate::harness::client(),
        url: format!("http://{}", hub.address),
        token: String::new(),
    };
    let wrong = json!({"email": owner, "password": format!("{SECRET}-wrong")});
    assert_eq!(api.post("/auth/login", &wrong).await.0, 401);
    let unknown = json!({"email": format!("{PERSON}.nobody@example.com"), "password": SECRET});
    assert_eq!(api.post("/auth/login", &unknown).await.0, 401);
    let (status, tokens) = api
        .post("/auth/login", &json!({"email": owner, "password": SECRET}))
        .await;
    assert_eq!(status, 200, "{tokens}");
    api.token = tokens["access_token"].as_str().unwrap().to_owned();

    let person = json!({"email": format!("{PERSON}@example.com"), "name": PERSON, "phone": PERSON, "password": format!("{SECRET} 2")});
    assert_eq!(api.post("/users", &person).await.0, 201);
    assert_eq!(api.post("/users", &person).await.0, 409);
    assert_eq!(
        api.post("/users", &json!({"email": PERSON, "nme": SECRET}))
            .await
            .0,
        422
    );
    assert_eq!(api.get(&format!("/users?q={PERSON}")).await.0, 200);
    assert_eq!(
        api.get(&format!("/users?cursor={PERSON}&q={SECRET}")).await.0,
        422
    );
    assert_eq!(api.get(&format!("/users/{PERSON}")).await.0 / 100, 4);
    let import = api.import().await;
    let mut state = Value::Null;
    for _ in 0..600 {
        state = api.get(&format!("/imports/{import}")).await.1;
        if state["state"] == "succeeded" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(state["counts"]["inserted"], 50, "{state}");
    assert_eq!(state["counts"]["rejected"], 1, "{state}");

    hub.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(hub.ended().success());
    eventually("the hub has said what it did", || hub.said().contains("stopping"));
    let mut logs = vec![("the hub's own".to_owned(), hub.said().to_owned())];
    log_files(folder.path(), &mut logs);
    // what the hub says to whoever starts it is no log: it names the owner once
    let lines: Vec<(String, String)> = logs
        .iter()
        .flat_map(|(name, text)| text.lines().map(move |line| (name.clone(), line.to_owned())))
        .filter(|(_, line)| !line.starts_with("Sign in as "))
        .collect();
    assert!(lines.len() > 20, "there was nothing to look at: {lines:?}");
    let mut forbidden = vec![SECRET, PERSON];
    for name in ["access_token", "refresh_token"] {
        forbidden.push(tokens[name].as_str().unwrap());
    }
    for (name, line) in &lines {
        for word in &forbidden {
            assert!(!line.contains(word), "{name} holds {word}:\n{line}");
        }
    }
}

#[tokio::test]
async fn a_log_line_of_what_somebody_does_as_another_names_the_operator_by_id_and_nobody_by_name() {
    let folder = Folder::new();
    let owner = format!("{PERSON}.owner@example.com");
    let mut command = signalbox();
    command
        .env("SIGNALBOX__LOG__LEVEL", "signalbox=debug")
        .env("SIGNALBOX__LOG__FORMAT", "json")
        .env("SIGNALBOX__BOOTSTRAP__EMAIL", &owner)
        .env("SIGNALBOX__BOOTSTRAP__PASSWORD", SECRET);
    let mut hub = Hub::launch(command, folder.path());
    hub.wait_until_ready();
    let mut api = Api {
        http: crate::harness::client(),
        url: format!("http://{}", hub.address),
        token: String::new(),
    };
    let credentials = json!({"email": owner, "password": SECRET});
    let tokens = api.post("/auth/login", &credentials).await.1;
    api.token = tokens["access_token"].as_str().unwrap().to_owned();
    let operator = api.get("/me").await.1["user"]["id"].clone();
    let person =
        json!({"email": format!("{PERSON}@example.com"), "name": PERSON, "password": format!("{SECRET} 2")});
    let (status, person) = api.post("/users", &person).await;
    assert_eq!(status, 201, "{person}");
    let path = format!("/users/{}/impersonate", person["id"].as_str().unwrap());
    let (status, begun) = api.post(&path, &json!({"reason": "They report an error"})).await;
    assert_eq!(status, 200, "{begun}");
    api.token = begun["access_token"].as_str().unwrap().to_owned();
    assert_eq!(api.get("/me").await.0, 200);
    // of every request that was answered: what it asked for, and who acted as somebody else
    let mut answered = Vec::new();
    eventually("the request as somebody else is in the log", || {
        let lines = hub.said().lines();
        let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        answered = lines
            .filter(|line| line["message"] == "answered")
            .map(|line| (line["operation"].clone(), line["span"]["on_behalf_of"].clone()))
            .collect();
        answered.iter().any(|(_, by)| !by.is_null())
    });
    assert!(answered.contains(&(json!("me.get"), Value::Null)), "{answered:?}");
    assert!(answered.contains(&(json!("me.get"), operator)), "{answered:?}");
    assert_eq!(
        answered.iter().filter(|(_, by)| !by.is_null()).count(),
        1,
        "{answered:?}"
    );
    // what the hub says to whoever starts it is no log: it names the owner once
    let mut lines = hub.said().lines().filter(|line| !line.starts_with("Sign in as "));
    assert!(lines.all(|line| !line.contains(PERSON) && !line.contains(SECRET)));
    hub.stop();
}
