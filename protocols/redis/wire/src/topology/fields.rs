use crate::number;

/// The fields of an INFO text, as `name:value` lines; headings and what is no field are passed over.
pub fn fields(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr::memchr(b':', line)?;
        Some((line.get(..colon)?, line.get(colon + 1..)?))
    })
}

/// What CLUSTER INFO says, as far as it matters to somebody outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClusterInfo {
    /// Whether the node takes commands: it reaches the majority, and all slots that must be are served.
    pub is_ok: bool,
    /// The highest epoch that the node has heard of: each change of who serves what has a higher one.
    pub current_epoch: u64,
    /// How many nodes it knows.
    pub known_nodes: u64,
}

impl ClusterInfo {
    /// From the text of CLUSTER INFO; `None` when it does not say the epoch.
    pub fn read(text: &[u8]) -> Option<Self> {
        let mut info = Self::default();
        let mut epoch = None;
        for (name, value) in fields(text) {
            match name {
                b"cluster_state" => info.is_ok = value == b"ok",
                b"cluster_current_epoch" => epoch = unsigned(value),
                b"cluster_known_nodes" => info.known_nodes = unsigned(value).unwrap_or(0),
                _ => {}
            }
        }
        info.current_epoch = epoch?;
        Some(info)
    }
}

/// What INFO replication says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replication<'a> {
    /// Whether it takes writes and follows nobody.
    pub is_master: bool,
    /// Whose history its data is: all who follow one another have the same.
    pub history: &'a [u8],
    /// How far its data is in that history, in bytes.
    pub offset: u64,
    /// A master: how many follow it.
    pub followers: u64,
    /// A replica: whether its link to the one it follows is up.
    pub link_up: bool,
    /// A replica: seconds since its master last said something; `None` when it never did.
    pub silent_seconds: Option<u64>,
    /// A replica: seconds since its link broke.
    pub down_seconds: Option<u64>,
    /// A replica: whether it still takes over all of the master's data for a start.
    pub is_syncing: bool,
}

impl<'a> Replication<'a> {
    /// From the text of INFO, of any section that holds these; `None` when it does not say the role.
    pub fn read(text: &'a [u8]) -> Option<Self> {
        let mut info = Self::default();
        let mut role = None;
        let (mut written, mut applied) = (0, None);
        for (name, value) in fields(text) {
            match name {
                b"role" => role = Some(value),
                b"master_replid" => info.history = value,
                b"master_repl_offset" => written = unsigned(value).unwrap_or(0),
                b"slave_repl_offset" => applied = unsigned(value),
                b"connected_slaves" => info.followers = unsigned(value).unwrap_or(0),
                b"master_link_status" => info.link_up = value == b"up",
                b"master_last_io_seconds_ago" => info.silent_seconds = unsigned(value),
                b"master_link_down_since_seconds" => info.down_seconds = unsigned(value),
                b"master_sync_in_progress" => info.is_syncing = value == b"1",
                _ => {}
            }
        }
        info.is_master = match role? {
            b"master" => true,
            b"slave" => false,
            _ => return None,
        };
        info.offset = if info.is_master {
            written
        } else {
            applied.unwrap_or(written)
        };
        Some(info)
    }
}

/// A number that is not below 0; INFO says -1 for "none".
fn unsigned(text: &[u8]) -> Option<u64> {
    u64::try_from(number::parse(text)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_what_counts_is_none() {
        assert_eq!(ClusterInfo::read(b"cluster_state:ok\r\n"), None);
        assert_eq!(ClusterInfo::read(b"cluster_current_epoch:-1\r\n"), None);
        assert_eq!(Replication::read(b"# Replication\r\nrole:\r\n"), None);
        assert_eq!(Replication::read(b"role:sentinel\r\n"), None);
        let broken = Replication::read(b"role:slave\r\nmaster_last_io_seconds_ago:-1\nslave_repl_offset:x\r\n:\r\n");
        assert_eq!(broken, Some(Replication::default()));
    }

    #[test]
    fn a_replica_is_as_far_as_it_has_applied() {
        let text = b"role:slave\r\nmaster_repl_offset:90\r\nslave_repl_offset:80\r\nslave_read_repl_offset:95\r\n";
        assert_eq!(Replication::read(text).map(|info| info.offset), Some(80));
    }
}
