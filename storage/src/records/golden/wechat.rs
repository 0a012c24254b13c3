//! The bytes of what connects a clinic with WeChat.

use domain::OpenId;

use super::*;

fn secrets() -> WechatSecrets {
    WechatSecrets {
        account: Some(WechatAccount {
            app_id: "wx51".to_owned(),
            app_secret: "s3cret".to_owned(),
            auth_url: "book.example.cn".to_owned(),
        }),
        callback: Some(WechatCallback { token: "t0ken".to_owned(), aes_key: Some("k".repeat(43)) }),
    }
}

pub(super) fn wechat_tables() -> Vec<Table> {
    let (_folder, vault) = fixed_vault();
    let key = keys::wechat_conf(tenant());
    let mut conf = WechatConfRecord::default();
    conf.templates = vec![(1, "T1".to_owned()), (6, "T6".to_owned())];
    conf.auth_code = Some("abcdEFGH12345678".to_owned());
    let conf = conf.with_secrets(&vault, &key, &secrets()).unwrap();
    assert_eq!(conf.open(&vault, &key), Ok(secrets()));
    assert_eq!(WechatConfRecord::default().open(&vault, &key), Ok(WechatSecrets::default()));

    let key = keys::wechat_loan(tenant());
    let loan = |text: &str| Some(WechatLoan { text: text.to_owned(), refresh_at: at(1), expires_at: at(2) });
    let loans = WechatLoans { token: loan("acc3ss"), ticket: None };
    let lent = WechatLoanRecord::seal(&vault, &key, &loans).unwrap();
    assert_eq!(lent.open(&vault, &key), Ok(loans.clone()));

    let key = keys::open_id(tenant(), user());
    let identity = WechatIdentity {
        app_id: "wx51".to_owned(),
        open_id: OpenId::parse("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o").unwrap(),
    };
    let bound = OpenIdRecord::seal(&vault, &key, &identity, at(3)).unwrap();
    assert_eq!(bound.open(&vault, &key), Ok(identity));
    let of_another = keys::open_id(tenant(), UserId::new(5).unwrap());
    assert_eq!(bound.open(&vault, &of_another), Err(SealError::Refused));

    let shown = format!("{conf:?} {:?} {lent:?} {loans:?} {bound:?}", secrets());
    for secret in ["s3cret", "t0ken", "kkk", "acc3ss", "oUpF8"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let follower = |following| FollowerRecord { user: Some(user()), following };
    let unbound = FollowerRecord { user: None, following: Following::Left(at(4)) };
    let oauth = |code_hash| OauthRecord { state_hash: [7; 32], code_hash, expires_at: at(5) };
    let template = MessageTemplateRecord {
        template_id: "T1".to_owned(),
        content: "{{name1.DATA}}".to_owned(),
        told_at: at(6),
    };
    vec![
        holds(&template, "000254310e7b7b6e616d65312e444154417d7dfd0c50e25344030000"),
        holds(
            &conf,
            "00016f01404142434445464748494a4be2b8aa545e09b605bef77444fe101c3916a93972d24d6e4e072b2bcbf47decdeec3898c9b0b8f43f4a9f6004fa66b4b1a01ac15a58ac8962ea71bf6f4c8143ab8f78bec16fb540c13caa08eefd139703251385d994c9446c1b39f6516374b1e5f5e9020102543106025436011061626364454647483132333435363738",
        ),
        holds(
            &lent,
            "0039014c4d4e4f505152535455565712b3eabeca18f3ccda8a58abf782f5ad8847203cb777b77ebeca4ff84f4a961678ba51ee5e314b86640ebd2c",
        ),
        holds(
            &bound,
            "00400158595a5b5c5d5e5f60616263fb3df4f38175c24dca99a47779f02fdeea91cde2523e99c5ae625771842dee4a022881bb7c769b783899aac9d4370cc2d5c160fd0650e25344030000",
        ),
        holds(&follower(Following::Unknown), "0001fc07ca9a3b00"),
        holds(&follower(Following::Since(at(4))), "0001fc07ca9a3b01fd0850e25344030000"),
        holds(&unbound, "000002fd0850e25344030000"),
        holds(
            &oauth(None),
            "00070707070707070707070707070707070707070707070707070707070707070700fd0a50e25344030000",
        ),
        holds(
            &oauth(Some([8; 32])),
            "000707070707070707070707070707070707070707070707070707070707070707010808080808080808080808080808080808080808080808080808080808080808fd0a50e25344030000",
        ),
    ]
}
