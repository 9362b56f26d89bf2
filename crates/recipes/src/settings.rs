//! Settings of a recipe: a flat TOML table that begins as the defaults, and what a user changes of it.

use eras_tensor::{Error, Result, nearest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The settings of a recipe as a table.
///
/// # Panics
/// If they cannot be written as TOML, which is a mistake in the recipe.
#[must_use]
pub fn to_table(settings: &impl Serialize) -> Table {
    Table::try_from(settings).expect("a recipe's settings are plain numbers, texts and lists")
}

/// The settings of a recipe from a table.
///
/// # Errors
/// If a value has the wrong type.
pub fn from_table<S: DeserializeOwned>(table: &Table) -> Result<S> {
    // The setting's name stands in a line of its own.
    table
        .clone()
        .try_into()
        .map_err(|e: toml::de::Error| Error::usage(e.to_string().trim_end().replace('\n', " ")))
}

/// Changes `key` of `table`, whose value keeps its type: `lr` stays a float, `hidden` a list of whole numbers.
///
/// # Errors
/// If there is no such key (the nearest are named) or the value does not fit.
pub fn set(table: &mut Table, key: &str, value: Value) -> Result<()> {
    let Some(old) = table.get(key) else {
        let known: Vec<&str> = table.keys().map(String::as_str).collect();
        return Err(Error::usage(format!(
            "there is no setting `{key}`; {}",
            nearest(key, &known)
        )));
    };
    let value = fit(old, value).map_err(|found| {
        Error::usage(format!(
            "setting `{key}` wants {}, as {old}, but found {found}",
            kind(old)
        ))
    })?;
    table.insert(key.to_owned(), value);
    Ok(())
}

/// The settings `given`, and the defaults for those that are not.
///
/// # Errors
/// As [`set`].
pub fn complete(mut defaults: Table, given: &Table) -> Result<Table> {
    for (key, value) in given {
        set(&mut defaults, key, value.clone())?;
    }
    Ok(defaults)
}

/// The settings of a recipe from those `given`, and its defaults for the others.
///
/// # Errors
/// As [`set`] and [`from_table`].
pub(crate) fn read<S: Default + Serialize + DeserializeOwned>(given: &Table) -> Result<S> {
    from_table(&complete(to_table(&S::default()), given)?)
}

/// Refuses the first setting that does not hold: whether it does, its key, and what it wants.
pub(crate) fn want(rules: &[(bool, &str, &str)]) -> Result<()> {
    match rules.iter().find(|(holds, ..)| !holds) {
        Some((_, key, wanted)) => Err(Error::usage(format!("setting `{key}` wants {wanted}"))),
        None => Ok(()),
    }
}

/// Refuses a setting `key` that is none of `all`.
pub(crate) fn want_word(key: &str, word: &str, all: &[&str]) -> Result<()> {
    if all.contains(&word) {
        return Ok(());
    }
    Err(unknown_word(key, word, all))
}

/// What is said of a setting `key` that is none of `all`.
pub(crate) fn unknown_word(key: &str, word: &str, all: &[&str]) -> Error {
    let hint = nearest(word, all);
    Error::usage(format!(
        "setting `{key}` is `{word}`, which is not known here; {hint}"
    ))
}

/// Changes what `assignment`, `key=value`, says. A value that is no TOML is taken as text.
///
/// # Errors
/// As [`set`], or if there is no `=`.
pub fn assign(table: &mut Table, assignment: &str) -> Result<()> {
    let Some((key, text)) = assignment.split_once('=') else {
        return Err(Error::usage(format!(
            "`{assignment}` is no setting: write it as key=value, as in lr=0.5"
        )));
    };
    let (key, text) = (key.trim(), text.trim());
    let parsed = format!("x = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("x"));
    set(
        table,
        key,
        parsed.unwrap_or_else(|| Value::String(text.to_owned())),
    )
}

/// `value` as the type of `like`; the value itself, to be named, if it does not fit.
fn fit(like: &Value, value: Value) -> Result<Value, Value> {
    match (like, value) {
        (Value::Float(_), Value::Integer(whole)) => Ok(Value::Float(whole as f64)),
        (Value::Array(items), Value::Array(values)) => {
            let like = items.first();
            let fitted = values
                .into_iter()
                .map(|v| like.map_or(Ok(v.clone()), |like| fit(like, v)));
            fitted.collect::<Result<_, _>>().map(Value::Array)
        }
        (like, value) if like.same_type(&value) => Ok(value),
        (_, value) => Err(value),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        Value::Datetime(_) => "a date",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        "epochs = 12\nlr = 1.0\nhidden = [512, 512]\ndataset = \"mnist\""
            .parse()
            .unwrap()
    }

    #[test]
    fn values_keep_their_types() {
        let mut t = table();
        for assignment in ["epochs=3", "lr = 2", "hidden=[64]", "dataset=fashion-mnist"] {
            assign(&mut t, assignment).unwrap();
        }
        assert_eq!(
            t.to_string(),
            "epochs = 3\nlr = 2.0\nhidden = [64]\ndataset = \"fashion-mnist\"\n"
        );
    }

    #[test]
    fn a_value_that_the_recipe_cannot_hold_is_said_with_its_name() {
        #[derive(Debug, serde::Deserialize)]
        struct Settings {
            #[expect(dead_code, reason = "it is never read")]
            epochs: usize,
        }
        let mut t = Table::new();
        t.insert("epochs".into(), Value::Integer(-1));
        assert_eq!(
            from_table::<Settings>(&t).unwrap_err().to_string(),
            "invalid value: integer `-1`, expected usize in `epochs`"
        );
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let message = |assignment| assign(&mut table(), assignment).unwrap_err().to_string();
        assert_eq!(
            message("epoch=3"),
            "there is no setting `epoch`; did you mean `epochs`?"
        );
        assert_eq!(
            message("zzzz=3"),
            "there is no setting `zzzz`; there are epochs, lr, hidden, dataset"
        );
        assert_eq!(
            message("epochs=1.5"),
            "setting `epochs` wants a whole number, as 12, but found 1.5"
        );
        assert_eq!(
            message("lr=fast"),
            "setting `lr` wants a number, as 1.0, but found \"fast\""
        );
        assert_eq!(
            message("hidden=[1.5]"),
            "setting `hidden` wants a list, as [512, 512], but found 1.5"
        );
        assert_eq!(
            message("lr"),
            "`lr` is no setting: write it as key=value, as in lr=0.5"
        );
    }
}
