//! The sales pipeline, over the wire: the published pattern, the model, bad input, cancelling.

mod cancelling;
mod comments;
mod csv;
mod days;
mod order;
mod pipeline;
mod published;
mod refusals;
mod reruns;
mod streams;
