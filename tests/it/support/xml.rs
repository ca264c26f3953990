//! EC2's answers as JSON: an element is an object, a list of `item`s is an array, text is a string.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// Reads a document; the root element's contents are returned.
pub fn to_json(xml: &str) -> Value {
    let mut reader = Reader::from_str(xml);
    let mut open = vec![Element::default()];
    loop {
        let event = reader
            .read_event()
            .unwrap_or_else(|error| panic!("no XML: {error}\n{xml}"));
        match event {
            Event::Start(tag) => open.push(Element::named(&tag.local_name())),
            Event::Empty(tag) => close(&mut open, Element::named(&tag.local_name())),
            Event::End(_) => {
                let element = open.pop().expect("an open element");
                close(&mut open, element);
            }
            Event::Text(text) => add_text(&mut open, &text.xml10_content()),
            Event::CData(text) => add_text(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => add_text(&mut open, &resolved(&reference)),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    let document = open.pop().expect("the document");
    document
        .children
        .into_iter()
        .next()
        .map(|(_, root)| root)
        .unwrap_or_default()
}

#[derive(Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<(String, Value)>,
}

impl Element {
    fn named(name: &quick_xml::name::LocalName<'_>) -> Self {
        let name: &str = name.as_ref();
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    fn into_json(self) -> Value {
        if self.children.is_empty() {
            return if self.text.trim().is_empty() {
                Value::Null
            } else {
                Value::String(self.text)
            };
        }
        if self.children.iter().all(|(name, _)| name == "item") {
            return Value::Array(self.children.into_iter().map(|(_, value)| value).collect());
        }
        Value::Object(self.children.into_iter().collect::<Map<_, _>>())
    }
}

fn close(open: &mut [Element], element: Element) {
    let parent = open.last_mut().expect("a parent");
    let name = element.name.clone();
    parent.children.push((name, element.into_json()));
}

fn add_text(open: &mut [Element], text: &str) {
    open.last_mut().expect("an open element").text.push_str(text);
}

fn resolved(reference: &quick_xml::events::BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    match reference.xml10_content().as_ref() {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        other => panic!("unknown entity &{other};"),
    }
    .to_owned()
}

#[test]
fn an_answer_of_ec2_becomes_json() {
    let xml = r#"<?xml version="1.0"?><R xmlns="http://ec2"><requestId>1</requestId>
        <set><item><id>i-1</id><tags/></item><item><id>a&amp;b&#33;</id></item></set></R>"#;
    let expected = serde_json::json!({"requestId": "1", "set": [{"id": "i-1", "tags": null}, {"id": "a&b!"}]});
    assert_eq!(to_json(xml), expected);
}
