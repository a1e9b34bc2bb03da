//! Conversions between a twin's values and those of CEL.

use std::any::Any;
use std::time::Duration;

use cel::ExecutionError;
use cel::common::traits;
use cel::common::types::{
    CelBool, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString,
    CelTimestamp, CelUInt, Kind, MAP_TYPE, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};

use super::Found;
use crate::event::{Map, Moment, Time, Value};

/// 10,000 years in milliseconds.
pub(super) const SPAN_MS_MAX: f64 = 10_000.0 * 366.0 * 86_400_000.0;

/// The value at one path for CEL: borrowed, so that reading it allocates nothing.
pub(super) enum CelValue<'a> {
    Null(CelNull),
    Bool(CelBool),
    Int(CelInt),
    UInt(CelUInt),
    Double(CelDouble),
    Text(CelString<'a>),
    Time(CelTimestamp),
    Span(CelDuration),
    Compound(Box<dyn Val>),
}

impl<'a> CelValue<'a> {
    pub(super) fn of(found: Found<'a>) -> CelValue<'a> {
        match found {
            Found::Missing => CelValue::Null(CelNull),
            Found::Bool(value) => CelValue::Bool(value.into()),
            Found::Int(value) => CelValue::Int(value.into()),
            Found::UInt(value) => CelValue::UInt(value.into()),
            Found::Float(value) => CelValue::Double(value.into()),
            Found::Text(text) => CelValue::Text(text.into()),
            Found::Time(time) => CelValue::Time(time.to_utc().fixed_offset().into()),
            Found::Span(span) => CelValue::Span(cel_span(span).into()),
            Found::Map(map) => CelValue::Compound(Box::new(CelFields::of(map))),
            Found::Value(value) => match value {
                Value::Null => CelValue::Null(CelNull),
                Value::Bool(value) => CelValue::Bool((*value).into()),
                Value::Int(value) => CelValue::Int((*value).into()),
                Value::UInt(value) => CelValue::UInt((*value).into()),
                Value::Float(value) => CelValue::Double((*value).into()),
                Value::Text(text) => CelValue::Text((&**text).into()),
                Value::List(_) | Value::Map(_) => CelValue::Compound(owned(value)),
            },
        }
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self, CelValue::Null(_))
    }

    pub(super) fn into_boxed(self) -> Box<dyn Val + 'a> {
        match self {
            CelValue::Null(value) => Box::new(value),
            CelValue::Bool(value) => Box::new(value),
            CelValue::Int(value) => Box::new(value),
            CelValue::UInt(value) => Box::new(value),
            CelValue::Double(value) => Box::new(value),
            CelValue::Text(value) => Box::new(value),
            CelValue::Time(value) => Box::new(value),
            CelValue::Span(value) => Box::new(value),
            CelValue::Compound(value) => value,
        }
    }

    pub(super) fn as_val<'b>(&'b self) -> &'b (dyn Val + 'b) {
        match self {
            CelValue::Null(value) => value,
            CelValue::Bool(value) => value,
            CelValue::Int(value) => value,
            CelValue::UInt(value) => value,
            CelValue::Double(value) => value,
            CelValue::Text(value) => value,
            CelValue::Time(value) => value,
            CelValue::Span(value) => value,
            CelValue::Compound(value) => &**value,
        }
    }
}

fn cel_span(span: Duration) -> chrono::Duration {
    let ms = (span.as_millis() as f64).min(SPAN_MS_MAX);
    chrono::Duration::milliseconds(ms as i64)
}

fn owned(value: &Value) -> Box<dyn Val> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Int(value) => Box::new(CelInt::from(*value)),
        Value::UInt(value) => Box::new(CelUInt::from(*value)),
        Value::Float(value) => Box::new(CelDouble::from(*value)),
        Value::Text(text) => Box::new(CelString::from(String::from(&**text))),
        Value::List(items) => Box::new(CelList::from(items.iter().map(owned).collect::<Vec<_>>())),
        Value::Map(map) => Box::new(CelFields::of(map)),
    }
}

/// Values by name, sorted by name: CEL's own map has no order, and the same input must give the same
/// decision.
#[derive(Debug, Clone)]
pub(super) struct CelFields(Vec<(CelString<'static>, Box<dyn Val>)>);

impl CelFields {
    fn of(map: &Map) -> CelFields {
        CelFields(map.iter().map(|(name, value)| (name.to_owned().into(), owned(value))).collect())
    }

    fn field(&self, key: &dyn Val) -> Option<&(dyn Val + 'static)> {
        let name = key.downcast_ref::<CelString<'_>>()?.inner();
        let at = self.0.binary_search_by(|(known, _)| known.inner().cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }
}

impl Val for CelFields {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn traits::Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn traits::Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn traits::Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn traits::Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<CelFields>().is_some_and(|other| {
            self.0.len() == other.0.len()
                && self.0.iter().zip(&other.0).all(|((name, value), (other_name, other))| {
                    name == other_name && value.equals(&**other)
                })
        })
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for CelFields {}

impl traits::Container for CelFields {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.field(value).is_some())
    }
}

impl traits::Indexer for CelFields {
    /// A missing name reads as `null`, like a missing path.
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(self.field(key).map_or_else(|| CowVal::owned(CelNull), CowVal::Borrowed))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

impl traits::Iterable for CelFields {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Names(self.0.iter()))
    }
}

struct Names<'b>(std::slice::Iter<'b, (CelString<'static>, Box<dyn Val>)>);

impl<'b, 'v> traits::Iterator<'b, 'v> for Names<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|(name, _)| name as &(dyn Val + 'v))
    }
}

impl traits::Sizer for CelFields {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.0.len()).unwrap_or(i64::MAX))
    }
}

/// A CEL result as a value of a twin; a time becomes RFC 3339 text, a duration seconds.
pub(super) fn value(found: &dyn Val) -> Result<Value, String> {
    if let Some(text) = found.downcast_ref::<CelString<'_>>() {
        return Ok(Value::from(text.inner()));
    }
    if let Some(list) = found.downcast_ref::<CelList<'_>>() {
        let items = list.inner().iter().map(|item| value(&**item));
        return Ok(Value::List(items.collect::<Result<_, _>>()?));
    }
    if let Some(fields) = found.downcast_ref::<CelFields>() {
        let pairs = fields.0.iter().map(|(name, item)| Ok((name.inner(), value(&**item)?)));
        return Ok(Value::Map(Box::new(pairs.collect::<Result<Map, String>>()?)));
    }
    if let Some(map) = found.downcast_ref::<CelMap<'_>>() {
        let pairs = map.inner().iter().map(|(key, item)| match key {
            CelMapKey::String(name) => Ok((name.inner(), value(&**item)?)),
            CelMapKey::Bool(_) => Err(bad_key("true or false")),
            CelMapKey::Int(_) | CelMapKey::UInt(_) => Err(bad_key("a number")),
        });
        return Ok(Value::Map(Box::new(pairs.collect::<Result<Map, String>>()?)));
    }
    if found.downcast_ref::<CelNull>().is_some() {
        Ok(Value::Null)
    } else if let Some(value) = found.downcast_ref::<CelBool>() {
        Ok(Value::Bool(*value.inner()))
    } else if let Some(number) = found.downcast_ref::<CelInt>() {
        Ok(Value::Int(*number.inner()))
    } else if let Some(number) = found.downcast_ref::<CelUInt>() {
        Ok(Value::from(*number.inner()))
    } else if let Some(number) = found.downcast_ref::<CelDouble>() {
        Ok(Value::from(*number.inner()))
    } else if let Some(time) = found.downcast_ref::<CelTimestamp>() {
        Ok(Value::from(&*time_of(time).to_string()))
    } else if let Some(span) = found.downcast_ref::<CelDuration>() {
        Ok(whole_or_float(span.inner().num_milliseconds() as f64 / 1_000.0))
    } else {
        Err(format!("expected a value, found {}", describe(found)))
    }
}

fn whole_or_float(number: f64) -> Value {
    if number.fract() == 0.0 { Value::Int(number as i64) } else { Value::from(number) }
}

/// A CEL result as a number; an integer beyond 2^53 may be rounded here.
pub(super) fn number(found: &dyn Val) -> Option<f64> {
    match whole(found) {
        Some(whole) => Some(whole as f64),
        None => found.downcast_ref::<CelDouble>().map(|number| *number.inner()),
    }
}

/// A CEL result as an integer, if it is one.
pub(super) fn whole(found: &dyn Val) -> Option<i128> {
    match found.downcast_ref::<CelInt>() {
        Some(whole) => Some((*whole.inner()).into()),
        None => found.downcast_ref::<CelUInt>().map(|whole| (*whole.inner()).into()),
    }
}

/// An integer for CEL; none if it does not fit.
pub(super) fn of_whole<'b, 'v>(number: i128) -> Option<CowVal<'b, 'v>> {
    if let Ok(number) = i64::try_from(number) {
        Some(CowVal::owned(CelInt::from(number)))
    } else {
        u64::try_from(number).ok().map(|number| CowVal::owned(CelUInt::from(number)))
    }
}

/// A CEL result as a time: a timestamp, or the text of a [`Moment`]. A result before [`Time::EARLIEST_PLAUSIBLE`]
/// counts as none: it was computed from the zero value of a program without a clock.
pub(super) fn time(found: &dyn Val) -> Option<Time> {
    let time = match found.downcast_ref::<CelTimestamp>() {
        Some(time) => time_of(time),
        None => Moment::parse(found.downcast_ref::<CelString<'_>>()?.inner())?.time()?,
    };
    (time >= Time::EARLIEST_PLAUSIBLE).then_some(time)
}

fn time_of(time: &CelTimestamp) -> Time {
    Time::from_ms(time.inner().timestamp_millis())
}

/// A CEL result as a duration: a duration, a number of seconds, or text such as `36h`; none if it is
/// negative.
pub(super) fn span(found: &dyn Val) -> Option<Duration> {
    if let Some(span) = found.downcast_ref::<CelDuration>() {
        return span.inner().to_std().ok();
    }
    if let Some(text) = found.downcast_ref::<CelString<'_>>() {
        return humantime::parse_duration(text.inner()).ok();
    }
    let secs = number(found)?;
    Duration::try_from_secs_f64(secs).ok().filter(|span| span.as_millis() as f64 <= SPAN_MS_MAX)
}

/// The kind of this value, in a policy author's terms.
pub(super) fn describe(found: &dyn Val) -> &'static str {
    match found.get_type().kind() {
        Kind::NullType => "nothing",
        Kind::Boolean => "true or false",
        Kind::Int | Kind::UInt | Kind::Double => "a number",
        Kind::String => "a text",
        Kind::Timestamp => "a time",
        Kind::Duration => "a duration",
        Kind::List => "a list",
        Kind::Map => "a map",
        _ => "a value of another kind",
    }
}

/// The reason for a map that no twin can store.
fn bad_key(found: &str) -> String {
    format!("expected texts as the keys of a map, found {found}")
}

/// The reason for a division without a result.
pub(super) const DIVISION_BY_ZERO: &str = "a division by zero";
/// The reason for a remainder without a result.
pub(super) const REMAINDER_BY_ZERO: &str = "the remainder of a division by zero";

/// Why CEL gave no result, in a policy author's terms.
pub(super) fn reason(error: &ExecutionError) -> String {
    match error {
        ExecutionError::FunctionError { message, .. } => message.clone(),
        ExecutionError::NoSuchOverload(overload) => {
            let operator = overload.function().replace(['_', '@'], "");
            let types: Vec<&str> =
                overload.argument_types().iter().map(|name| kind_of(name)).collect();
            format!("`{operator}` does not work on {}", types.join(" and "))
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            let operator = match *operator {
                "add" => "+",
                "sub" => "-",
                "mul" => "*",
                "div" => "/",
                _ => "%",
            };
            let [left, right] =
                [left, right].map(|side| kind_of(&side.type_of().to_string()).to_owned());
            format!("`{operator}` does not work on {left} and {right}")
        }
        ExecutionError::DivisionByZero(_) => DIVISION_BY_ZERO.to_owned(),
        ExecutionError::RemainderByZero(_) => REMAINDER_BY_ZERO.to_owned(),
        ExecutionError::Overflow(..) => "the result is too large".to_owned(),
        other => other.to_string(),
    }
}

fn kind_of(type_name: &str) -> &str {
    match type_name {
        "null_type" | "null" => "nothing",
        "bool" => "true or false",
        "int" | "uint" | "double" | "float" => "a number",
        "string" => "a text",
        "google.protobuf.Timestamp" | "timestamp" => "a time",
        "google.protobuf.Duration" | "duration" => "a duration",
        "list" => "a list",
        "map" => "a map",
        other => other,
    }
}
