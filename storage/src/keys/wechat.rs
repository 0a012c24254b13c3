//! Keys of what connects a clinic with WeChat.

use domain::{TenantId, UserId};

use super::{Key, id, of};
use crate::records::{
    FollowerRecord, MessageTemplateRecord, OauthRecord, OpenIdRecord, WechatConfRecord, WechatLoanRecord,
};
use crate::table::Table;
use crate::vault::Blind;

/// How a tenant is connected with its service account.
#[must_use]
pub fn wechat_conf(tenant: TenantId) -> Key<WechatConfRecord> {
    Key::new(of(tenant, Table::WechatConf))
}

/// What WeChat has lent a tenant's service account.
#[must_use]
pub fn wechat_loan(tenant: TenantId) -> Key<WechatLoanRecord> {
    Key::new(of(tenant, Table::WechatLoan))
}

/// What the template of a type of messages (wech_temp_type) says.
#[must_use]
pub fn message_template(tenant: TenantId, template_type: u8) -> Key<MessageTemplateRecord> {
    Key::new(of(tenant, Table::MessageTemplate).with([template_type]))
}

/// Somebody whom the service account knows, by [`Vault::blind_open_id`](crate::vault::Vault::blind_open_id).
#[must_use]
pub fn follower(tenant: TenantId, open_id: &Blind) -> Key<FollowerRecord> {
    Key::new(of(tenant, Table::Follower).with(*open_id.as_bytes()))
}

/// The open id of an account.
#[must_use]
pub fn open_id(tenant: TenantId, user: UserId) -> Key<OpenIdRecord> {
    Key::new(of(tenant, Table::OpenId).with(id(user.get())))
}

/// The authorisation by WeChat that an account has begun.
#[must_use]
pub fn oauth(tenant: TenantId, user: UserId) -> Key<OauthRecord> {
    Key::new(of(tenant, Table::Oauth).with(id(user.get())))
}
