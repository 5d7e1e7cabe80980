//! When the oldest row of a rule may go: the periods of a ruling, over the one day that the last run saw.
//!
//! In: what binds a rule, what a run told of it, the region's zone. Out: the days, each on its ground; a word where a day would
//! be a guess. For one row nothing is unsure: of two periods the later day is the later.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, SpanFieldwise};

use super::ground::Ground;
use super::parts::Part;
use super::{Claim, Limit, NAMED, Ruling, after, period};
use crate::api::{KeptColumns, NoDate, Region, RuleDates};
use crate::contract::cutoff::{Anchor, end_from, free_from};
use crate::contract::{Method, RetainedRule};

/// The most characters of a ground.
const GROUND: usize = 120;

/// What the dates of a region's rules follow from, but for the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct DateTerms {
    /// The region's.
    pub zone: TimeZone,
    /// One of each rule that erases, in the order of the spec.
    pub rules: Vec<RuleTerms>,
}

impl DateTerms {
    /// None in a region whose zone nobody knows: nothing runs there.
    pub(in crate::plan) fn of(rulings: &[Ruling<'_>], region: &Region) -> Option<Self> {
        let zone = TimeZone::get(&region.spec.locale.time_zone).ok()?;
        let rules = rulings.iter().map(Ruling::terms).collect();
        Some(Self { zone, rules })
    }
}

/// A length from a beginning.
type Length = (Anchor, SpanFieldwise);

/// What the dates of one rule follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTerms {
    /// The rule's name.
    pub rule: String,
    /// Store, table and clock column.
    of: String,
    /// The rule's own period; none that cannot be read.
    own: Option<Length>,
    /// What it is at least from the row's own clock, whatever contacts say; kept as a law keeps.
    least: Option<Length>,
    own_words: String,
    /// By when terms and laws that somebody confirmed want the rows gone, over the rule's own clock; each with its text.
    limits: Vec<(Length, String)>,
    /// Why its end may be any day later: contacts, or a notice.
    waits: Option<NoDate>,
    /// A hold keeps rows of the table.
    is_held: bool,
    keeps: Vec<KeepTerm>,
    /// After which times rules hide rows, over the rule's own clock.
    hiding: Vec<Length>,
}

/// A keep, over the rule's own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeepTerm {
    length: Result<Length, NoDate>,
    /// The law and its article.
    ground: String,
    /// The same with its period.
    words: String,
    /// Those that it names.
    columns: Vec<String>,
    /// What a run takes of a kept row before, and the places of the keeps that have to end first.
    others: Vec<String>,
    waits: Vec<usize>,
}

/// What is known of a rule's rows.
#[derive(Clone, Copy, Debug)]
pub struct DatesTold<'a> {
    /// When the run that told it looked.
    pub as_of: Option<&'a str>,
    /// What it told.
    pub rule: Option<&'a RetainedRule>,
    /// The entry of before.
    pub before: Option<&'a RuleDates>,
    /// The region has not answered for long.
    pub is_stale: bool,
}

impl DatesTold<'_> {
    /// By what the run counted, where that is something else than the rule says by now.
    fn counted_otherwise(&self, of: &str) -> Option<String> {
        let before = self.before?;
        let is_same_run = before.as_of.as_deref() == self.as_of;
        (is_same_run && before.of != of).then(|| before.of.clone())
    }

    /// Since when nobody told the persons of any row: one that went, or would, was told of. Counted by another column it is another
    /// number.
    fn untold_since(&self, of: &str) -> Option<String> {
        let rule = self.rule?;
        let goes = [rule.erased, rule.restricted, rule.remaining];
        if rule.untold.is_zero() || goes.iter().any(|rows| !rows.is_zero()) {
            return None;
        }
        let before = self.before.filter(|before| before.of == of);
        let since = before.and_then(|before| before.untold_since.clone());
        since.or_else(|| self.as_of.map(str::to_owned))
    }
}

/// The days of one rule.
#[must_use]
pub fn dates(terms: &RuleTerms, told: DatesTold<'_>, zone: &TimeZone) -> RuleDates {
    let entry = RuleDates {
        rule: terms.rule.clone(),
        of: terms.of.clone(),
        as_of: told.as_of.map(str::to_owned),
        untold_since: told.untold_since(&terms.of),
        ..RuleDates::default()
    };
    let without = |why, of: Option<String>| RuleDates {
        unknown: Some(why),
        of: of.unwrap_or_else(|| terms.of.clone()),
        ..entry.clone()
    };
    let Some(rule) = told.rule else {
        return without(NoDate::NoRun, None);
    };
    if let Some(of) = told.counted_otherwise(&terms.of) {
        return without(NoDate::Stale, Some(of));
    }
    let oldest = match oldest(rule) {
        Ok(oldest) => oldest,
        Err(why) => return without(why, None),
    };
    let own = own_end(terms, oldest, zone);
    let is_sure = !told.is_stale && !terms.is_held && terms.waits.is_none();
    let kept = Kept::of(&terms.keeps, oldest, zone, own.ok().filter(|_| is_sure));
    let unknown = [
        told.is_stale.then_some(NoDate::Stale),
        terms.is_held.then_some(NoDate::Held),
        kept.unknown,
        own.err(),
        terms.waits,
    ];
    let unknown = unknown.into_iter().flatten().next();
    let asked = asked(terms, oldest, zone).filter(|(day, _)| own.is_ok_and(|own| *day < own));
    let (ground, loses) = grounds(terms, own.ok(), &kept);
    let loses = asked.map(|(_, words)| words.to_owned()).or(loses);
    let last = own.ok().max(kept.last.map(|(day, _)| day));
    RuleDates {
        oldest: Some(oldest.to_string()),
        erase_by: asked
            .map(|(day, _)| day)
            .or(own.ok())
            .map(|day| day.to_string()),
        keep_until: kept.until().map(|day| day.to_string()),
        goes_from: last
            .filter(|_| unknown.is_none())
            .map(|day| day.to_string()),
        restrict_from: restrict_from(terms, oldest, zone).map(|day| day.to_string()),
        ground,
        loses,
        columns: kept.columns,
        unknown,
        ..entry
    }
}

/// The day that a run saw. Of few rows none is told: it could speak of a person.
fn oldest(rule: &RetainedRule) -> Result<Date, NoDate> {
    let rows = rule.rows.told().ok_or(NoDate::FewRows)?;
    if let Some(oldest) = &rule.oldest_kept {
        return oldest.parse().map_err(|_| NoDate::NotTold);
    }
    let went = match rule.method {
        Method::Delete => rule.erased.told().unwrap_or_default(),
        _ => 0,
    };
    if rows <= went {
        Err(NoDate::NothingLeft)
    } else if rule.null_clock.is_zero() {
        Err(NoDate::NotTold)
    } else {
        Err(NoDate::NullClock)
    }
}

fn own_end(terms: &RuleTerms, oldest: Date, zone: &TimeZone) -> Result<Date, NoDate> {
    let (anchor, SpanFieldwise(span)) = terms.own.ok_or(NoDate::NoPeriod)?;
    let beyond = |_| NoDate::BeyondCalendar;
    let end = end_from(anchor, span, zone, oldest).map_err(beyond)?;
    let Some((anchor, SpanFieldwise(least))) = terms.least else {
        return Ok(end);
    };
    let least = free_from(anchor, least, zone, oldest).map_err(beyond)?;
    Ok(end.max(least))
}

/// The first day by which terms or a law want the row gone. They take nothing themselves: it stays until the rule does.
fn asked<'t>(terms: &'t RuleTerms, oldest: Date, zone: &TimeZone) -> Option<(Date, &'t str)> {
    let days = terms
        .limits
        .iter()
        .filter_map(|((anchor, SpanFieldwise(span)), words)| {
            let day = end_from(*anchor, *span, zone, oldest).ok()?;
            Some((day, words.as_str()))
        });
    days.min_by_key(|(day, _)| *day)
}

/// When the first of them hides the row. What is held stays in sight.
fn restrict_from(terms: &RuleTerms, oldest: Date, zone: &TimeZone) -> Option<Date> {
    let hiding = terms.hiding.iter().filter(|_| !terms.is_held);
    let ends = hiding
        .filter_map(|(anchor, SpanFieldwise(span))| end_from(*anchor, *span, zone, oldest).ok());
    ends.min()
}

/// Until when the keeps bind a row.
#[derive(Default)]
struct Kept<'t> {
    /// The last of those that are known, the first of these in order.
    last: Option<(Date, &'t KeepTerm)>,
    /// Why one of them is not.
    unknown: Option<NoDate>,
    columns: Vec<KeptColumns>,
}

impl<'t> Kept<'t> {
    fn of(keeps: &'t [KeepTerm], oldest: Date, zone: &TimeZone, own: Option<Date>) -> Self {
        let mut kept = Self::default();
        let free = keeps.iter().map(|keep| keep.free(oldest, zone));
        let free: Vec<Result<Date, NoDate>> = free.collect();
        for (keep, day) in keeps.iter().zip(&free) {
            let day = match *day {
                Ok(day) => day,
                Err(why) => {
                    kept.unknown.get_or_insert(why);
                    continue;
                }
            };
            if kept.last.is_none_or(|(last, _)| last < day) {
                kept.last = Some((day, keep));
            }
            if !keep.columns.is_empty() && kept.columns.len() < NAMED {
                let others_from = own.and_then(|own| keep.others_from(own, &free));
                kept.columns.push(KeptColumns {
                    names: keep.columns.clone(),
                    keep_until: day.to_string(),
                    ground: keep.ground.clone(),
                    others: keep.others.clone(),
                    others_go_from: others_from
                        .filter(|from| *from < day)
                        .map(|from| from.to_string()),
                });
            }
        }
        kept
    }

    /// From when on none binds it.
    fn until(&self) -> Option<Date> {
        let last = self.last.filter(|_| self.unknown.is_none());
        last.map(|(day, _)| day)
    }
}

impl KeepTerm {
    fn of(claim: &Claim<'_>, clock: &str, part: Option<Part>) -> Self {
        let ground = claim.ground.reference();
        let (own_clock, length) = (&claim.rule.dataset.clock, claim.ground.period());
        let words = period(&length, claim.bound.anchor(), own_clock);
        let span = length.parse::<Span>().map(Span::fieldwise);
        Self {
            length: match (&claim.ground, span) {
                (Ground::Unread(_), _) | (_, Err(_)) => Err(NoDate::LawUnread),
                _ if own_clock != clock => Err(NoDate::ClockElsewhere),
                (_, Ok(span)) => Ok((claim.bound.anchor(), span)),
            },
            words: short(format!("{ground}: {words}")),
            ground: short(ground),
            columns: claim.columns().0,
            others: part.iter().flat_map(Part::names).collect(),
            waits: part.map(|part| part.waits).unwrap_or_default(),
        }
    }

    /// From when on what it lets go may: the rule's own end, and that of all that has to end first, by the days of every keep.
    fn others_from(&self, own: Date, free: &[Result<Date, NoDate>]) -> Option<Date> {
        if self.others.is_empty() {
            return None;
        }
        self.waits.iter().try_fold(own, |last, at| {
            let day = free.get(*at)?.as_ref().ok()?;
            Some(last.max(*day))
        })
    }

    fn free(&self, oldest: Date, zone: &TimeZone) -> Result<Date, NoDate> {
        let (anchor, SpanFieldwise(span)) = self.length?;
        free_from(anchor, span, zone, oldest).map_err(|_| NoDate::BeyondCalendar)
    }
}

/// What decides of this row, and which of the policies' periods gives way; nothing where one of the days is not known.
fn grounds(
    terms: &RuleTerms,
    own: Option<Date>,
    kept: &Kept<'_>,
) -> (Option<String>, Option<String>) {
    let own_words = || Some(terms.own_words.clone());
    match (own, kept.last) {
        (None, _) => (None, None),
        _ if kept.unknown.is_some() => (None, None),
        (Some(_), None) => (own_words(), None),
        (Some(own), Some((until, keep))) if until > own => (Some(keep.ground.clone()), own_words()),
        (Some(_), Some((_, keep))) => (own_words(), Some(keep.words.clone())),
    }
}

/// At most so many characters.
fn short(mut text: String) -> String {
    if let Some((cut, _)) = text.char_indices().nth(GROUND) {
        let keep = text
            .char_indices()
            .nth(GROUND - 1)
            .map_or(cut, |(at, _)| at);
        text.truncate(keep);
        text.push('…');
    }
    text
}

impl Ruling<'_> {
    /// What the days of its oldest row follow from.
    fn terms(&self) -> RuleTerms {
        let (data, clock) = (&self.rule.dataset, &self.rule.dataset.clock);
        let length = |span: Span| (self.anchor, span.fieldwise());
        let contact = self.erase.last_contact.as_ref();
        let least = contact.and_then(|contact| contact.at_least.as_ref()?.parse().ok());
        RuleTerms {
            rule: self.rule.name.clone(),
            of: format!("{}/{}.{clock}", data.store, data.table),
            own: self.own_period().map(length),
            least: least.map(length),
            own_words: short(self.own()),
            limits: self
                .limits
                .iter()
                .filter(|limit| limit.rule.dataset.clock == *clock)
                .filter_map(Limit::of_a_row)
                .map(|(length, words)| (length, short(words)))
                .collect(),
            waits: contact
                .map(|_| NoDate::LastContact)
                .or_else(|| self.erase.notice.as_ref().map(|_| NoDate::Notice)),
            is_held: !self.holds.is_empty(),
            keeps: self
                .keeps
                .iter()
                .enumerate()
                .map(|(at, claim)| KeepTerm::of(claim, clock, self.part(at)))
                .collect(),
            hiding: self
                .hiding
                .iter()
                .filter(|it| it.rule.dataset.clock == *clock)
                .map(|it| (it.anchor, it.span.fieldwise()))
                .collect(),
        }
    }

    /// The rule's own period; none that cannot be read, or that ends as it begins.
    fn own_period(&self) -> Option<Span> {
        let span: Span = after(&self.erase).parse().ok()?;
        span.is_positive().then_some(span)
    }
}
