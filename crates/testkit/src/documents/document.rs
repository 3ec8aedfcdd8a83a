//! One OpenAPI document: which operation a request meets, and which schema its answer must fit.

use crate::reply::Reply;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// An OpenAPI 3.1 document with its compiled schemas.
pub struct Document {
    value: Value,
    // Compiling a schema costs more than a request does: each is compiled once.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// One operation of a document.
#[derive(Clone, Copy)]
pub struct Operation<'a> {
    document: &'a Document,
    /// The method, in lower case.
    pub method: &'a str,
    /// The path with its parameters in braces.
    pub template: &'a str,
    value: &'a Value,
}

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

impl Document {
    pub(crate) fn new(value: Value) -> Self {
        Self { value, validators: Mutex::default() }
    }

    /// The document as JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    fn paths(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.value["paths"].as_object().into_iter().flatten().map(|(template, item)| (template.as_str(), item))
    }

    /// Every operation, in the order of the document.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let all = self.paths().flat_map(|(template, item)| {
            let methods = METHODS.into_iter().filter(|method| item.get(*method).is_some());
            methods.filter_map(|method| self.operation(method, template))
        });
        all.collect()
    }

    /// The template that a path meets; a written-out segment wins over a parameter.
    pub fn template(&self, path: &str) -> Option<&str> {
        let fitting = self.paths().filter(|(template, _)| fits(template, path));
        fitting.min_by_key(|(template, _)| template.matches('{').count()).map(|(template, _)| template)
    }

    /// The operation behind a method (in lower case) and a template.
    pub fn operation<'a>(&'a self, method: &str, template: &str) -> Option<Operation<'a>> {
        let (template, item) = self.value["paths"].as_object()?.get_key_value(template)?;
        let method = METHODS.into_iter().find(|known| *known == method)?;
        Some(Operation { document: self, method, template, value: item.get(method)? })
    }

    /// The operation that a concrete path meets here; parameters may be named otherwise than elsewhere.
    pub(crate) fn twin(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        self.operation(method, self.template(path)?)
    }

    /// Follows a reference within the document.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let reference = value.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        match reference.and_then(|pointer| self.value.pointer(pointer)) {
            Some(target) => self.resolve(target),
            None => value,
        }
    }

    fn validator(&self, key: String, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let compile = || {
            let mut root = schema.clone();
            // References of the schema point into the document: give it the document's components.
            root["components"] = self.value["components"].clone();
            let options =
                jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
            Arc::new(options.build(&root).unwrap_or_else(|error| panic!("{key}: no schema: {error}")))
        };
        Arc::clone(validators.entry(key.clone()).or_insert_with(compile))
    }

    fn validate(&self, key: String, schema: &Value, body: &Value) -> Result<(), String> {
        let validator = self.validator(key, schema);
        let problems: Vec<String> =
            validator.iter_errors(body).map(|e| format!("{}: {e}", e.instance_path())).collect();
        if problems.is_empty() { Ok(()) } else { Err(format!("does not fit its schema: {}", problems.join("; "))) }
    }

    /// Says what is wrong with an answer that must be a refusal.
    pub(crate) fn check_error(&self, reply: &Reply) -> Result<(), String> {
        if reply.status < 400 {
            return Err(format!("{} is no refusal", reply.status));
        }
        if reply.body.is_empty() && reply.request.starts_with("HEAD ") {
            return Ok(());
        }
        self.validate("errors".to_owned(), &json!({ "$ref": "#/components/schemas/ErrorResponse" }), &reply.json)
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(w), Some(f)) if w == f || is_parameter(w, f) => {}
            _ => return false,
        }
    }
}

/// Whether a segment stands for a parameter, which something may follow: `{name}.json`.
fn is_parameter(wanted: &str, found: &str) -> bool {
    let ending = wanted.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    ending.is_some_and(|(_, ending)| found.len() > ending.len() && found.ends_with(ending))
}

impl<'a> Operation<'a> {
    /// The operation's id.
    pub fn id(&self) -> &'a str {
        self.value["operationId"].as_str().unwrap_or_default()
    }

    /// The operation as the document has it.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The names of the path's parameters, in order.
    pub fn parameters(&self) -> Vec<&'a str> {
        let names = self.template.split('/').filter_map(|s| Some(s.strip_prefix('{')?.split_once('}')?.0));
        names.collect()
    }

    /// Whether callers must show a credential.
    pub fn is_guarded(&self) -> bool {
        let security = self.value.get("security").or_else(|| self.document.value.get("security"));
        let any = security.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        !any.is_empty() && any.iter().all(|one| one.as_object().is_some_and(|schemes| !schemes.is_empty()))
    }

    /// The schema of the JSON body that a request may carry.
    pub fn body(&self) -> Option<&'a Value> {
        let body = self.document.resolve(self.value.get("requestBody")?);
        body.pointer("/content/application~1json/schema").map(|schema| self.document.resolve(schema))
    }

    fn response(&self, status: u16) -> Option<&'a Value> {
        let responses = &self.value["responses"];
        let response = responses.get(status.to_string()).or_else(|| responses.get("default"))?;
        Some(self.document.resolve(response))
    }

    /// Says what is wrong with an answer: its status, its type or its body.
    pub(crate) fn check(&self, reply: &Reply, head: bool) -> Result<(), String> {
        match self.response(reply.status) {
            Some(response) => self.check_body(response, reply, head),
            None => Err(format!("status {} is not documented", reply.status)),
        }
    }

    /// The same by a document that does not list every refusal.
    pub(crate) fn check_shape(&self, reply: &Reply, head: bool) -> Result<(), String> {
        let reply = &without_own(reply);
        match self.response(reply.status) {
            Some(response) => self.check_body(response, reply, head),
            None if reply.status == 304 || head => Ok(()),
            None if reply.status >= 400 => self.document.check_error(reply),
            None => Err(format!("status {} is not in the contract", reply.status)),
        }
    }

    fn check_body(&self, response: &Value, reply: &Reply, head: bool) -> Result<(), String> {
        let content = response.get("content").and_then(Value::as_object).filter(|content| !content.is_empty());
        let Some(content) = content else {
            let empty = reply.body.is_empty();
            return if empty { Ok(()) } else { Err("a body where the document has none".to_owned()) };
        };
        let sent = reply.header("content-type").unwrap_or_default();
        let sent = sent.split(';').next().unwrap_or_default().trim();
        let Some(media) = content.get(sent) else {
            return Err(format!("content type `{sent}` is not documented"));
        };
        match media.get("schema") {
            Some(schema) if !head && sent == "application/json" => {
                let key = format!("{} {} {}", self.method, self.template, reply.status);
                self.document.validate(key, schema, &reply.json)
            }
            _ => Ok(()),
        }
    }
}

/// Keys that the contract settles in words and its shapes do not have yet, by the type tag of their object.
const OWN: [(&str, &[&str]); 2] = [
    (
        "instance_settings",
        &["audit_full_ip", "authentication_strategies", "delete_self_enabled", "require_legal_accepted", "sms"],
    ),
    ("webhook_endpoint", &["include_meta"]),
];

fn without_own(reply: &Reply) -> Reply {
    let mut reply = reply.clone();
    strip(&mut reply.json);
    for row in reply.json.get_mut("data").and_then(Value::as_array_mut).into_iter().flatten() {
        strip(row);
    }
    reply
}

fn strip(value: &mut Value) {
    for (tag, keys) in OWN {
        if let Some(object) = value.as_object_mut().filter(|o| o.get("object").is_some_and(|t| t == tag)) {
            object.retain(|key, _| !keys.contains(&key.as_str()));
        }
    }
}
