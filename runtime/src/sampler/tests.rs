//! Draws against what the settings promise, and the fast ways against the plain ones.

use super::*;

fn logits(seed: u64, n: usize, spread: f64) -> Vec<f32> {
    let mut rng = Xoshiro256::from_seed(seed);
    (0..n).map(|_| ((rng.next_f64() - 0.5) * spread) as f32).collect()
}

fn neutral() -> Sampling {
    Sampling { temperature: 1.0, top_p: 1.0, ..Sampling::default() }
}

fn draws(settings: Sampling, logits: &[f32], n: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(settings).unwrap();
    (0..n).map(|_| sampler.sample(logits).unwrap()).collect()
}

fn counts(ids: &[u32], vocab: usize) -> Vec<f64> {
    let mut c = vec![0.0; vocab];
    ids.iter().for_each(|&id| c[id as usize] += 1.0);
    c
}

#[test]
fn greedy_takes_the_largest_and_the_lowest_id_among_equals() {
    let l = [0.0, 3.0, -1.0, 3.0];
    assert_eq!(draws(Sampling::greedy(), &l, 3), [1, 1, 1]);
    assert_eq!(draws(Sampling { top_k: 1, ..neutral() }, &l, 3), [1, 1, 1]);
    assert_eq!(draws(Sampling { temperature: 1e-30, ..neutral() }, &[1.0, 2.0], 3), [1, 1, 1]);
}

#[test]
fn draws_follow_the_softmax() {
    // Chi-square over 16 ids: 15 degrees of freedom, 37.7 is the 99.9th percentile. The seed is fixed.
    let l = logits(1, 16, 4.0);
    for temperature in [0.5f32, 1.0, 2.0] {
        let n = 40_000;
        let got = counts(&draws(Sampling { temperature, seed: 5, ..neutral() }, &l, n), 16);
        let w: Vec<f64> = l.iter().map(|&l| f64::from(l / temperature).exp()).collect();
        let total: f64 = w.iter().sum();
        let chi: f64 = got
            .iter()
            .zip(&w)
            .map(|(g, w)| (g - w / total * n as f64).powi(2) / (w / total * n as f64))
            .sum();
        assert!(chi < 37.7, "chi-square {chi} at temperature {temperature}");
    }
}

#[test]
fn top_k_and_min_p_draw_only_from_what_they_keep() {
    let l = logits(2, 50, 6.0);
    let mut order: Vec<u32> = (0..50).collect();
    order.sort_by(|&a, &b| l[b as usize].total_cmp(&l[a as usize]));
    let seen = counts(&draws(Sampling { top_k: 5, ..neutral() }, &l, 5_000), 50);
    for (rank, &id) in order.iter().enumerate() {
        assert_eq!(seen[id as usize] > 0.0, rank < 5, "rank {rank}");
    }
    let best = l[order[0] as usize];
    let seen = counts(&draws(Sampling { min_p: 0.2, ..neutral() }, &l, 5_000), 50);
    for id in 0..50 {
        assert_eq!(seen[id] > 0.0, (l[id] - best).exp() >= 0.2, "id {id}");
    }
}

#[test]
fn top_p_keeps_the_smallest_nucleus_even_when_it_is_wide() {
    // Nearly flat over 5,000 ids: the nucleus is far longer than the first sorted prefix.
    let l = logits(3, 5_000, 0.2);
    for p in [0.001f32, 0.1, 0.9, 0.9999] {
        let mut c: Vec<Candidate> = l
            .iter()
            .enumerate()
            .map(|(id, &logit)| Candidate { id: id as u32, logit, weight: logit.exp() })
            .collect();
        let mut all = c.clone();
        all.sort_by(likelier);
        let enough = c.iter().map(|c| f64::from(c.weight)).sum::<f64>() * f64::from(p);
        let mut sum = 0.0;
        let want: Vec<u32> = all
            .iter()
            .take_while(|c| {
                let before = sum;
                sum += f64::from(c.weight);
                before < enough
            })
            .map(|c| c.id)
            .collect();
        keep_top_p(&mut c, enough);
        c.sort_by(likelier);
        assert_eq!(c.iter().map(|c| c.id).collect::<Vec<_>>(), want, "p = {p}");
    }
}

#[test]
fn repetition_penalty_counts_each_recent_token_once_and_forgets() {
    let settings = Sampling { repetition_penalty: 2.0, repetition_window: 2, ..Sampling::greedy() };
    let mut s = Sampler::new(settings).unwrap();
    let l = [3.0, 2.0, -1.0];
    s.accept(0);
    s.accept(0);
    // Twice seen, once halved: 1.5 < 2.
    assert_eq!(s.sample(&l).unwrap(), 1);
    assert_eq!(s.penalised, [1.5, 2.0, -1.0]);
    s.accept(2);
    s.accept(1);
    assert_eq!(s.sample(&l).unwrap(), 0);
    assert_eq!(s.penalised, [3.0, 1.0, -2.0]);
    s.accept(999); // not in the vocabulary: ignored
    assert_eq!(s.sample(&l).unwrap(), 0);
}

#[test]
fn bias_is_added_before_penalties_and_wants_logits_shown() {
    let settings = Sampling { repetition_penalty: 2.0, ..Sampling::greedy() };
    let mut s = Sampler::new(settings).unwrap().biased(&[(1, 4.0), (2, -1.0), (999, 5.0)]).unwrap();
    s.accept(1);
    assert_eq!(s.sample(&[3.0, 0.0, 2.5]).unwrap(), 0);
    assert_eq!(s.penalised, [3.0, 2.0, 1.5]);
    let of = |bias: &[(u32, f32)]| Sampler::new(Sampling::greedy()).unwrap().biased(bias);
    assert_eq!(of(&[]).unwrap().want(), Want::Likeliest);
    assert_eq!(of(&[(0, 0.0)]).unwrap().want(), Want::Last);
    assert_eq!(of(&[(2, 100.0)]).unwrap().sample(&[9.0, 0.0, -80.0]).unwrap(), 2);
    for bad in [100.5, -101.0, f32::NAN, f32::INFINITY] {
        assert!(of(&[(0, bad)]).unwrap_err().to_string().starts_with("logit bias is "), "{bad}");
    }
}

#[test]
fn presence_is_taken_off_once_and_frequency_each_time() {
    let settings = Sampling {
        repetition_penalty: 2.0,
        presence_penalty: 0.5,
        frequency_penalty: 0.25,
        repetition_window: 3,
        ..Sampling::greedy()
    };
    let mut s = Sampler::new(settings).unwrap();
    assert_eq!(s.want(), Want::Last);
    [1, 0, 0, 2].into_iter().for_each(|id| s.accept(id));
    assert_eq!(s.sample(&[4.0, 3.0, -1.0, 0.0]).unwrap(), 1);
    assert_eq!(s.penalised, [2.0 - 0.5 - 0.5, 3.0, -2.0 - 0.5 - 0.25, 0.0]);
    for alone in
        [Sampling { repetition_penalty: 1.0, ..settings }, Sampling { frequency_penalty: 0.0, ..settings }]
    {
        let mut s = Sampler::new(alone).unwrap();
        s.accept(0);
        s.sample(&[4.0, 3.0]).unwrap();
        assert!(s.penalised[0] < 4.0 && s.penalised[1] == 3.0);
    }
    let off = Sampler::new(Sampling { repetition_penalty: 1.0, ..Sampling::default() }).unwrap();
    assert_ne!(off.want(), Want::Last);
}

#[test]
fn one_seed_one_sequence() {
    let l = logits(4, 300, 3.0);
    let settings = Sampling { top_k: 40, top_p: 0.9, min_p: 0.01, ..neutral() };
    let a = draws(Sampling { seed: 1, ..settings }, &l, 200);
    assert_eq!(a, draws(Sampling { seed: 1, ..settings }, &l, 200));
    assert_ne!(a, draws(Sampling { seed: 2, ..settings }, &l, 200));
}

#[test]
fn settings_out_of_range_are_named() {
    let d = Sampling::default();
    for (bad, name) in [
        (Sampling { temperature: -1.0, ..d }, "temperature"),
        (Sampling { temperature: f32::NAN, ..d }, "temperature"),
        (Sampling { temperature: 999_999.0, ..d }, "temperature"),
        (Sampling { top_p: 0.0, ..d }, "top-p"),
        (Sampling { top_p: 1.5, ..d }, "top-p"),
        (Sampling { min_p: -0.1, ..d }, "min-p"),
        (Sampling { repetition_penalty: 0.0, ..d }, "repetition penalty"),
        (Sampling { repetition_penalty: f32::INFINITY, ..d }, "repetition penalty"),
        (Sampling { presence_penalty: 2.5, ..d }, "presence penalty"),
        (Sampling { frequency_penalty: f32::NAN, ..d }, "frequency penalty"),
    ] {
        let message = Sampler::new(bad).unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
}

#[test]
fn logits_that_are_not_finite_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for settings in [Sampling::greedy(), neutral()] {
            let mut s = Sampler::new(settings).unwrap();
            assert!(matches!(s.sample(&[0.0, bad, 1.0]), Err(Error::Logits)));
        }
    }
    assert!(matches!(Sampler::new(neutral()).unwrap().sample(&[]), Err(Error::Logits)));
}

#[test]
fn log_sum_exp_matches_the_formula() {
    let l = logits(5, 1000, 20.0);
    let want = l.iter().map(|&l| f64::from(l).exp()).sum::<f64>().ln();
    assert!((log_sum_exp(&l) - want).abs() < 1e-6);
}
