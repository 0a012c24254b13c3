//! Login tokens: JWT, HS256 and nothing else.
//!
//! A token names who was logged in, where and in which session. That it is genuine and not expired is decided here;
//! that its session still exists is for the caller to ask the storage.

use std::fmt;

use domain::{SessionId, StaffId, TenantId, Timestamp, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const ISSUER: &str = "pati-service";

/// The shortest key, in bytes: as long as the tags that it makes (RFC 7518, 3.2).
pub const MIN_KEY_BYTES: usize = 32;

/// Ours have less than 300; more is not worth the reading.
const MAX_TOKEN_BYTES: usize = 1024;

/// Who is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A patient's account; audience `patient`.
    Patient(UserId),
    /// A member of the staff; audience `staff`.
    Staff(StaffId),
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who is logged in.
    pub subject: Subject,
    /// At which clinic.
    pub tenant: TenantId,
    /// In which session; logging out ends it.
    pub session: SessionId,
    /// When the token was issued, in whole seconds.
    pub issued_at: Timestamp,
    /// From when on it is refused, in whole seconds.
    pub expires_at: Timestamp,
}

/// Why a token is refused. All of it is 0401 for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not made by this server, or changed since.
    #[error("not a token of this server")]
    NotOurs,
    /// It was ours, and its time is over.
    #[error("token expired")]
    Expired,
}

/// The key is shorter than [`MIN_KEY_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the key of the tokens has fewer than {MIN_KEY_BYTES} bytes")]
pub struct KeyTooShort;

/// Issues and verifies tokens with one key.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

/// The claims on the wire. `sub` is a text by RFC 7519; times are seconds.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    tenant: u64,
    session: u64,
    iat: i64,
    exp: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Audience {
    Patient,
    Staff,
}

impl Tokens {
    /// Takes the key that the tokens are signed with.
    ///
    /// # Errors
    /// When the key is too short to be safe.
    pub fn new(key: &[u8]) -> Result<Self, KeyTooShort> {
        if key.len() < MIN_KEY_BYTES {
            return Err(KeyTooShort);
        }
        // What the crate would check itself, it would check by the machine's clock and with leeway.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Ok(Self {
            encoding: EncodingKey::from_secret(key),
            decoding: DecodingKey::from_secret(key),
            validation,
        })
    }

    /// The token that says `identity`; parts of a second are cut off.
    ///
    /// # Errors
    /// When signing fails, which is our fault.
    pub fn issue(&self, identity: &Identity) -> Result<String, jsonwebtoken::errors::Error> {
        let (aud, sub) = match identity.subject {
            Subject::Patient(user) => (Audience::Patient, user.to_string()),
            Subject::Staff(staff) => (Audience::Staff, staff.to_string()),
        };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud,
            sub,
            tenant: identity.tenant.get(),
            session: identity.session.get(),
            iat: seconds(identity.issued_at),
            exp: seconds(identity.expires_at),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
    }

    /// What `token` says, if it is genuine and `now` is before its end.
    ///
    /// # Errors
    /// When it is not ours, or expired.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::NotOurs);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| TokenError::NotOurs)?
            .claims;
        let identity = identity_of(&claims).ok_or(TokenError::NotOurs)?;
        // From a clock that was set back since: one that was wrong by a year makes no token that is good for a year.
        let lasts = identity.expires_at.since(identity.issued_at);
        if now >= identity.expires_at || identity.issued_at.since(now) > lasts {
            return Err(TokenError::Expired);
        }
        Ok(identity)
    }
}

fn identity_of(claims: &Claims) -> Option<Identity> {
    if claims.iss != ISSUER {
        return None;
    }
    let subject = match claims.aud {
        Audience::Patient => Subject::Patient(UserId::parse(&claims.sub).ok()?),
        Audience::Staff => Subject::Staff(StaffId::parse(&claims.sub).ok()?),
    };
    Some(Identity {
        subject,
        tenant: TenantId::new(claims.tenant).ok()?,
        session: SessionId::new(claims.session).ok()?,
        issued_at: Timestamp::from_millis(claims.iat.checked_mul(1000)?),
        expires_at: Timestamp::from_millis(claims.exp.checked_mul(1000)?),
    })
}

fn seconds(instant: Timestamp) -> i64 {
    instant.as_millis().div_euclid(1000)
}

/// The keys do not show.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn tokens() -> Tokens {
        Tokens::new(&KEY).expect("long enough")
    }

    fn identity(subject: Subject) -> Identity {
        Identity {
            subject,
            tenant: TenantId::new(3).expect("an id"),
            session: SessionId::new(1_000_000_004).expect("an id"),
            issued_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(600)),
        }
    }

    fn patient() -> Identity {
        identity(Subject::Patient(UserId::new(1_000_000_001).expect("an id")))
    }

    fn claims() -> Value {
        json!({"iss": "pati-service", "aud": "patient", "sub": "1000000001", "tenant": 3,
               "session": 1_000_000_004, "iat": 1_800_000_000, "exp": 1_800_000_600})
    }

    /// A token with any claims, signed with the right key.
    fn signed(claims: &Value, algorithm: Algorithm) -> String {
        let key = EncodingKey::from_secret(&KEY);
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("signed")
    }

    #[test]
    fn what_was_issued_is_verified() {
        let staff = identity(Subject::Staff(StaffId::new(5).expect("an id")));
        for said in [patient(), staff] {
            let token = tokens().issue(&said).expect("signed");
            assert_eq!(tokens().verify(&token, NOW), Ok(said));
        }
    }

    #[test]
    fn the_claims_are_those_of_the_documents() {
        let token = tokens().issue(&patient()).expect("signed");
        let part = |index| {
            let part = token.split('.').nth(index).expect("three parts");
            let json = URL_SAFE_NO_PAD.decode(part).expect("base64");
            serde_json::from_slice::<Value>(&json).expect("JSON")
        };
        assert_eq!(part(0), json!({"typ": "JWT", "alg": "HS256"}));
        assert_eq!(part(1), claims());
    }

    #[test]
    fn a_token_ends_at_its_second_without_leeway() {
        let token = tokens().issue(&patient()).expect("signed");
        let end = patient().expires_at;
        assert!(tokens().verify(&token, end.minus(Duration::from_millis(1))).is_ok());
        assert_eq!(tokens().verify(&token, end), Err(TokenError::Expired));
    }

    /// Seen to fail when only the end of a token was looked at.
    #[test]
    fn a_token_of_a_clock_that_was_wrong_is_over() {
        let token = tokens().issue(&patient()).expect("signed");
        assert!(tokens().verify(&token, NOW.minus(Duration::from_secs(600))).is_ok());
        assert_eq!(tokens().verify(&token, NOW.minus(Duration::from_secs(601))), Err(TokenError::Expired));
    }

    /// The planted bug: `validation.algorithms` extended by what the header of the token names.
    #[test]
    fn other_algorithms_are_refused() {
        let unsigned = |alg: &str| {
            let header = URL_SAFE_NO_PAD.encode(json!({"typ": "JWT", "alg": alg}).to_string());
            format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims().to_string()))
        };
        for alg in ["none", "None", "NONE", "", "RS256", "ES256", "HS256"] {
            assert_eq!(tokens().verify(&unsigned(alg), NOW), Err(TokenError::NotOurs), "{alg}");
        }
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            let token = signed(&claims(), algorithm);
            assert_eq!(tokens().verify(&token, NOW), Err(TokenError::NotOurs), "{algorithm:?}");
        }
    }

    #[test]
    fn another_key_is_refused() {
        let token = Tokens::new(&[8; 32]).expect("long enough").issue(&patient()).expect("signed");
        assert_eq!(tokens().verify(&token, NOW), Err(TokenError::NotOurs));
    }

    #[test]
    fn changed_claims_are_refused() {
        assert!(tokens().verify(&signed(&claims(), Algorithm::HS256), NOW).is_ok());
        for (claim, value) in [
            ("iss", json!("somebody")),
            ("iss", Value::Null),
            ("aud", json!("admin")),
            ("aud", json!(["patient"])),
            ("aud", Value::Null),
            ("sub", json!(1_000_000_001)),
            ("sub", json!("0")),
            ("sub", json!("root")),
            ("tenant", json!(0)),
            ("tenant", json!("3")),
            ("session", json!(-1)),
            ("exp", Value::Null),
            ("exp", json!(i64::MAX)),
            ("exp", json!("9999999999")),
        ] {
            let mut claims = claims();
            claims[claim] = value.clone();
            let token = signed(&claims, Algorithm::HS256);
            assert_eq!(tokens().verify(&token, NOW), Err(TokenError::NotOurs), "{claim} {value}");
        }
    }

    #[test]
    fn a_missing_claim_is_refused() {
        for claim in ["iss", "aud", "sub", "tenant", "session", "iat", "exp"] {
            let mut claims = claims();
            claims.as_object_mut().expect("an object").remove(claim);
            let token = signed(&claims, Algorithm::HS256);
            assert_eq!(tokens().verify(&token, NOW), Err(TokenError::NotOurs), "{claim}");
        }
    }

    /// Each changed character of a token makes it somebody else's. The planted bug:
    /// `insecure_decode` in place of `decode`.
    #[test]
    fn a_changed_token_is_refused() {
        let token = tokens().issue(&patient()).expect("signed");
        for index in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            let verified = tokens().verify(&changed, NOW);
            assert_eq!(verified, Err(TokenError::NotOurs), "character {index}");
        }
        for odd in ["", ".", "..", "a.b.c", &token[..token.len() - 1], &"x".repeat(100_000)] {
            assert_eq!(tokens().verify(odd, NOW), Err(TokenError::NotOurs));
        }
    }

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(Tokens::new(&[7; 31]).map(|_| ()), Err(KeyTooShort));
        assert!(!format!("{:?}", tokens()).contains('7'));
    }
}
