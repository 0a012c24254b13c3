//! The values of settings: what each may be, checked while it is read.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use domain::{ClinicZone, DailyVisits, TenantId, TimeOfDay};
use ipnet::IpNet;
use jiff::tz::TimeZone;
use reqwest::Url;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// Tenant 1, which always exists.
pub(super) const FIRST_TENANT: TenantId = match TenantId::new(1) {
    Ok(tenant) => tenant,
    Err(_) => unreachable!(),
};

pub(super) const ALIYUN_SMS: BaseUrl = BaseUrl(Cow::Borrowed("https://dysmsapi.aliyuncs.com"));
pub(super) const WECHAT_API: BaseUrl = BaseUrl(Cow::Borrowed("https://api.weixin.qq.com"));
pub(super) const WECHAT_OAUTH: BaseUrl = BaseUrl(Cow::Borrowed("https://open.weixin.qq.com"));
pub(super) const WECHAT_PAY: BaseUrl = BaseUrl(Cow::Borrowed("https://api.mch.weixin.qq.com"));

/// Why a text is not an address that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not an absolute URL with scheme `http` or `https` and a host.
    #[error("must be an absolute http:// or https:// URL")]
    NotHttp,
    /// With user name or password: secrets are no settings.
    #[error("must not contain a user name or a password")]
    WithCredentials,
    /// With a query or fragment where a path is appended.
    #[error("must not contain a query or a fragment")]
    WithQuery,
}

/// An absolute `http` or `https` URL. It may hold a key of the clinic's in its query, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// Tell what a URL has to be; never the URL.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let url = parse_url(text)?;
        Ok(Self(url.into()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpUrl")
    }
}

/// An absolute `http` or `https` URL to which paths are appended: no query, no slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Cow<'static, str>);

impl BaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// Tell what a URL has to be; never the URL.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let url = parse_url(text)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadUrl::WithQuery);
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self(Cow::Owned(text)))
    }

    /// The URL without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The address of a page, in which `{tenant}` stands for the id of a clinic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageUrl(String);

impl PageUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// Tell what it has to be once a clinic's id is in it.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let page = Self(text.to_owned());
        parse_url(&page.of(FIRST_TENANT))?;
        Ok(page)
    }

    /// The page of this clinic.
    pub fn of(&self, tenant: TenantId) -> String {
        self.0.replace("{tenant}", &tenant.to_string())
    }
}

impl<'de> Deserialize<'de> for PageUrl {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(value)?).map_err(D::Error::custom)
    }
}

/// The origin of a web page as browsers write it: scheme, host, and the port unless it is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(String);

/// Why a text is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be origins as browsers write them, such as https://h5.example.cn: scheme, host and port only")]
pub struct BadOrigin;

impl WebOrigin {
    /// Reads an origin.
    ///
    /// # Errors
    /// When a browser would write it differently, so that it would never match.
    pub fn parse(text: &str) -> Result<Self, BadOrigin> {
        let url = parse_url(text).map_err(|_| BadOrigin)?;
        let origin = url.origin().ascii_serialization();
        if origin != text || origin.contains('*') {
            return Err(BadOrigin);
        }
        Ok(Self(origin))
    }

    /// The origin.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for WebOrigin {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(value)?).map_err(D::Error::custom)
    }
}

fn parse_url(text: &str) -> Result<Url, BadUrl> {
    let url = Url::parse(text).map_err(|_| BadUrl::NotHttp)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(BadUrl::NotHttp);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadUrl::WithCredentials);
    }
    Ok(url)
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(value)?).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for BaseUrl {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(value)?).map_err(D::Error::custom)
    }
}

/// The name of a bucket: 3 to 63 lower-case letters, digits and hyphens, none at either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketName(String);

impl BucketName {
    /// Reads a name; `None` when it can be no bucket's.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (3..=63).contains(&text.len()) && text.bytes().all(plain);
        (fits && !text.starts_with('-') && !text.ends_with('-')).then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for BucketName {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(value)?).ok_or_else(|| {
            D::Error::custom("must be the name of a bucket: 3 to 63 lower-case letters, digits and hyphens")
        })
    }
}

/// A secret out of the environment. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A time zone with the name by which it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedZone {
    name: Cow<'static, str>,
    zone: TimeZone,
}

/// The zone database has no such zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the IANA name of a time zone, such as Asia/Shanghai")]
pub struct ZoneUnknown;

impl NamedZone {
    /// Looks `name` up in the zone database, which is part of the binary.
    ///
    /// # Errors
    /// When the database has no zone of that name.
    pub fn find(name: &str) -> Result<Self, ZoneUnknown> {
        let zone = TimeZone::get(name).map_err(|_| ZoneUnknown)?;
        Ok(Self { name: Cow::Owned(name.to_owned()), zone })
    }

    pub(super) fn shanghai() -> Self {
        let name = "Asia/Shanghai";
        Self::find(name).unwrap_or_else(|_| Self {
            name: Cow::Borrowed(name),
            // The database is part of the binary, so this is not reached; it would be right since 1991.
            zone: TimeZone::fixed(jiff::tz::offset(8)),
        })
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The zone as the core wants it.
    pub fn zone(&self) -> ClinicZone {
        ClinicZone::new(self.zone.clone())
    }
}

impl<'de> Deserialize<'de> for NamedZone {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Self::find(&String::deserialize(value)?).map_err(D::Error::custom)
    }
}

/// What becomes of a booking whose order was not paid in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unpaid {
    /// It stays; the fee is paid at the desk.
    Keep,
    /// It is cancelled.
    Cancel,
}

/// Who sends text messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsProvider {
    /// Nobody: they are printed. For development.
    Console,
    /// An address of the clinic.
    Webhook,
    /// Aliyun.
    Aliyun,
}

/// Who keeps pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OssProvider {
    /// The data folder.
    Local,
    /// Aliyun.
    Aliyun,
}

/// A whole number from `MIN` to `MAX`.
pub(super) fn between<'de, D, T, const MIN: i64, const MAX: i64>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let refused = || D::Error::custom(format!("must be a whole number between {MIN} and {MAX}"));
    let number = i64::deserialize(value).map_err(|_| refused())?;
    if !(MIN..=MAX).contains(&number) {
        return Err(refused());
    }
    T::try_from(number).map_err(|_| refused())
}

/// `""` is none.
pub(super) fn optional<'de, D, T>(value: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let text = String::deserialize(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    T::deserialize(serde::de::value::StringDeserializer::new(text)).map(Some)
}

pub(super) fn folder<'de, D: Deserializer<'de>>(value: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(value)?;
    if text.is_empty() {
        return Err(D::Error::custom("must not be empty"));
    }
    Ok(text.into())
}

pub(super) fn tenant<'de, D: Deserializer<'de>>(value: D) -> Result<TenantId, D::Error> {
    let refused = || D::Error::custom("must be a whole number between 1 and 9007199254740991");
    let number = u64::deserialize(value).map_err(|_| refused())?;
    TenantId::new(number).map_err(|_| refused())
}

pub(super) fn time_of_day<'de, D: Deserializer<'de>>(value: D) -> Result<TimeOfDay, D::Error> {
    TimeOfDay::parse(&String::deserialize(value)?)
        .map_err(|_| D::Error::custom("must be a time of day of the form HH:mm"))
}

pub(super) fn daily_visits<'de, D: Deserializer<'de>>(value: D) -> Result<DailyVisits, D::Error> {
    match i64::deserialize(value) {
        Ok(1) => Ok(DailyVisits::One),
        Ok(2) => Ok(DailyVisits::Two),
        Ok(_) | Err(_) => Err(D::Error::custom("must be 1 or 2")),
    }
}

/// Networks such as `10.0.0.0/8`; an address alone is a network of one.
pub(super) fn networks<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(value)?;
    let network = |text: &String| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| address())
    };
    texts
        .iter()
        .map(network)
        .collect::<Result<_, _>>()
        .map_err(|_| D::Error::custom("must be IP addresses or networks, such as 10.0.0.0/8"))
}
