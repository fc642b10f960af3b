use std::path::Path as FilePath;

use serde_json::Value as Json;

use crate::check::check;
use crate::document::Document;
use crate::environment::Environment;
use crate::interpolate::interpolate;
use crate::mistake::Mistake;
use crate::overrides::{Overrides, apply};
use crate::path::Path;
use crate::settle::settle;
use crate::shape::Schema;

impl Document {
    /// Fills in what stands outside the file: `${…}` inside texts, then overrides from the environment (which win),
    /// and gives what came as text the type that the schema asks for.
    pub fn resolve(&mut self, schema: &Json, environment: &dyn Environment, overrides: Overrides<'_>) -> Vec<Mistake> {
        let schema = Schema(schema);
        let mut wrong = Vec::new();
        interpolate(self.root_mut(), &Path::root(), environment, &mut wrong);
        let mut mistakes: Vec<Mistake> = wrong
            .into_iter()
            .map(|(span, path, message)| Mistake {
                origin: self.name().to_owned(),
                span: Some(span),
                message: format!("{path}: {message}"),
                path: Some(path),
            })
            .collect();
        mistakes.extend(apply(self, schema, environment, overrides));
        settle(schema, &schema.root(), self.root_mut());
        mistakes
    }
}

/// Opens, resolves and checks a file. `Err` holds every mistake of all three.
pub fn load(
    path: &FilePath,
    schema: &Json,
    environment: &dyn Environment,
    overrides: Overrides<'_>,
) -> Result<Document, Vec<Mistake>> {
    prepare(Document::open(path)?, schema, environment, overrides)
}

/// Resolves and checks a document that was already read.
pub fn prepare(
    mut document: Document,
    schema: &Json,
    environment: &dyn Environment,
    overrides: Overrides<'_>,
) -> Result<Document, Vec<Mistake>> {
    let mut mistakes = document.resolve(schema, environment, overrides);
    // A value whose reference failed is reported once, not again for what it looks like.
    let failed: Vec<_> = mistakes.iter().filter_map(|mistake| mistake.path.clone()).collect();
    let found = check(&document, schema).into_iter();
    mistakes.extend(found.filter(|mistake| mistake.path.as_ref().is_none_or(|path| !failed.contains(path))));
    mistakes.sort_by(|one, other| (&one.span, &one.origin).cmp(&(&other.span, &other.origin)));
    if mistakes.is_empty() {
        Ok(document)
    } else {
        Err(mistakes)
    }
}
