mod generate;
mod kernel;
mod laws;
mod units;
mod view;
