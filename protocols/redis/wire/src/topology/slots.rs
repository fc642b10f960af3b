use super::role::port;
use crate::ReplyError;
use crate::reply::{Node, SlotRange, Value};
use crate::slot::Slot;

/// From the reply to CLUSTER SLOTS (`cluster.c`, `clusterReplyMultiBulkSlots`). A node without a host of its own, which
/// means the host that was asked, has an empty one; `?` is a name that the server would say and does not know.
pub fn slot_ranges(reply: &Value<'_>) -> Result<Vec<SlotRange>, ReplyError> {
    let items = reply.items().ok_or(ReplyError::Value)?;
    items.map(|item| range(&item?)).collect()
}

fn range(entry: &Value<'_>) -> Result<SlotRange, ReplyError> {
    let mut items = entry.items().ok_or(ReplyError::Value)?;
    let mut bound = || {
        let number = items.next().unwrap_or(Err(ReplyError::Length))?.integer();
        let number = number.and_then(|number| u16::try_from(number).ok());
        number.and_then(Slot::new).ok_or(ReplyError::Value)
    };
    let (first, last) = (bound()?, bound()?);
    if first > last {
        return Err(ReplyError::Value);
    }
    let nodes = items.map(|item| node(&item?)).collect::<Result<_, _>>()?;
    Ok(SlotRange { first, last, nodes })
}

/// Redis before 4.0 says no id, and before 7.0 no metadata.
fn node(entry: &Value<'_>) -> Result<Node, ReplyError> {
    let mut items = entry.items().ok_or(ReplyError::Value)?;
    let mut next = || items.next().unwrap_or(Err(ReplyError::Length));
    let endpoint = match next()? {
        Value::Null => String::new(),
        host => text(&host)?,
    };
    let port = port(&next()?)?;
    let id = items
        .next()
        .transpose()?
        .map_or_else(|| Ok(String::new()), |id| text(&id))?;
    let mut metadata = Vec::new();
    let more = items.next().transpose()?;
    for pair in more.iter().filter_map(Value::pairs).flatten() {
        let (name, value) = pair?;
        metadata.push((text(&name)?, text(&value)?));
    }
    Ok(Node {
        endpoint,
        port,
        id,
        metadata,
    })
}

fn text(value: &Value<'_>) -> Result<String, ReplyError> {
    let text = value.text().and_then(|text| std::str::from_utf8(text).ok());
    text.map(str::to_owned).ok_or(ReplyError::Value)
}
