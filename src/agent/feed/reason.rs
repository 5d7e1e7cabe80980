//! Why an item is not taken. Each names what is wrong and what would be right, and never quotes the item:
//! only a tax class, which is a word of the region's own tax table.

use std::fmt;

/// Why an item is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The platform requires it.
    Missing,
    /// An object, array or boolean where text belongs.
    NotText,
    /// Anything but an array or a text with commas.
    NotAList,
    /// Anything but an object.
    NotAnObject,
    /// A number with a fraction: it has been through a float.
    Fraction,
    /// An id with white space at its ends or control characters.
    NotAnId,
    /// More than one item has the id.
    Duplicate,
    /// Longer than the platform takes.
    TooLong {
        /// Its characters.
        chars: usize,
        /// The most.
        max: usize,
    },
    /// More values than the platform takes.
    TooMany {
        /// Its values.
        values: usize,
        /// The most.
        max: usize,
    },
    /// Not an absolute http or https URL without credentials.
    NotAUrl,
    /// Not a whole number that is not negative.
    NotAnInteger,
    /// A word that the platform has no word for.
    NotAChoice {
        /// What it takes.
        choices: String,
    },
    /// Not an amount of money.
    NotAnAmount,
    /// An amount without a currency, or not an ISO 4217 code.
    NotACurrency,
    /// `tax` says neither `gross` nor `net`.
    NotATax,
    /// No price in the region's currency.
    NoPrice {
        /// The region's currency.
        currency: String,
    },
    /// The region has no rate for the item's tax class.
    NoRate {
        /// The region's country.
        country: String,
        /// The item's class, cut.
        class: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::NotText => f.write_str("must be text"),
            Self::NotAList => f.write_str("must be a list, or one text with commas"),
            Self::NotAnObject => f.write_str("must be an object"),
            Self::Fraction => {
                f.write_str("is a number with a fraction: write it as text, \"19.99\"")
            }
            Self::NotAnId => {
                f.write_str("must not have control characters, or white space at its ends")
            }
            Self::Duplicate => f.write_str("occurs more than once in the source"),
            Self::TooLong { chars, max } => {
                write!(f, "has {chars} characters; the platform takes {max}")
            }
            Self::TooMany { values, max } => {
                write!(f, "has {values} values; the platform takes {max}")
            }
            Self::NotAUrl => f.write_str("must be an absolute http or https URL"),
            Self::NotAnInteger => f.write_str("must be a whole number, not negative"),
            Self::NotAChoice { choices } => write!(f, "must be one of {choices}"),
            Self::NotAnAmount => f.write_str("must be an amount such as \"19.99\""),
            Self::NotACurrency => f.write_str("must have a currency of ISO 4217, \"19.99 EUR\""),
            Self::NotATax => f.write_str("has a tax that is neither `gross` nor `net`"),
            Self::NoPrice { currency } => write!(f, "is not given in {currency}"),
            Self::NoRate { country, class } => write!(
                f,
                "has the tax class `{class}`, for which the region has no rate in {country}"
            ),
        }
    }
}
