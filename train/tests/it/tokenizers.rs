//! What the tokenizers that training makes promise to texts.

use formats::tokenizer::TokenKind;
use train::data::Text;
use train::tokenizers::Kind;
use train::watch::Watch;

#[test]
fn tokenizers_made_here_take_no_name_out_of_a_text() {
    // User-defined tokens are found in every text. Of ours only a tokenizer.json brings any, so the ids of other runs are what they always were.
    let text = "the end <|endoftext|> of the text, the end of the text, the end of the text";
    for kind in [Kind::Gpt2, Kind::Bytes, Kind::Bpe(260)] {
        let t = kind
            .build(&Text::new(text.repeat(3), "a text".into(), "").unwrap(), &mut Watch::nobody())
            .unwrap();
        assert!(t.parts().tokens.iter().all(|(.., kind)| kind != TokenKind::UserDefined), "{kind:?}");
        assert!(t.encode(text).iter().all(|&id| t.token_kind(id) == TokenKind::Normal), "{kind:?}");
    }
}
