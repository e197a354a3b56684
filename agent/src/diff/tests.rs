mod exhaustive;
mod generate;
mod kernel;
mod laws;
mod reread;
mod units;
mod view;
