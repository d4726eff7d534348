//! The OpenAPI document of the public API, made from the list of operations.

/// The document as it is served: the committed one, which a test compares with what the list makes.
pub fn document_text() -> &'static str {
    include_str!("../../../openapi/api.json")
}
