//! One suite of behaviours that every protocol shows, through the real engine and a real server.
//!
//! A protocol says how to start itself and how to speak, in a [`Subject`]; [`suite!`] makes a test of every behaviour.
//! What a transform is promised (whole messages, pairs that fit, refusals in the protocol's own words) is proved here for
//! all of them, and so is what clients do to one another on a bad day: nothing.

mod behaviours;
mod house;
mod recorder;
mod subject;

pub use behaviours::{bad_day, chain, messages};
pub use house::House;
pub use recorder::{Decide, Recorder, Script, Seen};
pub use subject::{Client, Subject};

/// A test of every behaviour, for the [`Subject`] of this name.
#[macro_export]
macro_rules! suite {
    ($subject:ty) => {
        $crate::suite!($subject, messages: whole_messages_whatever_the_cuts, messages: a_pipeline_keeps_its_pairs,
            messages: a_request_longer_than_the_bound_flows,
            chain: a_refusal_is_said_in_the_protocols_own_words, chain: a_refusal_keeps_the_order_of_a_pipeline,
            chain: a_recorded_reply_is_replayed, chain: a_reply_is_replaced, chain: earlier_replies_flow_while_a_step_waits,
            bad_day: a_client_that_half_closes_harms_nobody, bad_day: a_client_that_does_not_read_is_bounded,
            bad_day: a_dying_server_ends_only_what_it_held, bad_day: a_drain_lets_the_exchange_end);
    };
    ($subject:ty, $($room:ident: $behaviour:ident),+) => {
        $(#[test]
        fn $behaviour() {
            $crate::$room::$behaviour::<$subject>();
        })+
    };
}
