//! A catalogue of any size, generated from a seed: the same item for the same number, always.
//!
//! In: a seed and a number. Out: one item in the published spelling. It holds no list: a million items cost
//! nothing until they are asked for.

use std::fmt::Write as _;

const THINGS: [(&str, &str, &str); 8] = [
    ("shirt", "Hemd", "chemise"),
    ("jacket", "Jacke", "veste"),
    ("chair", "Stuhl", "chaise"),
    ("lamp", "Leuchte", "lampe"),
    ("blanket", "Decke", "couverture"),
    ("bag", "Tasche", "sac"),
    ("mug", "Tasse", "tasse"),
    ("scarf", "Schal", "écharpe"),
];
const COLOURS: [(&str, &str, &str); 6] = [
    ("sky blue", "himmelblau", "bleu ciel"),
    ("olive", "oliv", "olive"),
    ("sand", "sandfarben", "sable"),
    ("graphite", "graphit", "graphite"),
    ("red", "rot", "rouge"),
    ("white", "weiß", "blanc"),
];
const MATERIALS: [&str; 5] = ["linen", "wool", "oak", "cotton", "steel"];
const SIZES: [&str; 4] = ["S", "M", "L", "XL"];
const AVAILABILITY: [&str; 4] = ["in_stock", "in_stock", "out_of_stock", "backorder"];

/// What a catalogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// How many items.
    pub items: u64,
    /// Another seed, another catalogue.
    pub seed: u64,
    /// The order of the items; the items themselves stay the same. 0: by id.
    pub shuffle: u64,
    /// Every so many items, one that no platform takes; 0: none.
    pub faulty_every: u64,
}

/// The first row of the CSV form.
pub const CSV_HEADER: &str = "id,item_group_id,title,title[de],title[fr],description,link,image_link,\
additional_image_links,brand,gtin,condition,availability,price[EUR],price[USD],price[JPY],tax,tax_class,\
quantity,color,size,material,language\n";

/// What is drawn for one item.
struct Draws {
    number: u64,
    thing: (&'static str, &'static str, &'static str),
    colour: (&'static str, &'static str, &'static str),
    material: &'static str,
    size: &'static str,
    availability: &'static str,
    cents: u64,
    quantity: u64,
    class: &'static str,
    fault: u64,
}

impl Catalogue {
    /// The number of the item at `place`: a permutation of all places that needs no memory.
    #[must_use]
    pub fn number_at(&self, place: u64) -> u64 {
        if self.shuffle == 0 || self.items < 3 {
            return place;
        }
        // place * step + start, modulo the count: every number once, as step and count have no common divisor.
        let mut step = mixed(self.shuffle) % self.items;
        while divisor(step, self.items) != 1 {
            step = (step + 1) % self.items;
        }
        let product = u128::from(place) * u128::from(step) + u128::from(self.shuffle);
        u64::try_from(product % u128::from(self.items)).unwrap_or(place)
    }

    /// Appends the item at `place` as a JSON object.
    pub fn json(&self, place: u64, out: &mut String) {
        let item = self.draw(self.number_at(place));
        let Draws {
            number,
            thing,
            colour,
            material,
            size,
            ..
        } = item;
        let title = if item.fault == 1 { "" } else { thing.0 };
        let link = if item.fault == 2 {
            "/relative"
        } else {
            "https://aurora.example/p/"
        };
        let class = if item.fault == 3 {
            "Unheard"
        } else {
            item.class
        };
        let tax = if item.fault == 3 { "net" } else { "gross" };
        // Writing into a string cannot fail.
        let _ = write!(
            out,
            "{{\"id\":\"sku-{number:08}\",\"item_group_id\":\"group-{:07}\",\
             \"title\":\"{title}{}\",\"description\":\"<p>A {} of {material}, <b>made to last</b>.</p>\
             <ul><li>washed &amp; worn in</li><li>repaired for life</li></ul>\",\
             \"link\":\"{link}{number}\",\"image_link\":\"https://img.aurora.example/{number}.jpg\",\
             \"additional_image_links\":[\"https://img.aurora.example/{number}-2.jpg\",\
             \"https://img.aurora.example/{number}-3.jpg\"],\"brand\":\"Aurora\",\"gtin\":\"{}\",\
             \"condition\":\"new\",\"availability\":\"{}\",",
            number / 4,
            if title.is_empty() {
                String::new()
            } else {
                format!(", {}, {size}", colour.0)
            },
            thing.0,
            gtin(number),
            item.availability,
        );
        let _ = write!(
            out,
            "\"prices\":{{{}}},\"tax\":\"{tax}\",\"tax_class\":\"{class}\",\"quantity\":{},\
             \"color\":\"{}\",\"size\":\"{size}\",\"material\":\"{material}\",\"language\":\"en\",\
             \"translations\":{{\"de\":{{\"title\":\"{}, {}, {size}\"}},\
             \"fr\":{{\"title\":\"{}, {}, {size}\"}}}}}}",
            prices(&item),
            item.quantity,
            colour.0,
            thing.1,
            colour.1,
            thing.2,
            colour.2,
        );
    }

    /// Appends the item at `place` as a row of CSV.
    pub fn csv(&self, place: u64, out: &mut String) {
        let item = self.draw(self.number_at(place));
        let Draws {
            number,
            thing,
            colour,
            material,
            size,
            ..
        } = item;
        let title = match item.fault {
            1 => String::new(),
            _ => format!("{}, {}, {size}", thing.0, colour.0),
        };
        let link = if item.fault == 2 {
            "/relative"
        } else {
            "https://aurora.example/p/"
        };
        let (tax, class) = match item.fault {
            3 => ("net", "Unheard"),
            _ => ("gross", item.class),
        };
        let (euro, dollar, yen) = match item.fault {
            4 => (String::new(), decimal(item.cents * 11 / 10), String::new()),
            _ => (
                decimal(item.cents),
                decimal(item.cents * 11 / 10),
                (item.cents * 3 / 2).to_string(),
            ),
        };
        // The French title of a faulty item stays: only its own language is broken.
        let _ = writeln!(
            out,
            "sku-{number:08},group-{:07},\"{title}\",\"{}, {}, {size}\",\"{}, {}, {size}\",\
             \"<p>A {} of {material}, <b>made to last</b>.</p><ul><li>washed &amp; worn in</li>\
             <li>repaired for life</li></ul>\",{link}{number},https://img.aurora.example/{number}.jpg,\
             \"https://img.aurora.example/{number}-2.jpg,https://img.aurora.example/{number}-3.jpg\",\
             Aurora,{},new,{},{euro},{dollar},{yen},{tax},{class},{},{},{size},{material},en",
            number / 4,
            thing.1,
            colour.1,
            thing.2,
            colour.2,
            thing.0,
            gtin(number),
            item.availability,
            item.quantity,
            colour.0,
        );
    }

    fn draw(&self, number: u64) -> Draws {
        let mut state = mixed(self.seed ^ mixed(number));
        let mut below = |bound: usize| {
            state = mixed(state);
            usize::try_from(state % bound as u64).unwrap_or(0)
        };
        let is_faulty =
            self.faulty_every > 0 && number % self.faulty_every == self.faulty_every - 1;
        Draws {
            number,
            thing: THINGS[below(THINGS.len())],
            colour: COLOURS[below(COLOURS.len())],
            material: MATERIALS[below(MATERIALS.len())],
            size: SIZES[below(SIZES.len())],
            availability: AVAILABILITY[below(AVAILABILITY.len())],
            cents: 500 + below(50_000) as u64,
            quantity: below(200) as u64,
            class: if below(4) == 0 { "Reduced" } else { "Standard" },
            fault: if is_faulty {
                1 + number / self.faulty_every % 4
            } else {
                0
            },
        }
    }
}

/// Prices in three currencies; the fourth fault knows no euro and no yen.
fn prices(item: &Draws) -> String {
    let dollars = decimal(item.cents * 11 / 10);
    if item.fault == 4 {
        return format!("\"USD\":\"{dollars}\"");
    }
    format!(
        "\"EUR\":\"{}\",\"USD\":\"{dollars}\",\"JPY\":\"{}\"",
        decimal(item.cents),
        item.cents * 3 / 2
    )
}

fn decimal(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Thirteen digits, the last of which checks the others.
fn gtin(number: u64) -> String {
    let digits = format!("40{:010}", number % 10_000_000_000);
    let sum: u64 = digits
        .bytes()
        .zip([1, 3].into_iter().cycle())
        .map(|(digit, weight)| u64::from(digit - b'0') * weight)
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// SplitMix64's finaliser: one number in, an unrelated one out.
fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        divisor(other, one % other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn catalogue(items: u64, shuffle: u64) -> Catalogue {
        Catalogue {
            items,
            seed: 7,
            shuffle,
            faulty_every: 10,
        }
    }

    #[test]
    fn a_shuffled_catalogue_has_the_same_items_in_another_order() {
        for (items, shuffle) in [(1, 5), (2, 5), (97, 1), (1000, 3), (1024, 99), (30_030, 12)] {
            let catalogue = catalogue(items, shuffle);
            let order: Vec<u64> = (0..items).map(|place| catalogue.number_at(place)).collect();
            let numbers: BTreeSet<u64> = order.iter().copied().collect();
            assert_eq!(numbers.len() as u64, items);
            assert_eq!(numbers.last(), Some(&(items - 1)));
            if items > 2 {
                assert_ne!(order, numbers.into_iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn every_item_is_json_and_the_same_each_time() {
        let catalogue = catalogue(200, 0);
        for place in 0..200 {
            let (mut one, mut other) = (String::new(), String::new());
            catalogue.json(place, &mut one);
            catalogue.json(place, &mut other);
            assert_eq!(one, other);
            let item: serde_json::Value = serde_json::from_str(&one).unwrap();
            assert_eq!(item["id"], format!("sku-{place:08}"));
        }
    }

    #[test]
    fn the_check_digit_is_the_published_one() {
        assert_eq!(gtin(638_133_393), "4006381333931");
    }
}
