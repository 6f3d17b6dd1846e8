//! Answers as API servers give them. Where each comes from stands in `tests/kubernetes/answers.json`.

use serde_json::Value;

use super::*;

fn answers() -> Vec<Value> {
    let text = include_str!("../../../../../tests/kubernetes/answers.json");
    let Value::Array(answers) = serde_json::from_str(text).unwrap() else { panic!("no list") };
    answers
}

fn judged(answer: &Value) -> Answer {
    let verb = if answer["verb"] == "create" { Verb::Create } else { Verb::Patch };
    let code = u16::try_from(answer["code"].as_u64().unwrap()).unwrap();
    let body = &answer["body"];
    let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    judge(verb, code, answer["retry_after"].as_str(), body.as_bytes())
}

#[test]
fn each_recorded_answer_is_understood() {
    for answer in answers() {
        let (judged, meant) = (judged(&answer), answer["means"].as_str().unwrap());
        let is_meant = match (&judged, meant.split_once(' ').unwrap_or((meant, ""))) {
            (Answer::Done, ("done", ""))
            | (Answer::Exists, ("exists", ""))
            | (Answer::Gone, ("gone", ""))
            | (Answer::Refused(_), ("refused", ""))
            | (Answer::Later(None, _), ("later", "")) => true,
            (Answer::Later(Some(wait), _), ("later", seconds)) => wait.as_secs().to_string() == seconds,
            _ => false,
        };
        assert!(is_meant, "{answer}: {judged:?}");
    }
}

#[test]
fn the_reason_of_a_refusal_is_the_apis_own_and_inert() {
    let body = br#"{"kind":"Status","message":"no\u001b[2J","reason":"Forbidden","code":403}"#;
    let Answer::Refused(why) = judge(Verb::Create, 403, None, body) else { panic!("taken") };
    assert_eq!(why, "the API answers 403: no\\u{1b}[2J");
    let Answer::Refused(why) = judge(Verb::Create, 400, None, "x".repeat(5_000).as_bytes()) else {
        panic!("taken")
    };
    assert!(why.len() < 400, "{why}");
}

#[test]
fn no_answer_makes_gomon_wait_for_ever() {
    let Answer::Later(wait, _) = judge(Verb::Create, 429, Some("99999999"), b"") else { panic!("taken") };
    assert_eq!(wait, Some(MAX_WAIT));
    for odd in ["", "0", "-1", "Wed, 21 Oct 2015 07:28:00 GMT"] {
        let Answer::Later(wait, _) = judge(Verb::Create, 503, Some(odd), b"") else { panic!("taken") };
        assert_eq!(wait, None, "{odd}");
    }
}
