//! The pool by itself: who holds a page, what is copied, and what is given back.

use cpu::Kernels;
use half::f16;

use super::*;
use crate::synthetic;

fn pool() -> PagePool<HostPages> {
    let shape = PageShape::new(&synthetic::config("shakespeare").expect("a known shape"));
    PagePool::new(HostPages::new(shape))
}

fn counts(pool: &PagePool<HostPages>) -> (usize, usize) {
    let memory = pool.memory();
    assert_eq!(memory.bytes, memory.pages * pool.store().page_bytes());
    (memory.pages, memory.shared)
}

#[test]
fn pool_gives_memory_back_with_the_last_holder_and_the_place_again() {
    let mut pool = pool();
    let (a, b) = (pool.take(), pool.take());
    assert_eq!((counts(&pool), pool.holders(a)), ((2, 0), 1));
    pool.share(a);
    assert_eq!((counts(&pool), pool.holders(a)), ((2, 1), 2));
    pool.release(a);
    assert_eq!(counts(&pool), (2, 0));
    pool.get_mut(a).fill(f16::ONE);
    pool.release(a);
    assert_eq!((counts(&pool), pool.get(a).len()), ((1, 0), 0));
    // What was there is not.
    assert_eq!(pool.take(), a);
    assert!(pool.get(a).iter().all(|&v| v == f16::ZERO));
    assert_ne!(a, b);
}

#[test]
fn pool_copies_a_shared_page_up_to_where_it_is_written() {
    let mut pool = pool();
    let shape = pool.shape();
    let hd = shape.head_dim();
    for positions in [0, 1, 15, 16, 17, 63] {
        let page = pool.take();
        pool.get_mut(page).fill(f16::ONE);
        assert_eq!(pool.own(page, positions), page, "a page of one's own is not copied");
        pool.share(page);
        let copy = pool.own(page, positions);
        assert_ne!(copy, page);
        assert_eq!((pool.holders(page), pool.holders(copy)), (1, 1));
        let ones =
            |at: usize| pool.get(copy)[at..][..PAGE_TOKENS * hd].iter().filter(|&&v| v == f16::ONE).count();
        assert_eq!(ones(shape.values(1, 0)), positions * hd);
        assert_eq!(ones(shape.keys(1, 0)), positions.next_multiple_of(16) * hd);
        assert!(pool.get(page).iter().all(|&v| v == f16::ONE));
        pool.release(page);
        pool.release(copy);
    }
}

#[test]
#[should_panic = "a page that several texts hold is not written"]
fn pool_never_has_a_shared_page_written() {
    let mut pool = pool();
    let page = pool.take();
    pool.share(page);
    pool.get_mut(page);
}

/// What a table holds of position `at` in block 1: its key and value of head 0.
fn stored(pool: &PagePool<HostPages>, table: &PageTable, at: usize) -> (Vec<f16>, Vec<f16>) {
    let (shape, hd) = (pool.shape(), pool.shape().head_dim());
    let page = pool.read(table)[at / PAGE_TOKENS];
    let at = at % PAGE_TOKENS;
    let keys = &page[shape.keys(1, 0) + at / 16 * 16 * hd..];
    let k = (0..hd).map(|d| keys[d * 16 + at % 16]).collect();
    (k, page[shape.values(1, 0) + at * hd..][..hd].to_vec())
}

#[test]
fn table_stores_at_every_position_around_a_border_and_leaves_a_fork_alone() {
    let mut pool = pool();
    let width = 2 * pool.shape().kv_heads() * pool.shape().head_dim();
    let kernels = Kernels::available()[0];
    for border in PAGE_TOKENS - 3..=PAGE_TOKENS + 3 {
        let mut table = PageTable::default();
        table.reserve(&mut pool, 0, border);
        pool.write(&table, kernels, 1, 0, &vec![1.0; border * width], width);
        let mut fork = table.fork(&mut pool, border);
        assert_eq!(fork.shared_at(&pool, border).is_some(), !border.is_multiple_of(PAGE_TOKENS));
        fork.reserve(&mut pool, border, border + 70);
        assert!(fork.shared_at(&pool, border).is_none());
        pool.write(&fork, kernels, 1, border, &vec![2.0; 70 * width], width);
        table.reserve(&mut pool, border, border + 2);
        pool.write(&table, kernels, 1, border, &vec![3.0; 2 * width], width);
        let hd = pool.shape().head_dim();
        let of = |v: f32| (vec![f16::from_f32(v); hd], vec![f16::from_f32(v); hd]);
        for at in 0..border {
            assert_eq!((stored(&pool, &table, at), stored(&pool, &fork, at)), (of(1.0), of(1.0)), "{at}");
        }
        (border..border + 70).for_each(|at| assert_eq!(stored(&pool, &fork, at), of(2.0)));
        (border..border + 2).for_each(|at| assert_eq!(stored(&pool, &table, at), of(3.0)));
        table.truncate(&mut pool, 0);
        fork.truncate(&mut pool, PAGE_TOKENS);
        assert_eq!((counts(&pool), table.pages().len(), fork.pages().len()), ((1, 0), 0, 1));
        fork.truncate(&mut pool, 0);
        assert_eq!(counts(&pool), (0, 0));
    }
}
