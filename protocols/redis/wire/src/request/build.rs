use crate::number::{write_bulk, write_length};

/// Writes a whole command.
pub fn command<A: AsRef<[u8]>>(out: &mut Vec<u8>, arguments: &[A]) {
    command_head(out, arguments.len());
    for text in arguments {
        argument(out, text.as_ref());
    }
}

/// Begins a command of so many arguments, its name counted; they follow by [`argument`].
pub fn command_head(out: &mut Vec<u8>, count: usize) {
    write_length(out, b'*', count);
}

/// Writes the next argument of a command.
pub fn argument(out: &mut Vec<u8>, text: &[u8]) {
    write_bulk(out, text);
}
