//! CSeq: order of requests and their method (RFC 3261 §20.16).

use bytes::Bytes;

use super::text::{is_space, number, trim};
use super::{FieldError, Method};

/// Largest CSeq number: below 2^31 (RFC 3261 §8.1.1.5).
pub const CSEQ_MAX: u32 = (1 << 31) - 1;

/// Value of a CSeq header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// 0..=[`CSEQ_MAX`].
    pub number: u32,
    /// Method of the request.
    pub method: Method,
}

impl CSeq {
    /// Pairs number and method.
    pub fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }

    /// Reads a value.
    pub fn parse(value: &Bytes) -> Result<Self, FieldError> {
        let trimmed = trim(value);
        let digits_end = trimmed.iter().position(|octet| is_space(*octet)).ok_or(FieldError::CSeq)?;
        let (digits, method) = trimmed.split_at(digits_end);
        let number = number(digits)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number <= CSEQ_MAX)
            .ok_or(FieldError::CSeq)?;
        let method = Method::parse(trim(method), value).ok_or(FieldError::CSeq)?;
        Ok(Self { number, method })
    }

    /// As a header value.
    pub fn to_bytes(&self) -> Bytes {
        format!("{} {}", self.number, self.method).into()
    }
}

impl From<CSeq> for Bytes {
    fn from(cseq: CSeq) -> Self {
        cseq.to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<CSeq, FieldError> {
        CSeq::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn leading_zeros_and_white_space_are_fine() {
        assert_eq!(parse("0009 \t INVITE"), Ok(CSeq::new(9, Method::Invite)));
        assert_eq!(parse("2147483647 BYE"), Ok(CSeq::new(CSEQ_MAX, Method::Bye)));
    }

    #[test]
    fn numbers_out_of_range_and_missing_methods_are_refused() {
        for bad in
            ["2147483648 BYE", "36893488147419103232 REGISTER", "-1 BYE", "1", "1 ", "BYE 1", "1 B YE", ""]
        {
            assert_eq!(parse(bad), Err(FieldError::CSeq), "{bad}");
        }
    }
}
