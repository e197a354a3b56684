#![no_std]
#![no_main]
//! The tc classifier.
