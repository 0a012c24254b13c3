//! The simulator over real HTTP, with a small client that signs for itself and a small server that takes notices.

mod callbacks;
mod client;
mod merchant;
mod mp;
mod notices;
mod page;
mod pay;
mod scripts;
mod sink;
