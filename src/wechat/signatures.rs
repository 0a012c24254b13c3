//! What WeChat signs and has signed with SHA-1: pages and callbacks.
//!
//! Source: apis.md's facts come from the JS-SDK appendix and the callback pages at
//! <https://developers.weixin.qq.com/doc/service/>.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY};
use subtle::ConstantTimeEq;

/// The signature of a page for `wx.config`. `url` is signed as it is: to normalise it would sign another page.
pub fn of_page(ticket: &str, nonce: &str, timestamp: &str, url: &str) -> String {
    sha1_hex(&format!("jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"))
}

/// The signature of a callback: of its parts, sorted and joined.
pub fn of_callback(parts: &[&str]) -> String {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    sha1_hex(&sorted.concat())
}

/// Whether a callback was signed so. The comparison takes as long wherever the two differ.
pub fn is_of_callback(signature: &str, parts: &[&str]) -> bool {
    of_callback(parts).as_bytes().ct_eq(signature.as_bytes()).into()
}

fn sha1_hex(text: &str) -> String {
    let hash = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the JS-SDK's documentation, now and before. Seen to fail when the URL went through a parser,
    /// which adds a slash.
    #[test]
    fn pages_are_signed_as_the_documentation_does() {
        let ticket = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg";
        for (url, expected) in [
            ("http://mp.weixin.qq.com?params=value", "0f9de62fce790f9a083d5c99e95740ceb90c27ed"),
            ("http://mp.weixin.qq.com", "f4d90daf4b3bca3078ab155816175ba34c443a7b"),
        ] {
            assert_eq!(of_page(ticket, "Wm3WZYTPz0wzccnW", "1414587457", url), expected);
        }
    }

    /// The first is that of wechatpy's tests, the second was computed from the official sample, the others are
    /// wechatpy's again. Seen to fail when the parts were not sorted.
    #[test]
    fn callbacks_are_signed_as_libraries_do() {
        let sample =
            "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==";
        let echo = "4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q==";
        let reply = "9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBqGsL8\
            GqxlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFhHZSjPUL2Q1qvSUCUld+/\
            WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX05UPPJvFurDXafG0RQyPR+mf1nDnAtQmmNOui\
            R5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3";
        for (parts, expected) in [
            (vec!["test", "1410685589", "test"], "f21891de399b4e33a1a93c9a7b8a8fffb5a443ff"),
            (vec!["pamtest", "1409304348", "xxxxxx", sample], "82c962d39941aa48552f90ef55aa323dc620cc10"),
            (vec!["123456", "1411443780", "437374425", echo], "dd6b9c95b495b3f7e2901bfbc76c664930ffdb96"),
            (vec!["123456", "1411525903", "461056294", reply], "407518b7649e86ef23978113f92d27afa9296533"),
        ] {
            assert!(is_of_callback(expected, &parts), "{parts:?}");
            assert!(!is_of_callback(&expected.to_uppercase(), &parts));
            assert!(!is_of_callback("", &parts));
        }
    }
}
