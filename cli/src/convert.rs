//! `tercet convert`: a model from one file format or tensor type to another, and a plain word about every weight that did not stay what it was.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::convert::target::{Matrices, Target, type_named};
use ::convert::{Error, Plan, Report, Source, Watch, source, write};
use anyhow::ensure;
use formats::blocks::TensorType;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::LEFT_AT_ONCE;
use crate::terminal::{note, say, stderr_is_terminal};
use crate::{shell, signals};

/// What `tercet convert` was asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "No ternary weight ever changes: where a type cannot hold one, that is said and nothing is written. A model in several parts becomes one file."
)]
pub struct Args {
    /// A GGUF file, of a model in several parts any of them
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT.gguf")]
    out: PathBuf,
    /// How the matrices of linear layers are stored: q1_58, q2_0 (llama.cpp's, groups of 64), tq1_0 and tq2_0 (llama.cpp's, one scale for 256 weights),
    /// ptq1_0 (PrismML's), or f32, f16, bf16, q8_0 [default: as they are]
    #[arg(long = "type", value_name = "TYPE", value_parser = known_type)]
    ty: Option<TensorType>,
    /// How the embedding and a head of its own are stored, by the same names [default: as they are]
    #[arg(long, value_name = "TYPE", value_parser = known_type)]
    embedding: Option<TensorType>,
    /// Round weights that are not ternary where a type cannot hold them as they are: an embedding, a head, matrices of a model of floats
    #[arg(long)]
    lossy: bool,
    /// A name to keep inside the file
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// A type by its name.
pub fn known_type(name: &str) -> Result<TensorType, String> {
    type_named(name).ok_or_else(|| {
        let known: Vec<&str> = ::convert::target::TYPES.iter().map(|(name, _)| *name).collect();
        format!("expected one of {}", known.join(", "))
    })
}

/// Runs `tercet convert`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let target = Target {
        matrices: args.ty.map_or(Matrices::Keep, Matrices::As),
        tables: args.embedding,
        lossy: args.lossy,
    };
    let source = source::open(&args.model)?;
    let Some(report) = written(&*source, &target, &args.out, args.name.as_deref())? else {
        return Ok(ExitCode::from(LEFT_AT_ONCE));
    };
    for remark in source.remarks() {
        note(format_args!("{remark}"));
    }
    tell(&report, &args.out)?;
    say(format_args!("next: tercet info {}", shell::path(&args.out)));
    Ok(ExitCode::SUCCESS)
}

/// Writes the new file, with a bar for whoever looks on; `None` if somebody ended it.
pub fn written(
    source: &dyn Source,
    target: &Target,
    out: &Path,
    name: Option<&str>,
) -> anyhow::Result<Option<Report>> {
    ensure!(!out.is_dir(), "{} is a folder; give the name of a file", out.display());
    let made = watched(|watch| {
        let mut plan = Plan::new(source, target, watch)?;
        if let Some(name) = name {
            plan.metadata().insert("general.name", name);
        }
        write::write(&plan, out, watch)
    });
    match made {
        Err(error @ Error::Stopped) => {
            note(format_args!("{error}"));
            Ok(None)
        }
        made => Ok(Some(made?)),
    }
}

/// Does something that lasts: Ctrl-C ends it in good order, and a person sees how far it is.
pub fn watched<T>(work: impl FnOnce(&mut Watch<'_>) -> T) -> T {
    let stop = signals::stop_flag("stopping; nothing will be written");
    let bar = match stderr_is_terminal() {
        true => ProgressBar::new(0),
        false => ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
    };
    let style = ProgressStyle::with_template("{bar:24} {percent} %  {msg}, {eta} left");
    bar.set_style(style.expect("the template is valid"));
    let done = work(&mut Watch::new(&stop, &mut |progress| {
        bar.set_length(progress.of);
        bar.set_position(progress.done);
        bar.set_message(progress.what);
    }));
    bar.finish_and_clear();
    done
}

/// Says what became of the tensors, a line for those of one kind that are stored anew.
pub fn tell(report: &Report, out: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::metadata(out)?.len();
    say(format_args!("{}: {bytes} bytes", out.display()));
    for kind in report.kinds().iter().filter(|kind| kind.all.from != kind.all.to) {
        let done = &kind.all;
        let what = match done.part {
            ::convert::part::Part::Matrix => "matrices",
            ::convert::part::Part::Table => "embedding and head",
            ::convert::part::Part::Other => "gains and biases",
        };
        let moved = match done.moved {
            0.0 => "every weight as it was".to_owned(),
            moved => format!("weights moved by {} of their size", share(moved)),
        };
        say(format_args!("  {what}: {} of {} as {}, {moved}", kind.tensors, done.from, done.to));
    }
    Ok(())
}

/// A share for a sentence: `48 %`, `0.35 %`, `0.0021 %`.
fn share(part: f64) -> String {
    let percent = 100.0 * part;
    let digits = (1.0 - percent.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{percent:.digits$} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_digits_that_matter() {
        assert_eq!([0.48, 0.0035, 0.0000213].map(share), ["48 %", "0.35 %", "0.0021 %"]);
    }
}
