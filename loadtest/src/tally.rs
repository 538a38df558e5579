//! What became of the answers by what was asked: counts of each part of a mix, answers that are not
//! what the zone has, the first of them whole.
//!
//! The loop adds to memory that is there before the start; what the counts mean is worked out
//! after the run, as lines of the table and fields of the JSON. Messages are written out by
//! hickory-proto.

use std::fmt::Write as _;
use std::path::Path;

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};
use serde::Serialize;

use crate::kernel::PACKET_LEN_MAX;
use crate::names;
use crate::packet::{Answer, Queries};
use crate::replay::Skipped;
use crate::run::Outcome;
use crate::verify::{Scratch, Verifier};

/// Wrong answers that are shown, of as many questions.
const MISTAKES_MAX: usize = 10;

/// Counts that the loop keeps.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    parts: Vec<Part>,
    wrong_answers: u64,
    mistakes: Vec<Mistake>,
    mistakes_count: usize,
    scratch: Scratch,
}

#[derive(Debug, Clone, Default)]
struct Part {
    answered: u64,
    wrong: u64,
}

/// An answer that is not what the zone has.
#[derive(Debug, Clone, Default)]
struct Mistake {
    query: u32,
    response: Vec<u8>,
}

/// The figures that are reported.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Asked {
    /// Empty unless several files were mixed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mix: Vec<PartFigures>,
    #[serde(flatten)]
    verified: Option<Verified>,
    /// What of a recording was not sent.
    #[serde(flatten)]
    skipped: Option<Skipped>,
}

#[derive(Debug, Serialize)]
struct PartFigures {
    names: String,
    sent: u64,
    answered: u64,
    wrong: u64,
    lost: u64,
}

/// What the comparison with the zone came to.
#[derive(Debug, Serialize)]
struct Verified {
    verified_questions: usize,
    wrong_answers: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wrong_answers_first: Vec<WrongAnswer>,
}

#[derive(Debug, Serialize)]
struct WrongAnswer {
    question: String,
    expected: String,
    got: String,
}

impl Tally {
    pub(crate) fn new(queries: &Queries) -> Tally {
        let mistake = || Mistake {
            query: 0,
            response: Vec::with_capacity(PACKET_LEN_MAX),
        };
        let verifier = queries.verifier();
        Tally {
            parts: vec![Part::default(); queries.order().parts()],
            wrong_answers: 0,
            mistakes: (0..verifier.map_or(0, |_| MISTAKES_MAX))
                .map(|_| mistake())
                .collect(),
            mistakes_count: 0,
            scratch: verifier.map_or_else(Scratch::default, |verifier| verifier.scratch()),
        }
    }

    /// Counts an answer; gives whether it is wrong.
    pub(crate) fn note_answered(
        &mut self,
        queries: &Queries,
        query: u32,
        answer: Answer,
        response: &[u8],
    ) -> bool {
        let is_unlike_zone = queries
            .verifier()
            .is_some_and(|verifier| verifier.is_wrong(query, answer, response, &mut self.scratch));
        let is_wrong = is_unlike_zone || queries.is_wrong_rcode(query, answer.rcode);
        self.wrong_answers += u64::from(is_wrong);
        if let Some(verifier) = queries.verifier().filter(|_| is_unlike_zone) {
            self.note_mistake(query, verifier, response);
        }
        let part = &mut self.parts[queries.order().part_of(query)];
        part.answered += 1;
        part.wrong += u64::from(is_wrong);
        is_wrong
    }

    fn note_mistake(&mut self, query: u32, verifier: &Verifier, response: &[u8]) {
        let mut shown = self.mistakes[..self.mistakes_count].iter();
        if shown.any(|mistake| verifier.is_same_question(mistake.query, query)) {
            return;
        }
        if let Some(mistake) = self.mistakes.get_mut(self.mistakes_count) {
            let kept_len = response.len().min(mistake.response.capacity());
            mistake.query = query;
            mistake.response.extend_from_slice(&response[..kept_len]);
            self.mistakes_count += 1;
        }
    }
}

impl Asked {
    /// `files` are those that were mixed.
    pub(crate) fn new<'a>(
        queries: &Queries,
        outcome: &Outcome,
        files: impl Iterator<Item = &'a Path>,
        skipped: Option<Skipped>,
    ) -> Asked {
        let tally = &outcome.tally;
        let sent = queries.order().sent_by_part(outcome.counters.sent);
        let mixed_count = if sent.len() == 1 { 0 } else { sent.len() };
        let parts = files.zip(sent).zip(&tally.parts).take(mixed_count);
        let figures = parts.map(|((path, sent), part)| PartFigures {
            names: path.display().to_string(),
            sent,
            answered: part.answered,
            wrong: part.wrong,
            lost: sent - part.answered,
        });
        let mistakes = &tally.mistakes[..tally.mistakes_count];
        let verified = queries.verifier().map(|verifier| Verified {
            verified_questions: verifier.judged(),
            wrong_answers: tally.wrong_answers,
            wrong_answers_first: mistakes
                .iter()
                .map(|mistake| WrongAnswer {
                    question: question_text(queries, mistake.query),
                    expected: verifier
                        .message(mistake.query)
                        .map_or_else(String::new, |message| message_text(&message)),
                    got: message_text(&mistake.response),
                })
                .collect(),
        });
        Asked {
            mix: figures.collect(),
            verified,
            skipped,
        }
    }

    /// Answers that are not what the zone has; none when there is no zone to compare with.
    pub(crate) fn wrong_answers(&self) -> Option<u64> {
        Some(self.verified.as_ref()?.wrong_answers)
    }

    /// Lines for the table.
    pub(crate) fn rows(&self, line: &mut impl FnMut(&str, String, &str)) {
        for part in &self.mix {
            let rest = format!("answers, {} wrong, {} lost", part.wrong, part.lost);
            line(
                &format!("  {}", part.names),
                part.answered.to_string(),
                &rest,
            );
        }
        if let Some(verified) = &self.verified {
            line("  verified", verified.verified_questions.to_string(), "");
        }
        for (name, count) in self.skipped.iter().flat_map(Skipped::counts) {
            line(name, count.to_string(), "packets");
        }
    }

    /// The first wrong answers, each in three lines, for below the table.
    pub(crate) fn mistakes_text(&self) -> String {
        let mut text = String::new();
        for mistake in self
            .verified
            .iter()
            .flat_map(|all| &all.wrong_answers_first)
        {
            let WrongAnswer {
                question,
                expected,
                got,
            } = mistake;
            let lines = format!("wrong: {question}\n  expected {expected}\n  got      {got}\n");
            text += &lines;
        }
        text
    }
}

fn question_text(queries: &Queries, query: u32) -> String {
    let Some((qname, qtype, _)) = queries.question(query) else {
        return "?".to_owned();
    };
    let name = match Name::read(&mut BinDecoder::new(qname)) {
        Ok(name) => name.to_string(),
        Err(_) => qname.escape_ascii().to_string(),
    };
    format!("{name} {}", RecordType::from(qtype))
}

/// The answer code and the records of a message in one line.
fn message_text(message: &[u8]) -> String {
    let rcode = message.get(3).map_or(0, |flags| flags & 0x0f);
    let mut text = names::rcode_name(rcode);
    match Message::from_vec(message) {
        Err(_) => text += ", records that cannot be read",
        Ok(message) => {
            for record in &message.answers {
                write!(text, "; {record}").expect("writing to a string cannot fail");
            }
            let servers = message.authorities.iter();
            for record in servers.filter(|record| record.record_type() == RecordType::NS) {
                write!(text, "; referred: {record}").expect("writing to a string cannot fail");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_message_has_a_text(message: Vec<u8>) {
            let _ = message_text(&message);
        }
    }
}
