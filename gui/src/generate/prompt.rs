//! What the model gets to see of a text or a conversation: all of it, or as much as its context holds. Made on the writer's thread.

use text::chat::{self as template, Turn};
use text::{Opened, Recent, room, tail};

use super::chat::Said;
use super::manuscript::Manuscript;

/// A text, up to its end. Of one that is too long for the context the end, with room left to write.
pub fn of_text(text: &Manuscript, opened: &Opened, context: usize) -> Recent {
    let ids = text.ids(opened);
    let most = if ids.len() <= context { context } else { context * 3 / 4 };
    tail(ids, most, opened.tokenizer.bos())
}

/// A conversation up to the model's next words, so many at most. One whose last turn is the model's own is gone on with there. Where there is no room
/// for all, the oldest turns go; what holds for the whole conversation stays.
///
/// # Errors
/// What the template says to this conversation.
pub fn of_turns(
    turns: &[Said],
    system: &str,
    opened: &Opened,
    context: usize,
    answer: usize,
) -> Result<Recent, String> {
    let (open, turns) = match turns.split_last() {
        Some((last, before)) if last.by_model => (last.text.ids_alone(opened), before),
        _ => (Vec::new(), turns),
    };
    let turns = for_template(turns, system);
    template::recent(opened, &turns, &open, room(context, answer)).map_err(|e| e.to_string())
}

/// The turns as the template takes them, after what holds for all.
fn for_template(turns: &[Said], system: &str) -> Vec<Turn> {
    let role = |by_model| if by_model { template::Role::Assistant } else { template::Role::User };
    let turns = turns.iter().map(|t| Turn { role: role(t.by_model), text: t.text.buffer.clone() });
    let system = Turn { role: template::Role::System, text: system.to_owned() };
    (!system.text.trim().is_empty()).then_some(system).into_iter().chain(turns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(by_model: bool, words: &str) -> Said {
        Said { by_model, text: Manuscript::typed(words), made: None }
    }

    #[test]
    fn a_conversation_is_for_the_template_with_what_holds_for_all_first() {
        let turns = [said(false, "hello"), said(true, "good day"), said(false, "and you")];
        let roles: Vec<_> =
            for_template(&turns, "be brief").iter().map(|t| (t.role.name(), t.text.clone())).collect();
        let expected =
            [("system", "be brief"), ("user", "hello"), ("assistant", "good day"), ("user", "and you")];
        assert_eq!(roles, expected.map(|(r, t)| (r, t.to_owned())));
        assert_eq!(for_template(&turns, " ").len(), 3);
    }

    #[test]
    fn a_conversation_too_long_forgets_its_oldest_turns_and_no_rule() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/shakespeare.gguf");
        let mut opened = Opened::open(&path).unwrap();
        opened.chat_template =
            Some("{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>".into());
        let decoded = |p: &Recent| opened.tokenizer.decode(&p.ids);
        let mut turns = Vec::new();
        for i in 0..20 {
            turns.push(said(false, &format!("question {i}")));
            turns.push(said(true, &format!("answer {i}")));
        }
        turns.push(said(false, "the last one"));
        let whole = of_turns(&turns, "the rule", &opened, 4096, 400).unwrap();
        assert_eq!(whole.dropped, 0);
        assert!(decoded(&whole).starts_with("<system>the rule\n<user>question 0\n<assistant>answer 0"));
        let cut = of_turns(&turns, "the rule", &opened, 160, 32).unwrap();
        let text = decoded(&cut);
        assert!(
            text.starts_with("<system>the rule\n<user>question ") && !text.contains("question 0"),
            "{text}"
        );
        assert!(text.ends_with("<user>the last one\n<assistant>"), "{text}");
        assert!(cut.ids.len() <= 128 && cut.dropped + cut.ids.len() == whole.ids.len());
        // An answer that was broken off goes on where it stopped.
        turns.push(said(true, "the last ans"));
        let open = of_turns(&turns, "", &opened, 4096, 400).unwrap();
        assert!(decoded(&open).ends_with("<user>the last one\n<assistant>the last ans"));
    }
}
