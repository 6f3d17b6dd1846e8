//! What gomon cannot know, as questions for the people who were there. Pure.

/// Where in the report a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Impact,
    Trigger,
    Detection,
    Remedy,
    Lessons,
}

/// One place for people to fill in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    pub section: Section,
    /// Its name in JSON. Fixed.
    pub key: &'static str,
    pub title: &'static str,
    pub ask: &'static str,
}

const QUESTIONS: [Question; 6] = [
    Question {
        section: Section::Impact,
        key: "customer_impact",
        title: "Customer impact",
        ask: "Who noticed what, how many of them, from when to when?",
    },
    Question {
        section: Section::Trigger,
        key: "background",
        title: "What came before",
        ask: "What was deployed, configured or scaled shortly before the first event?",
    },
    Question {
        section: Section::Detection,
        key: "detected_by",
        title: "Who noticed",
        ask: "Which alert or which person noticed first, and when?",
    },
    Question {
        section: Section::Detection,
        key: "responders",
        title: "Who responded",
        ask: "Who took it on, and when?",
    },
    Question {
        section: Section::Remedy,
        key: "resolution",
        title: "Resolution",
        ask: "What was done, when, and since when is it well again?",
    },
    Question {
        section: Section::Lessons,
        key: "lessons",
        title: "Lessons",
        ask: "What went well, what did not, and where was it luck?",
    },
];

/// Heads of the empty table of what is to be done.
pub const ACTION_ITEMS: [&str; 3] = ["Action", "Owner", "Due"];

/// The questions of one section.
pub fn questions(section: Section) -> impl Iterator<Item = &'static Question> {
    QUESTIONS.iter().filter(move |one| one.section == section)
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Question> {
    QUESTIONS.iter()
}
