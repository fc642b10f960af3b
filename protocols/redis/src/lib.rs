//! One Redis or Valkey client connection, from hello to goodbye.

mod pin;
