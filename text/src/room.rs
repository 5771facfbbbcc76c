//! How much of a text a model is given to see where its context has no room for all of it.

/// The end of a text that there is room for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// Its ids.
    pub ids: Vec<u32>,
    /// Ids fewer than the whole text has.
    pub dropped: usize,
}

/// Ids that a prompt may have so that an answer of so many has room behind it: of a long answer, as much as half of the context.
pub fn room(context: usize, answer: usize) -> usize {
    context.saturating_sub(answer).max(context.div_ceil(2))
}

/// The last `most` ids of a text, of at least 1, behind the token that begins texts if it begins so.
pub fn tail(mut ids: Vec<u32>, most: usize, bos: Option<u32>) -> Recent {
    let most = most.max(1);
    if ids.len() <= most {
        return Recent { ids, dropped: 0 };
    }
    let begins = ids.first().copied().filter(|first| Some(*first) == bos && most > 1);
    let dropped = ids.len() - most;
    let mut ids = ids.split_off(dropped);
    if let Some(bos) = begins {
        ids[0] = bos;
    }
    Recent { ids, dropped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_of_a_text_keeps_its_end_and_what_begins_texts() {
        let ids: Vec<u32> = (0..100).collect();
        assert_eq!(tail(ids.clone(), 100, Some(0)), Recent { ids: ids.clone(), dropped: 0 });
        let cut = tail(ids.clone(), 30, Some(0));
        assert_eq!((cut.ids.len(), cut.ids[0], cut.ids[1], cut.dropped), (30, 0, 71, 70));
        assert_eq!(tail(ids.clone(), 30, None).ids[0], 70);
        assert_eq!(tail(ids, 0, Some(0)).ids, [99]);
    }

    #[test]
    fn room_is_left_for_an_answer_and_half_a_context_for_what_was_said() {
        assert_eq!([room(256, 12), room(256, 200), room(256, 1024), room(5, 9)], [244, 128, 128, 3]);
    }
}
