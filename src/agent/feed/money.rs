//! Prices: found in the region's currency, taxed as the region shows them, rounded once.
//!
//! In: an item and the region's locale. Out: `19.99 EUR`. It must never convert between currencies and
//! never touch a float.

use std::collections::BTreeMap;

use iso_currency::Currency;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

use super::item::{Item, present, text};
use super::reason::Reason;
use crate::contract::{Locale, TaxDisplay};

/// Digits before and after the point that an amount may have: with a rate's seven digits the product stays
/// exact within a decimal's 28.
const AMOUNT_DIGITS: (usize, usize) = (12, 8);
/// Digits after the point that a rate may have.
const RATE_FRACTION: u32 = 4;
/// The most characters of a tax class that a rejection names.
const CLASS_CHARS: usize = 32;
/// The class of an item that names none.
const STANDARD: &str = "Standard";

/// Why the region's money cannot be worked with. The task must change.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// No such currency, or one without a smallest unit (gold, say).
    #[error(
        "`locale.currency` is `{currency}`, which is no ISO 4217 currency with a smallest unit"
    )]
    Currency {
        /// What the task says.
        currency: String,
    },
    /// A rate is no percentage.
    #[error(
        "`locale.tax.rates` has `{percent}` for {class}: write a percentage such as `19` or `7.7`"
    )]
    Rate {
        /// The rate's class.
        class: String,
        /// What the task says.
        percent: String,
    },
}

/// The region's money.
#[derive(Debug)]
pub(super) struct Pricing {
    currency: Currency,
    exponent: u32,
    display: TaxDisplay,
    country: String,
    /// Percent by class in lower case, of the region's country only.
    rates: BTreeMap<String, Decimal>,
}

/// What a source says of an amount's tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basis {
    Gross,
    Net,
}

/// An amount as the source gives it.
struct Amount {
    value: Decimal,
    basis: Option<Basis>,
}

impl Pricing {
    /// The money of a region.
    pub(super) fn new(locale: &Locale) -> Result<Self, Error> {
        let unknown = || Error::Currency {
            currency: locale.currency.clone(),
        };
        let currency = Currency::from_code(&locale.currency).ok_or_else(unknown)?;
        let exponent = currency.exponent().ok_or_else(unknown)?;
        let mut rates = BTreeMap::new();
        for rate in &locale.tax.rates {
            if !rate.country.eq_ignore_ascii_case(&locale.country) {
                continue;
            }
            let percent = Decimal::from_str_exact(&rate.percent)
                .ok()
                .filter(|percent| {
                    *percent >= Decimal::ZERO
                        && *percent <= Decimal::ONE_HUNDRED
                        && percent.scale() <= RATE_FRACTION
                })
                .ok_or_else(|| Error::Rate {
                    class: rate.class.clone(),
                    percent: rate.percent.clone(),
                })?;
            rates.insert(rate.class.to_lowercase(), percent);
        }
        Ok(Self {
            currency,
            exponent: u32::from(exponent),
            display: locale.tax.display,
            country: locale.country.clone(),
            rates,
        })
    }

    /// The price in `field` (`price` or `sale_price`) as the feed writes it; none when the item has none in the
    /// region's currency.
    pub(super) fn price(&self, item: &Item, field: &str) -> Result<Option<String>, Reason> {
        let Some(amount) = self.amount(item, field)? else {
            return Ok(None);
        };
        let shown = self.shown(item, &amount)?;
        let mut rounded = shown.round_dp_with_strategy(
            self.exponent,
            // Half away from zero: what people and tax offices round to. Banker's rounding is not.
            RoundingStrategy::MidpointAwayFromZero,
        );
        // Pads with zeros, so that 20 euro are `20.00`.
        rounded.rescale(self.exponent);
        Ok(Some(format!("{rounded} {}", self.currency.code())))
    }

    /// What a rejection says when the platform needs a price and there is none.
    pub(super) fn missing(&self) -> Reason {
        Reason::NoPrice {
            currency: self.currency.code().to_owned(),
        }
    }

    /// The amount in the region's currency: from the prices by currency first, then from the one price.
    fn amount(&self, item: &Item, field: &str) -> Result<Option<Amount>, Reason> {
        let code = self.currency.code();
        if let Some(value) = item.member(&format!("{field}s"), code)? {
            let (amount, currency) = read(value, Some(code))?;
            // `prices: {"EUR": "9 USD"}` contradicts itself.
            return if currency == self.currency {
                Ok(Some(amount))
            } else {
                Err(Reason::NotACurrency)
            };
        }
        let Some(value) = item.value(field) else {
            return Ok(None);
        };
        let fallback = item.text("currency")?;
        let (amount, currency) = read(value, fallback.as_deref())?;
        Ok((currency == self.currency).then_some(amount))
    }

    /// The amount with or without tax, as the region shows it. An amount of which the source says nothing is
    /// taken as it is.
    fn shown(&self, item: &Item, amount: &Amount) -> Result<Decimal, Reason> {
        let basis = match amount.basis {
            Some(basis) => Some(basis),
            None => match item.text("tax")? {
                Some(word) => Some(Basis::parse(&word)?),
                None => None,
            },
        };
        let hundred = Decimal::ONE_HUNDRED;
        let (value, display) = (amount.value, self.display);
        match (basis, display) {
            (None, _)
            | (Some(Basis::Gross), TaxDisplay::Inclusive)
            | (Some(Basis::Net), TaxDisplay::Exclusive) => return Ok(value),
            (Some(Basis::Net), TaxDisplay::Inclusive) => {
                let rate = self.rate(item)?;
                value
                    .checked_mul(hundred + rate)
                    .and_then(|taxed| taxed.checked_div(hundred))
            }
            (Some(Basis::Gross), TaxDisplay::Exclusive) => {
                let rate = self.rate(item)?;
                value
                    .checked_mul(hundred)
                    .and_then(|taxed| taxed.checked_div(hundred + rate))
            }
        }
        .ok_or(Reason::NotAnAmount)
    }

    fn rate(&self, item: &Item) -> Result<Decimal, Reason> {
        let class = item.text("tax_class")?;
        let class = class.as_deref().map_or(STANDARD, str::trim);
        self.rates
            .get(&class.to_lowercase())
            .copied()
            .ok_or_else(|| Reason::NoRate {
                country: self.country.clone(),
                class: class
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(CLASS_CHARS)
                    .collect(),
            })
    }
}

impl Basis {
    fn parse(word: &str) -> Result<Self, Reason> {
        match word.trim() {
            "gross" => Ok(Self::Gross),
            "net" => Ok(Self::Net),
            _ => Err(Reason::NotATax),
        }
    }
}

/// `"19.99 EUR"`, `"19.99"` with the currency from elsewhere, or `{"amount", "currency", "tax"}`.
fn read(value: &Value, fallback: Option<&str>) -> Result<(Amount, Currency), Reason> {
    let (amount, currency, basis) = match value {
        Value::Object(members) => {
            let member = |name| present(members.get(name)).map(text).transpose();
            let basis = member("tax")?.as_deref().map(Basis::parse).transpose()?;
            (
                member("amount")?.ok_or(Reason::NotAnAmount)?,
                member("currency")?,
                basis,
            )
        }
        other => (text(other)?, None, None),
    };
    let (digits, inline) = match amount.trim().split_once(char::is_whitespace) {
        Some((digits, code)) => (digits, Some(code.trim())),
        None => (amount.trim(), None),
    };
    let code = inline
        .or(currency.as_deref())
        .or(fallback)
        .ok_or(Reason::NotACurrency)?;
    let currency =
        Currency::from_code(&code.trim().to_ascii_uppercase()).ok_or(Reason::NotACurrency)?;
    let value = decimal(digits).ok_or(Reason::NotAnAmount)?;
    Ok((Amount { value, basis }, currency))
}

/// Digits, and at most one point between digits. No sign, no exponent, no thousands.
fn decimal(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, most: usize| {
        !part.is_empty() && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit())
    };
    (digits(whole, AMOUNT_DIGITS.0) && digits(fraction, AMOUNT_DIGITS.1))
        .then(|| Decimal::from_str_exact(text).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::super::item::item;
    use super::*;
    use crate::contract::{Tax, TaxRate};
    use proptest::prelude::*;
    use serde_json::json;

    fn pricing(currency: &str, display: TaxDisplay) -> Pricing {
        let rate = |country: &str, class: &str, percent: &str| TaxRate {
            country: country.into(),
            class: class.into(),
            percent: percent.into(),
        };
        Pricing::new(&Locale {
            language: "de-DE".into(),
            country: "DE".into(),
            currency: currency.into(),
            tax: Tax {
                display,
                rates: vec![
                    rate("DE", "Standard", "19"),
                    rate("FR", "Reduced", "5.5"),
                    rate("DE", "Reduced", "7"),
                    rate("DE", "Odd", "7.7"),
                ],
            },
        })
        .unwrap()
    }

    fn inclusive(currency: &str, json: Value) -> Result<Option<String>, Reason> {
        pricing(currency, TaxDisplay::Inclusive).price(&item(json), "price")
    }

    fn exclusive(currency: &str, json: Value) -> Result<Option<String>, Reason> {
        pricing(currency, TaxDisplay::Exclusive).price(&item(json), "price")
    }

    #[test]
    fn money_is_written_with_its_currencys_exponent() {
        for (currency, amount, written) in [
            ("EUR", "20", "20.00 EUR"),
            ("EUR", "19.9", "19.90 EUR"),
            ("EUR", "0", "0.00 EUR"),
            ("EUR", "19.994", "19.99 EUR"),
            ("EUR", "19.995", "20.00 EUR"),
            ("EUR", "0.125", "0.13 EUR"), // banker's rounding says 0.12
            ("EUR", "0.00500000", "0.01 EUR"),
            ("JPY", "1999", "1999 JPY"),
            ("JPY", "1999.5", "2000 JPY"),
            ("JPY", "1999.49", "1999 JPY"),
            ("KRW", "12000.0", "12000 KRW"),
            ("KWD", "1.2", "1.200 KWD"),
            ("KWD", "1.2345", "1.235 KWD"),
            ("BHD", "7", "7.000 BHD"),
            ("HUF", "4990", "4990.00 HUF"),
            ("EUR", "999999999999.99999999", "1000000000000.00 EUR"),
        ] {
            let given = json!({"price": format!("{amount} {currency}")});
            assert_eq!(inclusive(currency, given).unwrap().unwrap(), written);
        }
    }

    #[test]
    fn tax_is_added_and_taken_out_both_ways() {
        for (display, tax, class, amount, written) in [
            (TaxDisplay::Inclusive, "net", "Standard", "10", "11.90 EUR"),
            (TaxDisplay::Inclusive, "net", "reduced", "10", "10.70 EUR"),
            (TaxDisplay::Inclusive, "net", "Odd", "0.5", "0.54 EUR"), // 0.5385
            (
                TaxDisplay::Inclusive,
                "gross",
                "Standard",
                "10",
                "10.00 EUR",
            ),
            (
                TaxDisplay::Exclusive,
                "gross",
                "Standard",
                "11.90",
                "10.00 EUR",
            ),
            (TaxDisplay::Exclusive, "gross", "Standard", "10", "8.40 EUR"), // 8.4033…
            (
                TaxDisplay::Exclusive,
                "gross",
                "Reduced",
                "19.99",
                "18.68 EUR",
            ), // 18.682…
            (TaxDisplay::Exclusive, "net", "Standard", "10", "10.00 EUR"),
        ] {
            let given =
                item(json!({"price": format!("{amount} EUR"), "tax": tax, "tax_class": class}));
            let written_now = pricing("EUR", display).price(&given, "price");
            assert_eq!(
                written_now.unwrap().unwrap(),
                written,
                "{tax} {class} {amount}"
            );
        }
    }

    #[test]
    fn every_spelling_gives_the_same_price() {
        for given in [
            json!({"price": "19.99 EUR"}),
            json!({"price": "19.99 eur"}),
            json!({"price": "19.99", "currency": "EUR"}),
            json!({"price": {"amount": "19.99", "currency": "EUR"}}),
            json!({"price": {"amount": "19.99 EUR", "tax": "gross"}}),
            json!({"prices": {"USD": "25", "EUR": "19.99"}}),
            json!({"prices": {"eur": {"amount": "19.99"}}, "price": "25 USD"}),
            json!({"prices": {"USD": "25"}, "price": "19.99 EUR"}),
        ] {
            assert_eq!(
                inclusive("EUR", given.clone()).unwrap().unwrap(),
                "19.99 EUR",
                "{given}"
            );
        }
        let whole = json!({"price": 1999, "currency": "JPY"});
        assert_eq!(inclusive("JPY", whole).unwrap().unwrap(), "1999 JPY");
    }

    #[test]
    fn prices_in_other_currencies_are_no_price() {
        for given in [
            json!({}),
            json!({"price": "25 USD"}),
            json!({"prices": {"USD": "25"}}),
        ] {
            assert_eq!(inclusive("EUR", given), Ok(None));
        }
    }

    #[test]
    fn what_is_no_money_is_refused() {
        for (given, reason) in [
            (json!({"price": 19.99, "currency": "EUR"}), Reason::Fraction),
            (json!({"price": "19.99"}), Reason::NotACurrency),
            (json!({"price": "19.99 EURO"}), Reason::NotACurrency),
            (json!({"prices": {"EUR": "9 USD"}}), Reason::NotACurrency),
            (json!({"price": "19,99 EUR"}), Reason::NotAnAmount),
            (json!({"price": "1,999.00 EUR"}), Reason::NotAnAmount),
            (json!({"price": "-1 EUR"}), Reason::NotAnAmount),
            (json!({"price": "+1 EUR"}), Reason::NotAnAmount),
            (json!({"price": "1e3 EUR"}), Reason::NotAnAmount),
            (json!({"price": ".5 EUR"}), Reason::NotAnAmount),
            (json!({"price": "5. EUR"}), Reason::NotAnAmount),
            (json!({"price": "1_000 EUR"}), Reason::NotAnAmount),
            (json!({"price": "1234567890123 EUR"}), Reason::NotAnAmount),
            (json!({"price": "٣ EUR"}), Reason::NotAnAmount),
            (json!({"price": {"currency": "EUR"}}), Reason::NotAnAmount),
            (json!({"price": ["19.99 EUR"]}), Reason::NotText),
            (json!({"prices": "19.99 EUR"}), Reason::NotAnObject),
            (json!({"price": "9 EUR", "tax": "vat"}), Reason::NotATax),
        ] {
            assert_eq!(inclusive("EUR", given.clone()), Err(reason), "{given}");
        }
    }

    #[test]
    fn an_unknown_tax_class_is_named() {
        let given = json!({"price": "10 EUR", "tax": "net", "tax_class": "Books"});
        let reason = inclusive("EUR", given).unwrap_err();
        assert_eq!(
            reason.to_string(),
            "has the tax class `Books`, for which the region has no rate in DE"
        );
        // Another country's rate is no rate.
        let given = json!({"price": "10 EUR", "tax": "gross", "tax_class": "Super"});
        assert!(exclusive("EUR", given).is_err());
    }

    #[test]
    fn no_tax_is_worked_out_where_none_is_needed() {
        let given = json!({"price": "10 EUR", "tax_class": "Books"});
        assert_eq!(exclusive("EUR", given).unwrap().unwrap(), "10.00 EUR");
    }

    #[test]
    fn a_currency_without_a_smallest_unit_is_refused() {
        for currency in ["XAU", "EURO", "eur"] {
            let mut locale = locale();
            locale.currency = currency.into();
            assert!(Pricing::new(&locale).is_err(), "{currency}");
        }
        for percent in ["-1", "101", "19%", "7,7", "1.00001", ""] {
            let mut locale = locale();
            locale.tax.rates[0].percent = percent.into();
            assert!(Pricing::new(&locale).is_err(), "{percent}");
        }
    }

    fn locale() -> Locale {
        Locale {
            language: "de".into(),
            country: "DE".into(),
            currency: "EUR".into(),
            tax: Tax {
                display: TaxDisplay::Inclusive,
                rates: vec![TaxRate {
                    country: "DE".into(),
                    class: "Standard".into(),
                    percent: "19".into(),
                }],
            },
        }
    }

    /// Half away from zero of `numerator / denominator`, in integers: the reference.
    fn half_up(numerator: u128, denominator: u128) -> u128 {
        (2 * numerator + denominator) / (2 * denominator)
    }

    proptest! {
        /// Decimal arithmetic gives what integers give, for every exponent and both ways of tax.
        #[test]
        fn tax_and_rounding_agree_with_integers(
            units in 0u128..1_000_000_000_000,
            scale in 0u32..=8,
            (currency, exponent) in prop_oneof![
                Just(("JPY", 0u32)), Just(("EUR", 2)), Just(("KWD", 3))
            ],
            (class, per_mille) in prop_oneof![
                Just(("Standard", 190u128)), Just(("Reduced", 70)), Just(("Odd", 77))
            ],
            adds in any::<bool>(),
        ) {
            let ten = |power| 10u128.pow(power);
            let amount = Decimal::from_i128_with_scale(i128::try_from(units).unwrap(), scale);
            let given = |tax: &str| item(json!({
                "price": format!("{amount} {currency}"), "tax": tax, "tax_class": class,
            }));
            let (written, numerator, denominator) = if adds {
                let written = pricing(currency, TaxDisplay::Inclusive).price(&given("net"), "price");
                (written, units * ten(exponent) * (1000 + per_mille), ten(scale) * 1000)
            } else {
                let written = pricing(currency, TaxDisplay::Exclusive).price(&given("gross"), "price");
                (written, units * ten(exponent) * 1000, ten(scale) * (1000 + per_mille))
            };
            let minor = half_up(numerator, denominator);
            let expected = Decimal::from_i128_with_scale(i128::try_from(minor).unwrap(), exponent);
            prop_assert_eq!(written.unwrap().unwrap(), format!("{expected} {currency}"));
        }
    }
}
