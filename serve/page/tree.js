// The turns of a conversation, or the pieces of a text, with all their versions: a tree, of which one branch is seen. Nothing that was
// written is ever lost by writing it anew.

// Where all branches begin.
export const ROOT = 0;

export class Tree {
    #nodes = new Map();
    #children = new Map();
    // By node, the child that is seen; none for the latest, ROOT where the branch ends although it could go on.
    #picks;

    constructor({ nodes = [], picks = {} } = {}) {
        for (const node of nodes) this.#put(node);
        this.#picks = { ...picks };
    }

    #put(node) {
        this.#nodes.set(node.id, node);
        if (!this.#children.has(node.parent)) this.#children.set(node.parent, []);
        this.#children.get(node.parent).push(node);
    }

    // The branch that is seen, from its beginning.
    path() {
        const path = [];
        for (let at = ROOT; ; at = path.at(-1).id) {
            const next = this.#next(at);
            if (!next) return path;
            path.push(next);
        }
    }

    #next(id) {
        const children = this.#children.get(id) ?? [];
        const pick = this.#picks[id];
        return pick === ROOT ? undefined : (children.find((child) => child.id === pick) ?? children.at(-1));
    }

    get(id) {
        return this.#nodes.get(id);
    }

    get size() {
        return this.#nodes.size;
    }

    // Adds a node behind `parent`, and has it seen.
    add(parent, node) {
        const added = { ...node, id: Math.max(ROOT, ...this.#nodes.keys()) + 1, parent };
        this.#put(added);
        this.#picks[parent] = added.id;
        return added;
    }

    // A node and what may be seen in its place, the oldest first.
    versions(node) {
        return this.#children.get(node.parent);
    }

    // Has the next version be seen, or the one before.
    step(node, by) {
        const versions = this.versions(node);
        const to = versions[versions.indexOf(node) + by];
        if (to) this.#picks[node.parent] = to.id;
        return to;
    }

    // Takes away a node that nothing stands behind and nothing was written in; the latest of the other versions is seen then.
    remove(node) {
        this.#nodes.delete(node.id);
        const versions = this.#children.get(node.parent);
        versions.splice(versions.indexOf(node), 1);
        delete this.#picks[node.parent];
    }

    // Has the branch that is seen end behind `id`.
    cut(id) {
        this.#picks[id] = ROOT;
    }

    // The text that all pieces make.
    text() {
        return this.path()
            .map((node) => node.text)
            .join("");
    }

    // Has the branch that is seen be this text, which somebody typed. Pieces that it begins with stay what they are; the rest is a new
    // version, by whoever wrote what it is a part of.
    adopt(text) {
        let [at, last] = [0, ROOT];
        for (const node of this.path()) {
            if (!text.startsWith(node.text, at)) {
                const rest = text.slice(at);
                if (rest === "") break;
                const role = node.text.startsWith(rest) ? node.role : "user";
                return this.add(last, { role, text: rest });
            }
            if (at === text.length) break;
            [at, last] = [at + node.text.length, node.id];
        }
        if (at < text.length) return this.add(last, { role: "user", text: text.slice(at) });
        if (this.#next(last)) this.cut(last);
        return this.get(last);
    }

    // As it is kept: made anew by the constructor.
    kept() {
        return { nodes: [...this.#nodes.values()], picks: { ...this.#picks } };
    }
}
