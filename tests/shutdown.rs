//! T14: SIGTERM and SIGINT under load: what was begun is finished, and the server ends in good order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::audit::audit;
use harness::clinic::{self, Clinic, Signal};
use harness::folder::Folder;
use harness::load::{Control, Outcome, Worker};
use harness::patients::{Answer, Patient};
use harness::random::Random;
use harness::town::Town;
use harness::wire::{self, Connection};
use serde_json::json;

mod harness;

/// The phases of [`Control`].
const BEFORE: u8 = 0;
const SIGNALLED: u8 = 1;

const ACKNOWLEDGED: u64 = 300;

/// Below the ten seconds after which clients that do not go are disconnected.
const PROMPTLY: Duration = Duration::from_secs(8);

const SETTINGS: [(&str, &str); 2] =
    [("PATI_BOOKING__MAX_MEMBERS_PER_USER", "100"), ("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")];

/// Planted: the process ended at the signal; the listener closed at once, and with it the connections whose requests
/// had arrived and were not read yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_server_finishes_what_it_has_begun() {
    stop_under_load(Signal::Terminate, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_server_does_the_same() {
    stop_under_load(Signal::Interrupt, 2).await;
}

/// Starts a server, lets 24 clients work, and stops it, so many times over.
async fn stop_under_load(signal: Signal, rounds: usize) {
    let mut random = Random::seeded(20_261_125);
    let folder = Folder::new();
    let town = Arc::new(Town::new(4, 3, 40));
    clinic::import(&folder, &town.import_file());
    let mut clinic = Clinic::start(&folder, &SETTINGS);
    let mut workers = Worker::open_accounts(&clinic, &town, &mut random, (12, 6)).await;
    let (mut acknowledged, mut answered_late) = (0, 0);
    for _ in 0..rounds {
        let control = Control::new();
        let running: Vec<_> =
            workers.drain(..).map(|worker| start(worker, clinic.address, &control)).collect();
        control.reach(ACKNOWLEDGED).await;
        // First noted, then sent: what was sent to the server before the note was sent before the signal.
        control.enter(SIGNALLED);
        let signalled = Instant::now();
        clinic.signal(signal);
        for worker in running {
            let (worker, late) = worker.await.expect("every request that was sent in time was answered");
            answered_late += late;
            workers.push(worker);
        }
        let status = clinic.wait_for_end();
        assert_eq!(status.code(), Some(0), "{}", clinic.log().join("\n"));
        assert!(signalled.elapsed() < PROMPTLY, "it took {:?}", signalled.elapsed());
        assert!(clinic.has_logged("stopped"));
        acknowledged += control.acknowledged();

        let report = clinic::verify(&folder);
        assert!(report.contains("closed in good order"), "{report}");
        clinic = Clinic::start(&folder, &SETTINGS);
        audit(clinic.address, &town, &mut workers).await;
    }
    clinic.stop();
    println!(
        "{rounds} times, {acknowledged} writes acknowledged, {answered_late} requests answered after the signal"
    );
    assert!(acknowledged >= ACKNOWLEDGED * rounds as u64);
    assert!(answered_late > 0, "no request was ever under way at the signal");
}

/// Works until the server closes the connection. Answers how many requests that were under way at the signal were
/// answered after it.
fn start(
    mut worker: Worker,
    address: SocketAddr,
    control: &Arc<Control>,
) -> tokio::task::JoinHandle<(Worker, usize)> {
    let control = Arc::clone(control);
    tokio::spawn(async move {
        let mut late = 0;
        worker
            .work(address, &control, |exchange| {
                let in_time = exchange.phase_sent == BEFORE;
                match &exchange.outcome {
                    Outcome::Acknowledged | Outcome::Answered => {
                        late += usize::from(in_time && control.phase() == SIGNALLED);
                    }
                    Outcome::Unknown(_) => panic!("the server gave up: {exchange:?}"),
                    Outcome::Lost(error) => {
                        assert!(!in_time, "sent before the signal and never answered: {error}")
                    }
                }
                true
            })
            .await;
        (worker, late)
    })
}

/// A clinic with one schedule and a patient with one member.
async fn open() -> (Folder, Clinic, Patient, String) {
    let folder = Folder::new();
    clinic::import(&folder, &Town::new(1, 1, 9).import_file());
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    (folder, clinic, patient, member)
}

/// A request whose second half comes after the signal is answered, while nobody new gets in.
///
/// Planted: the connections were closed instead of being waited for.
#[tokio::test]
async fn a_request_under_way_is_waited_for_and_nobody_new_is_let_in() -> io::Result<()> {
    let (folder, mut clinic, patient, member) = open().await;
    let body = json!({"scheduleId": 3001, "serialNo": 1, "memberId": member}).to_string();
    let submit = wire::post("/pati_service/book_service/book/submit", &[("token", patient.token())], &body);
    let (first, second) = submit.split_at(submit.len() - 10);
    let mut connection = Connection::open(clinic.address).await?;
    connection.write(first).await?;
    // Its head has arrived once another request, sent later over another connection, is answered.
    let mut patient = patient.again(clinic.address).await?;
    patient.members().await?.data();
    drop(patient.raw(&wire::get("/health", &[("Connection", "close")])).await?);

    clinic.signal(Signal::Terminate);
    wait_until_refused(clinic.address).await;
    assert!(clinic.is_running(), "it did not wait for the request under way");
    connection.write(second).await?;
    let answer = Answer::of(connection.read().await?)?;
    assert!(answer.reply.closes(), "{}", answer.reply.head);
    let booking = answer.data()["bookId"].as_str().expect("an id").to_owned();
    let status = clinic.wait_for_end();
    assert_eq!(status.code(), Some(0));

    let clinic = Clinic::start(&folder, &[]);
    let mut patient = patient.again(clinic.address).await?;
    assert_eq!(patient.book(&booking).await?.data()["bookStatus"], 0);
    Ok(())
}

/// Connects until it is told that nobody listens. Until then connections wait in the queue of the listener, where
/// nobody takes them.
async fn wait_until_refused(address: SocketAddr) {
    let refused = async {
        loop {
            match tokio::net::TcpStream::connect(address).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return,
                Ok(_) | Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PROMPTLY, refused).await.expect("nobody new is let in");
}

/// Browsers keep connections open that they do not use; the server does not wait for them.
#[tokio::test]
async fn a_connection_without_a_request_holds_up_nothing() -> io::Result<()> {
    let (_folder, mut clinic, mut patient, _) = open().await;
    patient.members().await?.data();
    let _never_used = Connection::open(clinic.address).await?;
    let signalled = Instant::now();
    clinic.signal(Signal::Terminate);
    let status = clinic.wait_for_end();
    assert_eq!(status.code(), Some(0));
    assert!(signalled.elapsed() < PROMPTLY, "it took {:?}", signalled.elapsed());
    Ok(())
}
