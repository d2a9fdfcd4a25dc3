//! The service account: its key, the tokens that it gets, and who a request is by.
//!
//! Sources: <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>, <https://google.aip.dev/auth/4111>,
//! <https://cloud.google.com/compute/docs/metadata/querying-metadata>.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Service;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::Request;

/// The account's name.
pub(crate) const EMAIL: &str = "longshore@fake-project.iam.gserviceaccount.com";
const KEY_ID: &str = "0123456789abcdef0123456789abcdef01234567";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Whom an assertion is for, wherever the key file says that tokens are got.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
/// How long a token lives, and the longest that an assertion may, in seconds.
const TOKEN_SECS: i64 = 3600;
/// How far the clocks may be apart, in seconds.
const SKEW_SECS: i64 = 300;

/// The account's private key. It is no secret: it opens this server, and nothing else.
const PEM: &str = include_str!("account.pem");

/// The account.
pub(crate) struct Account {
    public: Vec<u8>,
    /// Until when each token is good, in seconds.
    tokens: Mutex<HashMap<String, i64>>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: Option<String>,
    aud: Option<String>,
    scope: Option<String>,
    iat: i64,
    exp: i64,
}

impl Account {
    /// # Errors
    /// The key that is compiled in cannot be read.
    pub(crate) fn new() -> io::Result<Self> {
        let base64: String = PEM.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(base64).map_err(io::Error::other)?;
        let pair = KeyPair::from_pkcs8(&der).map_err(io::Error::other)?;
        Ok(Self { public: pair.public_key().as_ref().to_vec(), tokens: Mutex::default() })
    }

    /// The file that the vendor's console gives out for a key.
    pub(crate) fn key_file(address: SocketAddr) -> io::Result<String> {
        let file = json!({
            "type": "service_account", "project_id": "fake-project", "private_key_id": KEY_ID, "private_key": PEM, "client_email": EMAIL,
            "client_id": "100000000000000000000", "token_uri": format!("http://{address}/token"),
        });
        Ok(serde_json::to_string_pretty(&file)?)
    }

    /// Whether the account's key made this signature.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public).verify(message, signature).is_ok()
    }

    /// The claims of a JSON web token that the account's key has signed for now.
    fn claims(&self, token: &str, now: Timestamp) -> Result<Claims, &'static str> {
        let (message, signature) = token.rsplit_once('.').ok_or("Invalid JWT: there are no three parts.")?;
        let (header, claims) = message.split_once('.').ok_or("Invalid JWT: there are no three parts.")?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).map_err(|_| "Invalid JWT: a part is no Base64.");
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| "Invalid JWT: the header cannot be read.")?;
        let claims: Claims = serde_json::from_slice(&decoded(claims)?).map_err(|_| "Invalid JWT: the claims cannot be read.")?;
        if header.alg != "RS256" || header.kid.is_some_and(|id| id != KEY_ID) || !self.has_signed(message.as_bytes(), &decoded(signature)?)
        {
            return Err("Invalid JWT Signature.");
        }
        if claims.iss != EMAIL || claims.sub.as_ref().is_some_and(|sub| sub != EMAIL) {
            return Err("Invalid grant: account not found");
        }
        let now = now.as_second();
        if claims.exp <= now || claims.iat > now + SKEW_SECS || claims.exp > claims.iat + TOKEN_SECS {
            return Err(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in \
                 the JWT claim.",
            );
        }
        Ok(claims)
    }

    fn new_token(&self, now: Timestamp) -> Value {
        let random: [u64; 2] =
            [0, 1].map(|part| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), (part, now.as_nanosecond())));
        let token = format!("ya29.{:016x}{:016x}", random[0], random[1]);
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), now.as_second() + TOKEN_SECS);
        json!({ "access_token": token, "expires_in": TOKEN_SECS - 1, "token_type": "Bearer" })
    }

    fn is_token(&self, token: &str, now: Timestamp) -> bool {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).is_some_and(|until| now.as_second() < *until)
    }
}

/// `POST /token`: a token for an assertion that the account's key has signed.
pub(crate) fn token(service: &Service, request: &Request) -> Reply {
    let refused = |why: &str| Reply::json(400, &json!({ "error": "invalid_grant", "error_description": why }));
    let form = String::from_utf8_lossy(&request.body).into_owned();
    let Ok(form) = Request::new(request.method.clone(), &format!("/?{form}"), http::HeaderMap::new()) else {
        return refused("the form cannot be read");
    };
    if form.parameter("grant_type") != Some(GRANT) {
        return Reply::json(400, &json!({ "error": "unsupported_grant_type", "error_description": "Invalid grant_type" }));
    }
    let now = service.control.now();
    let here = format!("http://{}/token", service.address);
    let is_for_us = |audience: &str| audience == AUDIENCE || audience == here;
    match service.account.claims(form.parameter("assertion").unwrap_or_default(), now) {
        Err(why) => refused(why),
        Ok(claims) if !claims.aud.as_deref().is_some_and(is_for_us) => refused("Invalid JWT: Failed audience check."),
        Ok(claims) if claims.scope.is_none() => Reply::json(400, &json!({ "error": "invalid_scope", "error_description": "no scope" })),
        Ok(_) => Reply::json(200, &service.account.new_token(now)),
    }
}

/// The metadata server of a virtual machine of the vendor's, which gives tokens to whoever runs on it.
pub(crate) fn metadata(service: &Service, request: &Request) -> Reply {
    if request.header("metadata-flavor") != Some("Google") {
        return Reply::empty(403);
    }
    let reply = match request.path.strip_prefix("/computeMetadata/v1/") {
        Some("instance/service-accounts/default/token") => Reply::json(200, &service.account.new_token(service.control.now())),
        Some("instance/service-accounts/default/email") => Reply::pieces(200, vec![EMAIL.into()]),
        _ => Reply::empty(404),
    };
    reply.with("metadata-flavor", "Google")
}

/// Lets a request in that has a token of the account, or was signed by it.
///
/// # Errors
/// It has none, or one that is not good, or its bucket is not for the account.
pub(crate) fn admit(service: &Service, request: &Request, bucket: &str) -> Result<(), Refusal> {
    let now = service.control.now();
    if request.parameter("X-Goog-Signature").is_some() {
        crate::signed::check(service, request, now)?;
    } else if let Some(authorization) = request.header("authorization") {
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        if !is_admitted(service, token, now) {
            return Err(Refusal::unauthenticated("Invalid Credentials"));
        }
    } else if !service.options.anonymous {
        return Err(Refusal::unauthenticated(
            "Anonymous caller does not have storage.objects.get access to the Google Cloud Storage object. Permission 'storage.objects.get' \
             denied on resource (or it may not exist).",
        ));
    }
    if service.options.forbidden.iter().any(|forbidden| forbidden == bucket) {
        return Err(Refusal::forbidden(EMAIL));
    }
    Ok(())
}

fn is_admitted(service: &Service, token: &str, now: Timestamp) -> bool {
    if service.options.anonymous || service.account.is_token(token, now) {
        return true;
    }
    // A token that the account's key has signed itself, for a scope or for this service.
    service.account.claims(token, now).is_ok_and(|claims| {
        let has_scope = claims.scope.is_some_and(|scope| scope.contains("/auth/cloud-platform") || scope.contains("/auth/devstorage."));
        has_scope || claims.aud.as_deref() == Some("https://storage.googleapis.com/")
    })
}
