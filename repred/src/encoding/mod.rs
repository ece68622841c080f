//! How updates and states become bytes: the postcard format, with budgets.
use serde::{Serialize, de::DeserializeOwned};

/// stub
#[derive(Debug)]
pub struct EncodeError;
/// stub
#[derive(Debug)]
pub struct DecodeError;

pub(crate) fn encode_into<T: Serialize + ?Sized>(_value: &T, _bytes: &mut Vec<u8>) -> Result<(), EncodeError> { Err(EncodeError) }
pub(crate) fn decode<T: DeserializeOwned>(_bytes: &[u8]) -> Result<T, DecodeError> { Err(DecodeError) }
