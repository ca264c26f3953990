//! Everything in nuvem that decides. It knows neither the AWS SDK nor HTTP nor a runtime nor a
//! clock: time is a parameter, AWS and the cluster are traits, and so a simulator can run it.

pub mod aws;
pub mod crd;
pub mod engine;
pub mod kinds;
pub mod parts;
pub mod secret;

mod words;
