//! `pati-service reconcile`: a day's orders compared with WeChat's, beside a running server.

use std::io;
use std::process::Output;

use harness::clinic;
use harness::folder::Folder;
use harness::import::day;
use harness::pay;
use harness::till::Till;
use simulator::{Answer as Script, Endpoint, Simulator, Twist};

mod harness;

/// Runs the command for a day, and answers its exit code and what it printed. It may not hold up the simulator, which
/// lives in this process.
async fn reconcile(folder: &Folder, wechat: &Simulator, arguments: &[&str]) -> (i32, String) {
    let mut command = clinic::program(folder);
    command.arg("reconcile").args(arguments).envs(pay::settings(wechat));
    let output: Output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("no panic")
        .expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    (output.status.code().expect("it ended by itself"), said)
}

/// Seen to catch orders of other days.
#[tokio::test]
async fn a_day_is_compared_order_by_order() -> io::Result<()> {
    let mut till = Till::usual().await?;
    let today = day(0).to_string();
    let paid = till.paid().await?;
    let further = till.book(1).await?;
    let open = till.order_for(&further).await?;

    let (code, said) = reconcile(&till.folder, &till.wechat, &[&today]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 orders: 0 differences, 0 not compared"), "{said}");
    assert!(said.contains("50.00 received, 0.00 paid back"), "{said}");
    for (arguments, count) in
        [(vec![day(-1).to_string()], 0), (vec![today.clone(), "--tenant=2".to_owned()], 0)]
    {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let (code, said) = reconcile(&till.folder, &till.wechat, &arguments).await;
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(&format!("{count} orders")), "{said}");
    }

    // WeChat is away.
    till.wechat.script_always(Endpoint::PayQuery, Script::Reset);
    let (code, said) = reconcile(&till.folder, &till.wechat, &[&today]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("2 orders: 0 differences, 2 not compared"), "{said}");
    assert!(said.contains(&format!("{paid}: not compared")), "{said}");

    // A payment of which the server has not heard, since it is not there.
    till.wechat.clear_scripts();
    till.wechat.twist_notice(Twist::Lose);
    let Till { folder, wechat, clinic, .. } = till;
    clinic.kill();
    wechat.pay(&open).expect("paid");
    let (code, said) = reconcile(&folder, &wechat, &[&today]).await;
    assert_eq!(code, 1, "{said}");
    let row = said.lines().find(|line| line.starts_with(&open)).unwrap_or_else(|| panic!("{said}"));
    for part in [further.as_str(), "prepaid", "SUCCESS", "50.00", "it was paid, and not here"] {
        assert!(row.contains(part), "{part} is missing in {row}");
    }
    assert!(!said.lines().any(|line| line.starts_with(&paid)), "{said}");
    clinic::verify(&folder);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_compared_has_an_exit_code_of_its_own() {
    let wechat = pay::simulator();
    let folder = Folder::new();
    let (code, said) = reconcile(&folder, &wechat, &["2026-11-30"]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is no data folder"), "{said}");
    let (code, said) = reconcile(&folder, &wechat, &["30.11.2026"]).await;
    assert_eq!(code, 2, "{said}");
}
