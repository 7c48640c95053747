//! Tokens that look right: each is refused by REST, by the plain event stream and by WebSocket (RFC 8725, ASVS 9).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use reqwest::Method;
use serde_json::{Value, json};

use signalbox_core::testing::TestStore;

use super::wire::Answer;
use super::world::{Person, World, none};

/// One of the parts of a token that say something.
fn part(token: &str, n: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// What a token says of itself.
pub fn header(token: &str) -> Value {
    part(token, 0)
}

/// What a token says.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// Whoever has the hub's own signing key.
pub struct Mint {
    key: EncodingKey,
    /// Its public half, which everybody may know.
    public: Vec<u8>,
    header: Value,
    claims: Value,
}

impl Mint {
    /// With a good token of somebody's to start from.
    pub async fn of(test: &TestStore, token: &str) -> Self {
        let header = header(token);
        let kid = header["kid"].as_str().unwrap();
        let kept = format!("SELECT encode(private_key, 'hex') FROM signing_keys WHERE kid = '{kid}'");
        let sealed = hex::decode(&test.texts(kept).await[0]).unwrap();
        let der = test.store.sealer.open_bytes(b"signing key", &sealed).unwrap();
        let public = format!("SELECT public_jwk->>'x' FROM signing_keys WHERE kid = '{kid}'");
        Self {
            key: EncodingKey::from_ed_der(&der),
            public: URL_SAFE_NO_PAD.decode(&test.texts(public).await[0]).unwrap(),
            claims: claims(token),
            header,
        }
    }

    fn body(header: &Value, claims: &Value) -> String {
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}", part(header), part(claims))
    }

    /// Signed as the hub signs.
    fn signed(&self, header: &Value, claims: &Value) -> String {
        let body = Self::body(header, claims);
        let signature = jsonwebtoken::crypto::sign(body.as_bytes(), &self.key, Algorithm::EdDSA).unwrap();
        format!("{body}.{signature}")
    }

    /// The header with something else in it.
    fn header(&self, field: &str, value: Value) -> Value {
        let mut header = self.header.clone();
        header[field] = value;
        header
    }

    /// Signed as it should be, and saying something else.
    pub fn claiming(&self, field: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[field] = value;
        self.signed(&self.header, &claims)
    }

    fn without(&self, field: &str) -> String {
        let mut claims = self.claims.clone();
        claims.as_object_mut().unwrap().remove(field);
        self.signed(&self.header, &claims)
    }

    /// With a MAC whose secret is the public key: what a verifier accepts that takes the algorithm from the token.
    fn by_mac(&self, secret: &[u8]) -> String {
        let body = Self::body(&self.header("alg", json!("HS256")), &self.claims);
        let key = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(body.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{body}.{signature}")
    }

    fn by_another_key(&self) -> String {
        let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
        der.extend_from_slice(&[7; 32]);
        let key = EncodingKey::from_ed_der(&der);
        let body = Self::body(&self.header, &self.claims);
        let signature = jsonwebtoken::crypto::sign(body.as_bytes(), &key, Algorithm::EdDSA).unwrap();
        format!("{body}.{signature}")
    }

    /// Everything that is not to be believed, and why.
    fn bad(&self, other: &Value, live: String) -> Vec<(&'static str, String)> {
        let mut all = self.by_others();
        all.extend(self.of_another_kind());
        all.extend(self.saying_else(other));
        all.extend(self.broken());
        all.push(("a token for live connections alone", live));
        all
    }

    /// Not signed by the hub, whatever they say of how they are.
    fn by_others(&self) -> Vec<(&'static str, String)> {
        let unsigned = |alg: &str| Self::body(&self.header("alg", json!(alg)), &self.claims);
        let good = self.signed(&self.header, &self.claims);
        let signature = good.rsplit('.').next().unwrap();
        let text = URL_SAFE_NO_PAD.encode(&self.public);
        vec![
            ("alg none", format!("{}.", unsigned("none"))),
            ("alg nOnE", format!("{}.", unsigned("nOnE"))),
            (
                "alg none with a signature",
                format!("{}.{signature}", unsigned("none")),
            ),
            ("a MAC by the public key", self.by_mac(&self.public)),
            ("a MAC by the public key as text", self.by_mac(text.as_bytes())),
            ("a MAC by nothing", self.by_mac(b"")),
            ("another key", self.by_another_key()),
            ("its own key", self.with_its_own_key()),
        ]
    }

    fn with_its_own_key(&self) -> String {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([9; 32])});
        let mut header = self.header("jwk", key);
        header["jku"] = json!("https://evil.example/jwks.json");
        header["kid"] = json!("mine");
        self.signed(&header, &self.claims)
    }

    /// Signed by the hub, with another header than access tokens have.
    fn of_another_kind(&self) -> Vec<(&'static str, String)> {
        let with = |field: &str, value: Value| self.signed(&self.header(field, value), &self.claims);
        vec![
            ("alg RS256", with("alg", json!("RS256"))),
            ("alg ES256", with("alg", json!("ES256"))),
            ("a kid that there is not", with("kid", json!("../../dev/null"))),
            ("a kid that is SQL", with("kid", json!("' OR '1'='1"))),
            ("no kid", with("kid", Value::Null)),
            ("typ JWT", with("typ", json!("JWT"))),
            ("no typ", with("typ", Value::Null)),
            ("the typ of an id token", with("typ", json!("id+jwt"))),
            ("the typ of a logout token", with("typ", json!("logout+jwt"))),
            ("the typ of a live token", with("typ", json!("live+jwt"))),
        ]
    }

    /// Signed by the hub, and saying what access tokens do not.
    fn saying_else(&self, other: &Value) -> Vec<(&'static str, String)> {
        let now = self.claims["iat"].as_i64().unwrap();
        let nobody = json!("018f0000-0000-7000-8000-000000000000");
        vec![
            ("another audience", self.claiming("aud", json!("another"))),
            ("no audience", self.without("aud")),
            (
                "another issuer",
                self.claiming("iss", json!("https://evil.example")),
            ),
            ("no issuer", self.without("iss")),
            ("no end", self.without("exp")),
            ("an end that is text", self.claiming("exp", json!("never"))),
            ("an end long ago", self.claiming("exp", json!(now - 3_600))),
            (
                "somebody else's session",
                self.claiming("sid", other["sid"].clone()),
            ),
            ("another subject", self.claiming("sub", other["sub"].clone())),
            ("a session that there is not", self.claiming("sid", nobody)),
            (
                "a subject that is no id",
                self.claiming("sub", json!("' OR '1'='1")),
            ),
            (
                "a key's token that names a session",
                self.claiming("key", json!(1)),
            ),
        ]
    }

    /// Of another shape.
    fn broken(&self) -> Vec<(&'static str, String)> {
        let good = self.signed(&self.header, &self.claims);
        let (body, signature) = good.rsplit_once('.').unwrap();
        vec![
            ("no signature", body.to_owned()),
            ("an empty signature", format!("{body}.")),
            ("a part too many", format!("{good}.{signature}")),
            ("nothing but dots", "..".to_owned()),
            (
                "JSON serialization",
                json!({"payload": good, "signatures": []}).to_string(),
            ),
        ]
    }
}

/// Somebody's good token, but that it has run out.
pub async fn expired(world: &World, person: &Person) -> String {
    let mint = Mint::of(&world.cluster.test, &person.token()).await;
    let mut claims = mint.claims.clone();
    let now = claims["iat"].as_i64().unwrap();
    claims["iat"] = json!(now - 7_200);
    claims["exp"] = json!(now - 3_600);
    mint.signed(&mint.header, &claims)
}

/// What a WebSocket says to whoever shows this: the code of its error or of its end.
async fn by_socket(world: &World, token: &str) -> u64 {
    let (_socket, answer) = world.connected(token).await;
    let code = answer["closed"]
        .as_u64()
        .or_else(|| answer["error"]["code"].as_u64());
    code.unwrap_or_default()
}

async fn by_rest(world: &World, token: &str, path: &str) -> (u16, String) {
    let request = world
        .http
        .request(Method::GET, format!("{}/api/v1{path}", world.url));
    let request = request.header("authorization", format!("Bearer {token}"));
    let answer = Answer::to(request).await;
    (answer.status, answer.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_believed_that_is_not_the_hubs_own_for_this_use_whoever_made_it() {
    let world = World::start().await;
    let owner = &world.ours.owner;
    let (mint, other) = (
        Mint::of(&world.cluster.test, &owner.token()).await,
        claims(&world.ours.bare.token()),
    );
    let live = world.act(owner, Method::POST, "/live/token", json!({})).await;
    let live = live["token"].as_str().unwrap().to_owned();
    // the mint makes good ones: what is refused below is refused for what it says
    let good = mint.signed(&mint.header, &mint.claims);
    assert_eq!(by_rest(&world, &good, "/me").await.0, 200);
    assert_eq!(by_socket(&world, &good).await, 0);
    assert_eq!(
        by_socket(&world, &live).await,
        0,
        "a live token opens what it is for"
    );
    let mut faults = Vec::new();
    for (what, token) in mint.bad(&other, live.clone()) {
        let (status, code) = by_rest(&world, &token, "/me").await;
        if status != 401 {
            faults.push(format!("{what}: GET /me says {status} {code}"));
        }
        if token == live {
            continue;
        }
        let (status, code) = by_rest(&world, &token, "/stream?channel=feed:users").await;
        if status != 401 {
            faults.push(format!("{what}: an event stream says {status} {code}"));
        }
        let code = by_socket(&world, &token).await;
        // invalid, signed out (of another session than its subject's), or run out
        if ![3500, 3501, 4500, 109].contains(&code) {
            faults.push(format!("{what}: a WebSocket says {code}"));
        }
    }
    none("Tokens that are believed:", faults);
}
