//! All compilations of each op agree bit for bit, and each op agrees with its formula in f64.

use model::rope::Frequencies;

use super::*;
use crate::Kernels;

/// Deterministic noise in (-1, 1), roughly.
fn noise(seed: u64, n: usize) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

fn rows() -> Vec<&'static Kernels> {
    Kernels::available()
}

#[test]
fn exp_is_close_everywhere() {
    let mut worst = 0.0f64;
    for i in -8700..8800 {
        let x = i as f32 * 0.01;
        let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
        worst = worst.max((got / want - 1.0).abs());
    }
    assert!(worst < 3e-7, "{worst:e}");
    assert!(exp(f32::NAN).is_nan());
}

/// Keys of `head_dim` numbers, transposed, and values.
fn one_page(head_dim: usize, k: &[f32], v: &[f32]) -> Vec<f32> {
    let mut page = vec![0.0; k_transposed_len(k.len() / head_dim, head_dim)];
    k.chunks_exact(head_dim).enumerate().for_each(|(p, key)| transpose_key(p, key, &mut page));
    page.extend(v);
    page
}

#[test]
fn attention_is_the_same_in_one_page_or_in_many() {
    for (hd, t) in [(8, 64), (12, 70), (24, 65), (64, 200), (100, 130), (72, 127), (128, 321), (16, 700)] {
        let (q, k, v) = (noise(1, t * hd), noise(2, t * hd), noise(3, t * hd));
        let halves = |x: &[f32]| x.iter().map(|&x| ::half::f16::from_f32(x)).collect::<Vec<_>>();
        let whole = one_page(hd, &k, &v);
        let whole_f16 = halves(&whole);
        let values = k_transposed_len(t, hd);
        let positions = t.next_multiple_of(PAGE_STEP);
        let one = Pages { pages: &[&whole], positions, keys: 0, values };
        let one_f16 = Pages { pages: &[&whole_f16], positions, keys: 0, values };
        for positions in [64, 128, 192] {
            // Pages that begin with something else, where what nobody has written is no number.
            let values = 5 + positions * hd;
            let many: Vec<Vec<f32>> = k
                .chunks(positions * hd)
                .zip(v.chunks(positions * hd))
                .map(|(k, v)| {
                    let mut page = vec![f32::NAN; 5 + 2 * positions * hd];
                    let filled = one_page(hd, k, v);
                    let (k, v) = filled.split_at(filled.len() - v.len());
                    page[5..5 + k.len()].copy_from_slice(k);
                    page[values..values + v.len()].copy_from_slice(v);
                    page
                })
                .collect();
            let many_f16: Vec<_> = many.iter().map(|page| halves(page)).collect();
            let many: Vec<_> = many.iter().map(|page| &page[..]).collect();
            let many_f16: Vec<_> = many_f16.iter().map(|page| &page[..]).collect();
            let many = Pages { pages: &many, positions, keys: 5, values };
            let many_f16 = Pages { pages: &many_f16, positions, keys: 5, values };
            for kn in rows() {
                for (first, count) in [(0, t), (t - 1, 1), (t / 2, 7), (63, 1), (t - 33, 33), (0, 1)] {
                    let run = |pages, pages_f16| {
                        let q = &q[first * hd..];
                        let mut out = [vec![0.0; count * hd], vec![0.0; count * hd]];
                        let (mut lse, mut s) = (vec![0.0; count], vec![]);
                        let [a, b] = &mut out;
                        kn.attention(q, hd, first, count, pages, hd, 0.3, a, hd, Some(&mut lse), &mut s);
                        kn.attention_f16(q, hd, first, count, pages_f16, hd, 0.3, b, hd, None, &mut s);
                        out.iter().flatten().chain(&lse).map(|v| v.to_bits()).collect::<Vec<_>>()
                    };
                    let same = run(many, many_f16) == run(one, one_f16);
                    assert!(same, "{} {hd}x{t}, {positions} a page, {count} from {first}", kn.name);
                }
            }
        }
    }
}

#[test]
#[should_panic = "is_multiple_of(PAGE_STEP)"]
fn attention_refuses_pages_that_cut_what_is_taken_at_once() {
    let (page, mut out) = ([0.0; 2 * 96 * 8], [0.0; 8]);
    let pages = Pages { pages: &[&page], positions: 96, keys: 0, values: 96 * 8 };
    rows()[0].attention(&[0.0; 8], 8, 0, 1, pages, 8, 1.0, &mut out, 8, None, &mut Vec::new());
}

#[test]
fn attention_is_the_same_alone_or_in_a_tile_and_on_every_row() {
    // 72 = 64 + 8 and 90 keys: every width of tile runs.
    let (hd, t) = (72, 90);
    let (q, k, v) = (noise(1, t * hd), noise(2, t * hd), noise(3, t * hd));
    let page = one_page(hd, &k, &v);
    let pages = Pages { pages: &[&page], positions: 128, keys: 0, values: k_transposed_len(t, hd) };
    let scale = 1.0 / (hd as f32).sqrt();
    let run = |kn: &Kernels, first: usize, count: usize| {
        let (mut out, mut lse, mut scratch) = (vec![0.0; count * hd], vec![0.0; count], vec![]);
        kn.attention(
            &q[first * hd..],
            hd,
            first,
            count,
            pages,
            hd,
            scale,
            &mut out,
            hd,
            Some(&mut lse),
            &mut scratch,
        );
        (out, lse)
    };
    let (whole, lse) = run(rows()[0], 0, t);
    for kn in rows() {
        assert_eq!(run(kn, 0, t).0, whole, "{}", kn.name);
        for p in 0..t {
            let (one, l) = run(kn, p, 1);
            assert_eq!(one, whole[p * hd..(p + 1) * hd], "{} position {p}", kn.name);
            assert_eq!(l[0], lse[p]);
        }
    }
    // Against the formula.
    for p in 0..t {
        let s: Vec<f64> = (0..=p)
            .map(|j| {
                (0..hd).map(|i| f64::from(q[p * hd + i]) * f64::from(k[j * hd + i])).sum::<f64>()
                    * f64::from(scale)
            })
            .collect();
        let sum: f64 = s.iter().map(|s| s.exp()).sum();
        for i in 0..hd {
            let want: f64 = s.iter().enumerate().map(|(j, s)| s.exp() / sum * f64::from(v[j * hd + i])).sum();
            assert!((f64::from(whole[p * hd + i]) - want).abs() < 1e-6);
        }
    }
}

#[test]
fn attention_over_halves_is_attention_over_the_same_numbers() {
    let (hd, t) = (88, 150);
    let q = noise(1, t * hd);
    let halves = |seed| noise(seed, t * hd).iter().map(|&v| ::half::f16::from_f32(v)).collect::<Vec<_>>();
    let floats = |h: &[::half::f16]| h.iter().map(|h| h.to_f32()).collect::<Vec<_>>();
    let (k, v) = (halves(2), halves(3));
    let page = one_page(hd, &floats(&k), &floats(&v));
    let page_halves: Vec<_> = page.iter().map(|&v| ::half::f16::from_f32(v)).collect();
    let values = k_transposed_len(t, hd);
    let wide = Pages { pages: &[&page], positions: 192, keys: 0, values };
    let narrow = Pages { pages: &[&page_halves], positions: 192, keys: 0, values };
    for kn in rows() {
        for (first, count) in [(0, t), (t - 1, 1), (10, 9)] {
            let (mut want, mut got) = (vec![0.0; count * hd], vec![0.0; count * hd]);
            let q = &q[first * hd..];
            let mut s = vec![];
            kn.attention(q, hd, first, count, wide, hd, 0.2, &mut want, hd, None, &mut s);
            kn.attention_f16(q, hd, first, count, narrow, hd, 0.2, &mut got, hd, None, &mut s);
            assert_eq!(got, want, "{} from {first}", kn.name);
        }
    }
}

#[test]
fn row_ops_agree_on_every_row() {
    for n in [8usize, 24, 100, 256] {
        let (x, g) = (noise(4, n), noise(5, n));
        let mut first: Option<Vec<u32>> = None;
        for kn in rows() {
            let (mut y, mut q, mut s) = (vec![0.0; n], vec![0i8; n], vec![0.0; n]);
            let r = kn.rms_norm(&x, Some(&g), 1e-6, &mut y);
            let a = kn.quantise(&y, &mut q);
            kn.activation(Activation::SwiGlu, &x, &g, &mut s);
            let bits: Vec<u32> = y
                .iter()
                .chain(&s)
                .chain([&r, &a])
                .map(|v| v.to_bits())
                .chain(q.iter().map(|&q| q as u32))
                .collect();
            assert_eq!(*first.get_or_insert_with(|| bits.clone()), bits, "{} n={n}", kn.name);
            let worst = y.iter().zip(&q).map(|(y, &q)| (y - a * f32::from(q)).abs()).fold(0.0, f32::max);
            assert!(worst <= a * 0.5001, "quantisation error {worst} of step {a}");
        }
    }
}

#[test]
fn quantise_of_zeros_is_zeros() {
    for kn in rows() {
        let mut q = [1i8; 16];
        assert_eq!(kn.quantise(&[0.0; 16], &mut q), 0.0);
        assert_eq!(q, [0i8; 16]);
    }
}

#[test]
fn hyper_mix_is_doubly_stochastic() {
    for n in [1usize, 2, 4] {
        let d = 16;
        let perms = permutations(n).len();
        let x = noise(7, n * d);
        let w = [noise(8, n * n * d), noise(9, n * n * d), noise(10, perms * n * d)];
        let b = [noise(11, n), noise(12, n), noise(13, perms)];
        let weights = HyperWeights {
            streams: n,
            eps: 1e-6,
            alpha: [0.5, -0.7, 0.9],
            weight: [&w[0], &w[1], &w[2]],
            bias: [&b[0], &b[1], &b[2]],
        };
        let mut c = HyperCoefficients::default();
        rows()[0].hyper_coefficients(&weights, &x, &mut c);
        for i in 0..n {
            let row: f32 = (0..n).map(|j| c.mix[i * n + j]).sum();
            let column: f32 = (0..n).map(|j| c.mix[j * n + i]).sum();
            assert!((row - 1.0).abs() < 1e-6 && (column - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn rope_turns_back() {
    let x = noise(14, 32);
    for (dims, kind) in [(16, RopeKind::HalfSplit), (16, RopeKind::Interleaved), (6, RopeKind::HalfSplit)] {
        let table = RopeTable::new(9, &Frequencies::plain(dims, 10_000.0));
        for kn in rows() {
            let mut y = x.clone();
            let (c, s) = table.at(8);
            kn.rope(&mut y, 16, c, s, kind);
            let back: Vec<f32> = s.iter().map(|s| -s).collect();
            for (y, x) in y.chunks_exact(16).zip(x.chunks_exact(16)) {
                assert!(y[..dims].iter().zip(x).all(|(a, b)| a != b) && y[dims..] == x[dims..]);
            }
            kn.rope(&mut y, 16, c, &back, kind);
            assert!(y.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }
}
