//! The load of the comparison in `benches/peers`: the same bookings for every peer. The script `run` beside it starts
//! the peers, calls this program, and makes the table.

mod clinic;
mod plan;
mod postgres;
mod redis;
mod run;
mod server;
mod sqlite;
mod store;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mimalloc::MiMalloc;
use plan::Load;
use run::{Run, Wanted};

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Books the same slots with one of the peers; for the script `run`
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the clinic that the storage and the server are measured with
    Clinic {
        /// An empty folder
        #[arg(long)]
        folder: PathBuf,
    },
    /// Book, count what is there, and print what it took as JSON
    Load(LoadArgs),
    /// Count what a server left that has ended
    Count {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long, value_enum)]
        load: Load,
        #[arg(long)]
        acknowledged: u64,
    },
}

#[derive(Args)]
struct LoadArgs {
    #[arg(long, value_enum)]
    peer: Peer,
    /// Where it listens, if it is a server
    #[arg(long, default_value = "127.0.0.1:1")]
    at: SocketAddr,
    /// Its folder, if it is in this process; that of the clinic
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    #[arg(long, value_enum)]
    load: Load,
    #[arg(long)]
    clients: usize,
    /// Seconds before it counts
    #[arg(long)]
    warm_up: f64,
    /// Seconds that count
    #[arg(long)]
    seconds: f64,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Peer {
    Postgres,
    PostgresCte,
    Redis,
    Sqlite,
    SqliteShared,
    Storage,
    Server,
}

fn main() {
    // The others of a run would wait for a client that panicked.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::exit(101);
    }));
    match Cli::parse().command {
        Command::Clinic { folder } => clinic::write(&folder),
        Command::Load(args) => println!("{}", load(&args).report()),
        Command::Count { folder, load, acknowledged } => store::check_folder(&folder, load, acknowledged),
    }
}

fn load(args: &LoadArgs) -> Run {
    let wanted = Wanted {
        load: args.load,
        clients: args.clients,
        warm_up: Duration::from_secs_f64(args.warm_up),
        measured: Duration::from_secs_f64(args.seconds),
    };
    let folder = args.folder.as_path();
    match args.peer {
        Peer::Postgres => on_this_thread(postgres::run(args.at, postgres::Style::Transaction, wanted)),
        Peer::PostgresCte => on_this_thread(postgres::run(args.at, postgres::Style::Statement, wanted)),
        Peer::Redis => on_this_thread(redis::run(args.at, wanted)),
        Peer::Sqlite => sqlite::run(folder, sqlite::Connections::OneEach, wanted),
        Peer::SqliteShared => sqlite::run(folder, sqlite::Connections::Shared, wanted),
        Peer::Storage => on_this_thread(store::run(folder, wanted)),
        Peer::Server => on_this_thread(server::run(args.at, folder, wanted)),
    }
}

/// All clients of a peer share this one thread, so that they leave the cores to the peer.
fn on_this_thread<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    runtime.expect("a runtime").block_on(work)
}
