//! The end of a step: loss, norm, clip, skip, and AdamW with the processor's bits.

use cpu::Kernels;
use train::arena::Place;
use train::optim::Rounding;
use train::optim::adamw::{Settings, update};
use train_cuda::driver::Shape;

use crate::harness::{Bench, Numbers, bench};
use crate::rows::*;

const IGNORED: u32 = u32::MAX;

/// Loss, norm, clip and skip.
fn finish(
    b: &Bench,
    nats: &[f32],
    targets: &[u32],
    gradients: &[f32],
    clip_norm: f32,
) -> (f64, f64, f32, bool) {
    let blocks = 7;
    let words = in_every_order(b, "finish_step", || {
        let (n, t, g) = (b.upload(nats), b.upload(targets), b.upload(gradients));
        let (parts, words) = (b.room::<f64>(blocks), Words::default().upload(b));
        let args = [g.arg(), parts.arg(), (gradients.len() as u64).into()];
        b.run("update", "norm_parts", Shape::line(blocks, 256), &args);
        let args =
            [n.arg(), t.arg(), parts.arg(), words.arg(), nats.len().into(), blocks.into(), clip_norm.into()];
        b.run("update", "finish_step", Shape::line(1, 1024), &args);
        b.download(&words)
    });
    let double = |i: usize| f64::from_bits(u64::from(words[i]) | u64::from(words[i + 1]) << 32);
    (double(8), double(10), f32::from_bits(words[12]), words[13] != 0)
}

#[test]
fn a_step_reports_loss_and_norm() {
    let Some(b) = bench() else { return };
    for (tokens, values) in [(1usize, 1usize), (33, 7), (5000, 100_003), (1024, 4096)] {
        let mut n = Numbers::new(tokens as u64);
        let gradients = n.vec(values);
        let targets: Vec<u32> = (0..tokens).map(|t| if t % 5 == 3 { IGNORED } else { t as u32 }).collect();
        let nats: Vec<f32> =
            targets.iter().map(|&t| if t == IGNORED { 0.0 } else { n.uniform().abs() * 9.0 }).collect();
        let scored = targets.iter().filter(|&&t| t != IGNORED).count();
        let want_loss = wide(&nats).iter().sum::<f64>() / scored as f64;
        let want_norm = wide(&gradients).iter().map(|g| g * g).sum::<f64>().sqrt();
        let (loss, norm, clip, skip) = finish(&b, &nats, &targets, &gradients, 0.5);
        assert!((loss / want_loss - 1.0).abs() < 1e-12 && (norm / want_norm - 1.0).abs() < 1e-6);
        assert_eq!((clip, skip), (if norm > 0.5 { (0.5 / norm) as f32 } else { 1.0 }, false));
        assert_eq!(finish(&b, &nats, &targets, &gradients, 0.0).2, 1.0);
        assert_eq!(finish(&b, &nats, &targets, &gradients, 1e9).2, 1.0);
        for bad in [f32::NAN, f32::INFINITY, 1e25] {
            let (mut nats, mut gradients) = (nats.clone(), gradients.clone());
            gradients[values / 2] = bad;
            assert!(finish(&b, &nats, &targets, &gradients, 1.0).3, "{bad}");
            if bad != 1e25 {
                nats[0] = bad;
                assert!(finish(&b, &nats, &targets, &[1.0], 1.0).3, "{bad}");
            }
        }
    }
    // Nothing is scored, and there is no gradient.
    assert_eq!(finish(&b, &[0.0; 3], &[IGNORED; 3], &[0.0; 9], 1.0), (0.0, 0.0, 1.0, false));
}

/// What AdamW is told of a step.
fn words(step: u64, rate_adam: f32, clip: f32, settings: &Settings) -> Words {
    let correction = |beta: f32| (1.0 / (1.0 - f64::from(beta).powi(step as i32 + 1))) as f32;
    let (adam_c1, adam_c2) = (correction(settings.beta1), correction(settings.beta2));
    Words { step, rate_adam, adam_c1, adam_c2, clip, skip: false }
}

#[test]
fn adamw_has_the_processors_bits() {
    let Some(b) = bench() else { return };
    let settings = Settings { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
    let (rate, clip) = (0.01, 0.37);
    // With `first`, an array that does not begin at a multiple of 16 bytes.
    for (len, first) in [(1usize, 0usize), (7, 0), (128, 0), (5003, 0), (1030, 3)] {
        let mut n = Numbers::new(len as u64);
        let mut want = [n.vec(first + len), vec![0.0; first + len], vec![0.0; first + len]];
        let device = want.each_ref().map(|v| b.upload(v));
        for step in 0..3u64 {
            let gradient = n.vec(first + len);
            let words = words(step, rate, clip, &settings);
            let g = b.upload(&gradient);
            for skip in [true, false] {
                let words = Words { skip, ..words }.upload(&b);
                let [w, m, v] = device.each_ref().map(|d| d.at(first));
                let mut args = vec![w, g.at(first), m, v, words.arg(), (len as u64).into()];
                args.extend(values![settings.beta1, settings.beta2, settings.eps, settings.weight_decay]);
                b.run("update", "adamw", line(len), &args);
                if skip {
                    same_bits("skipped", &b.download(&device[0]), &want[0]);
                }
            }
            let [w, m, v] = want.each_mut().map(|v| &mut v[first..]);
            update(Kernels::best(), w, &gradient[first..], m, v, step, rate, clip, &settings);
        }
        for (got, want) in device.iter().zip(&want) {
            same_bits(&format!("{len} from {first}"), &b.download(got), want);
        }
    }
}

#[test]
fn adamw_with_moments_in_bf16_has_the_processors_bits() {
    let Some(b) = bench() else { return };
    let settings = Settings { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
    let (seed, rate, clip) = (0x1234_5678_9ABC, 0.01, 0.37);
    for (len, first) in [(1usize, 0usize), (7, 0), (5003, 64), (1030, 67)] {
        let mut n = Numbers::new(len as u64);
        let place = Place::Dense(first..first + len);
        let mut want = [n.vec(first + len), vec![0.0; first + len], vec![0.0; first + len]];
        let w = b.upload(&want[0]);
        let moments = [0, 1].map(|_| b.upload(&vec![0u16; first + len]));
        for step in 5..9u64 {
            let gradient = n.vec(first + len);
            let words = words(step, rate, clip, &settings);
            let g = b.upload(&gradient);
            for skip in [true, false] {
                let before = moments.each_ref().map(|m| b.download(m));
                let words = Words { skip, ..words }.upload(&b);
                let [m, v] = moments.each_ref().map(|d| d.at(first));
                let mut args = vec![w.at(first), g.at(first), m, v, words.arg(), (len as u64).into()];
                args.extend(values![settings.beta1, settings.beta2, settings.eps, settings.weight_decay]);
                args.extend(values![seed, place.site(), first as u64]);
                b.run("update", "adamw_bf16", line(len), &args);
                assert!(!skip || moments.each_ref().map(|m| b.download(m)) == before);
            }
            let [w, m, v] = want.each_mut().map(|v| &mut v[first..]);
            let kernels = Kernels::best();
            update(kernels, w, &gradient[first..], m, v, step, rate, clip, &settings);
            Rounding::new(seed, step, &place).first(kernels, m);
            Rounding::new(seed, step, &place).second(kernels, v);
        }
        same_bits(&format!("{len} from {first}"), &b.download(&w), &want[0]);
        for (got, want) in moments.iter().zip(&want[1..]) {
            let got: Vec<f32> = b.download(got).iter().map(|&v| f32::from_bits(u32::from(v) << 16)).collect();
            same_bits(&format!("{len} from {first}"), &got, want);
        }
    }
}
