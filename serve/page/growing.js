// How what the model writes becomes a part of a node: its text, and the tokens that the text is made of where they are known.

// Adds to a text and to its tokens, or null where they are not asked for. A token is told of once all of its text is certain, so that they
// come after it.
export function append(node, text, tokens) {
    if (tokens) {
        node.tokens ??= node.text === "" ? [] : [[node.text, null, []]];
        node.tokens.push(...tokens);
    } else if (text !== "") {
        node.tokens?.push([text, null, []]);
    }
    node.text += text;
}

// Has the tokens of a text that has ended be all of it and nothing more.
export function settle(node) {
    if (!node.tokens) return;
    const { text, tokens } = node;
    let length = tokens.reduce((sum, [token]) => sum + token.length, 0);
    while (length > text.length && tokens.length > 0) {
        const last = tokens.at(-1);
        const cut = Math.min(last[0].length, length - text.length);
        length -= cut;
        // What a string that ends the text was cut out of.
        if (cut < last[0].length) last[0] = last[0].slice(0, last[0].length - cut);
        else tokens.pop();
    }
    if (length < text.length) tokens.push([text.slice(length), null, []]);
    const known = tokens.some(([, logProb]) => logProb !== null);
    if (!known || tokens.map(([token]) => token).join("") !== text) delete node.tokens;
}
