// Where each token of a submission stands: its position, and in which pages its text has keys and values. A page has 64 positions of every
// head; those of a text may lie anywhere, and texts that begin alike share some.

struct Place {
    position: u32,
    /// Where in `tables` the pages of its text begin.
    table: u32,
}

@group(0) @binding(6) var<storage, read> places: array<Place>; // (tokens)
@group(0) @binding(7) var<storage, read> tables: array<u32>; // numbers of pages, those of one text after those of another

/// The page that has a position of the text.
fn page_of(place: Place, position: u32) -> u32 {
    return tables[place.table + position / 64u];
}
