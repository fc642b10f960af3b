//! Prepared statements and pipelines: the same names with other texts in every client.

use tidegate_kit::{Reply, message};

use super::client::{Client, Done};

/// How many names each client uses.
const NAMES: u64 = 4;

impl Client<'_> {
    /// A statement whose text, and whose number of columns, are this client's own.
    fn text(&self, generation: u64) -> String {
        let more = format!(", '{}'", self.id).repeat(self.id % 3);
        format!("SELECT 'client-{}-gen-{generation}', $1::text{more}", self.id)
    }

    fn row(&self, generation: u64, parameter: &str) -> Vec<String> {
        let mut row = vec![format!("client-{}-gen-{generation}", self.id), parameter.to_owned()];
        row.extend(std::iter::repeat_n(self.id.to_string(), self.id % 3));
        row
    }

    /// Parse where the name is new, then Bind and Execute; now and then Close.
    pub(super) fn prepared(&mut self) -> Done {
        let number = self.random.below(NAMES);
        let name = format!("s{number}");
        if self.statements.contains_key(&number) && self.random.once_in(6) {
            let reply = self.change(&[message::close(b'S', &name), message::sync()].concat())?;
            self.statements.remove(&number);
            return self.check(&reply, "3Z", &[]);
        }
        let tag = self.tag();
        let (generation, mut bytes, mut tags) = if let Some(generation) = self.statements.get(&number) {
            (*generation, Vec::new(), String::new())
        } else {
            self.generation += 1;
            let parse = message::parse(&name, &self.text(self.generation));
            let bytes = [parse, message::describe(b'S', &name)].concat();
            (self.generation, bytes, "1tT".to_owned())
        };
        bytes.extend(message::bind("", &name, &[Some(&tag)]));
        tags.push('2');
        if self.random.once_in(2) {
            bytes.extend(message::describe(b'P', ""));
            tags.push('T');
        }
        bytes.extend([message::execute("", 0), message::sync()].concat());
        tags.push_str("DCZ");
        let is_new = !self.statements.contains_key(&number);
        let reply = if is_new {
            self.change(&bytes)?
        } else {
            self.ask(&bytes)?
        };
        self.check(&reply, &tags, &[self.row(generation, &tag)])?;
        self.statements.insert(number, generation);
        Ok(())
    }

    /// Many exchanges sent at once: each answer must be its own, in order, also behind errors.
    pub(super) fn pipeline(&mut self) -> Done {
        let depth = 1 + self.random.below(30);
        let mut bytes = Vec::new();
        let mut expected: Vec<Option<(&str, Vec<String>)>> = Vec::new();
        for _ in 0..depth {
            let tag = self.tag();
            let known = self
                .statements
                .iter()
                .next()
                .map(|(number, generation)| (*number, *generation));
            match (self.random.below(4), known) {
                (0, _) => {
                    bytes.extend(message::query(&format!("SELECT '{tag}'")));
                    expected.push(Some(("TDCZ", vec![tag])));
                }
                (1, _) => {
                    bytes.extend(message::parse("", "SELECT 1 / $1::int"));
                    bytes.extend(message::bind("", "", &[Some("0")]));
                    bytes.extend([message::execute("", 0), message::sync()].concat());
                    expected.push(None);
                }
                (2, Some((number, generation))) => {
                    bytes.extend(message::bind("", &format!("s{number}"), &[Some(&tag)]));
                    bytes.extend([message::execute("", 0), message::sync()].concat());
                    expected.push(Some(("2DCZ", self.row(generation, &tag))));
                }
                _ => {
                    let generation = self.serial_text();
                    bytes.extend(message::parse("", &self.text(generation)));
                    bytes.extend(message::bind("", "", &[Some(&tag)]));
                    bytes.extend([message::execute("", 0), message::sync()].concat());
                    expected.push(Some(("12DCZ", self.row(generation, &tag))));
                }
            }
        }
        self.send(&bytes)?;
        for expected in expected {
            let began = self.storm.now();
            let reply = self.reply(b"Z")?;
            match (reply.error(), expected) {
                (None, Some((tags, row))) => self.check(&reply, tags, &[row])?,
                (Some(error), None) if error.sqlstate() == "22012" => self.check(&reply, reply_tags(&reply), &[])?,
                (Some(error), _) => {
                    // What is behind it in the pipeline is of no interest: nobody knows how far it came.
                    return Err(match self.judge(began, &error, &reply) {
                        super::Trouble::Excused => super::Trouble::Lost,
                        other => other,
                    });
                }
                (None, None) => return self.wrong(&format!("a division by zero succeeded: {reply:?}")),
            }
        }
        Ok(())
    }

    /// Many Binds before one Sync.
    pub(super) fn batch(&mut self) -> Done {
        let Some((number, generation)) = self.statements.iter().next().map(|(n, g)| (*n, *g)) else {
            return self.prepared();
        };
        let (mut bytes, mut tags, mut rows) = (Vec::new(), String::new(), Vec::new());
        for _ in 0..=self.random.below(20) {
            let tag = self.tag();
            bytes.extend(message::bind("", &format!("s{number}"), &[Some(&tag)]));
            bytes.extend(message::execute("", 0));
            tags.push_str("2DC");
            rows.push(self.row(generation, &tag));
        }
        bytes.extend(message::sync());
        tags.push('Z');
        let reply = self.ask(&bytes)?;
        self.check(&reply, &tags, &rows)
    }

    fn serial_text(&mut self) -> u64 {
        self.random.below(1000)
    }
}

/// The shapes that an error in an extended exchange may have: at Bind, or at Execute.
fn reply_tags(reply: &Reply) -> &'static str {
    if reply.tags() == "12EZ" { "12EZ" } else { "1EZ" }
}
