//! Names in the configuration.

use toml::de::DeValue;

use super::values::text;

/// A zone, owner or host name.
pub(super) fn name(value: &DeValue<'_>) -> Result<String, String> {
    parse_name(text(value)?)
}

/// Parses a name; a final dot is optional.
pub fn parse_name(text: &str) -> Result<String, String> {
    let labels = text.strip_suffix('.').unwrap_or(text);
    if labels.len() > 253
        || labels
            .split('.')
            .any(|label| label.is_empty() || label.len() > 63)
    {
        return Err(format!(
            "`{text}` is not a name; write labels of 1 to 63 octets with dots between"
        ));
    }
    Ok(format!("{}.", labels.to_ascii_lowercase()))
}

/// True when `name` is `zone` or below it.
pub(super) fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
