//! A clinic that is paid through WeChat, with an administrator, a desk, and a patient who has booked there.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::Simulator;

use super::clinic::{self, Clinic};
use super::folder::Folder;
use super::import::{Half, ImportFile, day};
use super::patients::{Answer, Patient};
use super::pay::{self, OPEN_IDS, ORIGIN};
use super::staff;

/// The schedule that is booked, at 50 yuan.
pub const SCHEDULE: u64 = 3001;

/// How long something that the server does by itself may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// See above.
pub struct Till {
    pub folder: Folder,
    pub wechat: Simulator,
    pub clinic: Clinic,
    pub patient: Patient,
    pub member: String,
    pub booking: String,
}

impl Till {
    /// With what the clinic enters to be paid.
    pub async fn open(wechat: Simulator, conf: &Value) -> io::Result<Self> {
        let folder = Folder::new();
        let mut file = ImportFile::default();
        file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, 9);
        for further in 1..6 {
            file.schedule(
                SCHEDULE + further,
                2001,
                day(2 + i32::try_from(further).expect("few")),
                Half::Am,
                9,
            );
        }
        clinic::import(&folder, &file);
        staff::add(&folder, &["--account", "boss", "--role", "admin"]);
        staff::add(&folder, &["--account", "desk", "--role", "desk"]);
        pay::bind_open_ids(&folder);
        let clinic = start(&folder, &wechat);
        staff::logged_in(&clinic, "boss").await.post("wechat/pay_conf", conf).await?.done();
        let mut patient = Patient::registered(&clinic, 1).await;
        let member = patient.add_member(1).await;
        let booked = patient.submit(SCHEDULE, 4, &member).await?.data();
        let booking = booked["bookId"].as_str().expect("an id").to_owned();
        Ok(Self { folder, wechat, clinic, patient, member, booking })
    }

    /// The same with the simulator's usual merchant.
    pub async fn usual() -> io::Result<Self> {
        let wechat = pay::simulator();
        let conf = pay::conf(&wechat);
        Self::open(wechat, &conf).await
    }

    /// Orders for the booking and answers the order's number.
    pub async fn order(&mut self) -> io::Result<String> {
        let booking = self.booking.clone();
        self.order_for(&booking).await
    }

    /// The same for any booking of the patient.
    pub async fn order_for(&mut self, booking: &str) -> io::Result<String> {
        let data = self.ask_for_order(booking).await?.data();
        assert_eq!(data["error_code"], "SUCCESS", "{data}");
        Ok(data["out_trade_no"].as_str().expect("a number").to_owned())
    }

    /// What is answered to the wish for an order.
    pub async fn ask_for_order(&mut self, booking: &str) -> io::Result<Answer> {
        let body = json!({"appo_id": booking, "open_id": OPEN_IDS[0]});
        self.patient.post("book_service/pay/appo_order", &body).await
    }

    /// Has the booking paid, and answers the order's number.
    pub async fn paid(&mut self) -> io::Result<String> {
        let no = self.order().await?;
        self.wechat.pay(&no).expect("it can be paid");
        let delivered = self.wechat.deliver_due().await;
        assert!(delivered.len() == 1 && delivered[0].accepted, "{delivered:?}");
        Ok(no)
    }

    /// Books another half-day, and answers the booking.
    pub async fn book(&mut self, further: u64) -> io::Result<String> {
        let booked = self.patient.submit(SCHEDULE + further, 1, &self.member).await?.data();
        Ok(booked["bookId"].as_str().expect("an id").to_owned())
    }

    /// `bookStatus` and `visiCharge` of the booking.
    pub async fn status(&mut self) -> io::Result<(u64, u64)> {
        let data = self.patient.book(&self.booking).await?.data();
        let number = |name: &str| data[name].as_u64().expect("a number");
        Ok((number("bookStatus"), number("visiCharge")))
    }

    /// Somebody of the staff.
    pub async fn staff(&self, account: &str) -> Patient {
        staff::logged_in(&self.clinic, account).await
    }

    /// Kills the server and starts it anew.
    pub async fn restarted(self) -> io::Result<Self> {
        let Self { folder, wechat, clinic, patient, member, booking } = self;
        clinic.kill();
        let clinic = start(&folder, &wechat);
        let patient = patient.again(clinic.address).await?;
        Ok(Self { folder, wechat, clinic, patient, member, booking })
    }

    /// Stops the server and answers what is stored of its newest order.
    pub fn stopped(self) -> pay::Books {
        let Self { folder, clinic, .. } = self;
        clinic.stop();
        clinic::verify(&folder);
        pay::books(&folder)
    }
}

/// Starts the server on a folder that none uses.
pub fn start(folder: &Folder, wechat: &Simulator) -> Clinic {
    let mut settings = pay::settings(wechat);
    settings.push(("PATI_WECHAT__API_BASE", wechat.url()));
    let clinic = Clinic::start(folder, &pay::borrowed(&settings));
    wechat.resolve(ORIGIN, &format!("http://{}", clinic.address));
    clinic
}

/// Waits for something that the server does by itself.
pub async fn until(what: &str, mut is: impl AsyncFnMut() -> io::Result<bool>) -> io::Result<()> {
    let begun = Instant::now();
    while !is().await? {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
