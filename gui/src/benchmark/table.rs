//! Every figure as a row of numbers: sorted by any column, drawn only where it is seen, copied as text.

use std::cmp::Ordering;

use eframe::egui::{Align, Layout, RichText, Role, Sense, Ui, WidgetInfo, vec2};
use egui_extras::{Column as Width, TableBuilder};

use super::bars::times_text;
use super::figure::Figure;
use super::results::Results;
use super::view::View;
use crate::command::BenchmarkColumn;
use crate::tokens::{Tokens, size};
use crate::widgets::per_second;

impl BenchmarkColumn {
    fn is_number(self) -> bool {
        !matches!(
            self,
            BenchmarkColumn::Test
                | BenchmarkColumn::Backend
                | BenchmarkColumn::Unit
                | BenchmarkColumn::Result
                | BenchmarkColumn::From
        )
    }

    fn width(self) -> f32 {
        match self {
            BenchmarkColumn::Test => 176.0,
            BenchmarkColumn::Backend => 96.0,
            BenchmarkColumn::Result => 106.0,
            BenchmarkColumn::From | BenchmarkColumn::Times => 62.0,
            BenchmarkColumn::Unit => 56.0,
            BenchmarkColumn::Runs => 36.0,
            _ => 52.0,
        }
    }
}

/// One row: a figure, how many times as fast as the baseline it is, and which result it is from.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    figure: &'a Figure,
    times: Option<f64>,
    from: &'a str,
}

/// The rows that are shown, in their order.
pub fn lines<'a>(results: &'a Results, earlier: Option<&'a Results>, view: &View) -> Vec<Line<'a>> {
    let baseline = view.baseline(results);
    let here = results.figures.iter().map(|figure| {
        let times = baseline.as_ref().and_then(|b| results.speedup(figure, b));
        Line { figure, times, from: "this run" }
    });
    let there = earlier.into_iter().flat_map(|e| &e.figures).map(|figure| Line {
        figure,
        times: None,
        from: "earlier",
    });
    let mut lines: Vec<Line<'a>> =
        here.chain(there).filter(|l| view.shows(l.figure.kind, l.figure.shape.as_deref())).collect();
    if let Some((column, down)) = view.sort {
        // What has no figure comes last, whichever way.
        lines.sort_by(|a, b| match (a.number(column), b.number(column)) {
            (Some(a), Some(b)) => {
                if down {
                    b.total_cmp(&a)
                } else {
                    a.total_cmp(&b)
                }
            }
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) if column.is_number() => Ordering::Equal,
            (None, None) => {
                let order = a.text(column).cmp(&b.text(column));
                if down { order.reverse() } else { order }
            }
        });
    }
    lines
}

impl Line<'_> {
    fn number(&self, column: BenchmarkColumn) -> Option<f64> {
        let s = self.figure.stats;
        match column {
            BenchmarkColumn::Mean => s.map(|s| s.mean),
            BenchmarkColumn::Sd => s.map(|s| s.sd),
            BenchmarkColumn::Median => s.map(|s| s.median),
            BenchmarkColumn::Least => s.map(|s| s.min),
            BenchmarkColumn::Most => s.map(|s| s.max),
            BenchmarkColumn::P95 => s.map(|s| s.p95),
            BenchmarkColumn::Times => self.times,
            BenchmarkColumn::Runs => s.map(|s| s.count as f64),
            _ => None,
        }
    }

    /// A cell.
    pub fn text(&self, column: BenchmarkColumn) -> String {
        let f = self.figure;
        match column {
            BenchmarkColumn::Test => f.test.clone(),
            BenchmarkColumn::Backend => f.backend.clone(),
            BenchmarkColumn::Unit => f.kind.unit().to_owned(),
            BenchmarkColumn::Result => f.verdict(),
            BenchmarkColumn::From => self.from.to_owned(),
            BenchmarkColumn::Runs => f.stats.map_or(String::new(), |s| s.count.to_string()),
            BenchmarkColumn::Times => self.times.map_or(String::new(), times_text),
            _ => self.number(column).map_or(String::new(), per_second),
        }
    }
}

/// The rows as text, cells apart by tabs, as spreadsheets take them.
pub fn copied(results: &Results, earlier: Option<&Results>, view: &View) -> String {
    let mut out = BenchmarkColumn::ALL.map(BenchmarkColumn::name).join("\t");
    for line in lines(results, earlier, view) {
        out.push('\n');
        out.push_str(&BenchmarkColumn::ALL.map(|c| line.text(c)).join("\t"));
    }
    out
}

/// Draws it; answers the column whose heading was clicked.
pub fn ui(
    ui: &mut Ui,
    results: &Results,
    earlier: Option<&Results>,
    view: &View,
    height: f32,
) -> Option<BenchmarkColumn> {
    let t = Tokens::of(ui.ctx());
    let lines = lines(results, earlier, view);
    let shown: Vec<BenchmarkColumn> = BenchmarkColumn::ALL
        .into_iter()
        .filter(|c| *c != BenchmarkColumn::From || earlier.is_some())
        .collect();
    let mut clicked = None;
    let layout = |c: BenchmarkColumn| {
        if c.is_number() {
            Layout::right_to_left(Align::Center)
        } else {
            Layout::left_to_right(Align::Center)
        }
    };
    eframe::egui::ScrollArea::horizontal().auto_shrink([false, true]).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 0.0);
        let mut table = TableBuilder::new(ui)
            .striped(false)
            .vscroll(true)
            .auto_shrink([false, true])
            .max_scroll_height(height);
        for column in &shown {
            table = table.column(Width::initial(column.width()).at_least(36.0).clip(true));
        }
        let table = table.header(24.0, |mut row| {
            for &column in &shown {
                row.col(|ui| {
                    ui.with_layout(layout(column), |ui| {
                        if heading(ui, column, view.sort, t) {
                            clicked = Some(column);
                        }
                    });
                });
            }
        });
        table.body(|body| {
            body.rows(22.0, lines.len(), |mut row| {
                let line = &lines[row.index()];
                let color = if line.figure.error.is_some() { t.bad } else { t.text };
                for &column in &shown {
                    row.col(|ui| {
                        ui.with_layout(layout(column), |ui| {
                            let dim = matches!(
                                column,
                                BenchmarkColumn::Unit
                                    | BenchmarkColumn::From
                                    | BenchmarkColumn::Sd
                                    | BenchmarkColumn::Runs
                            );
                            let text = RichText::new(line.text(column)).size(size::SMALL);
                            let text = text.color(if dim { t.text_dim } else { color });
                            ui.add(eframe::egui::Label::new(text).truncate());
                        });
                    });
                }
            });
        });
    });
    clicked
}

fn heading(ui: &mut Ui, column: BenchmarkColumn, sort: Option<(BenchmarkColumn, bool)>, t: &Tokens) -> bool {
    let arrow = match sort {
        Some((c, true)) if c == column => " ↓",
        Some((c, false)) if c == column => " ↑",
        _ => "",
    };
    let text = RichText::new(format!("{}{arrow}", column.name())).size(size::SMALL).color(t.text_dim);
    let response = ui.add(eframe::egui::Label::new(text).selectable(false).sense(Sense::click()));
    response.widget_info(|| {
        WidgetInfo::labeled(Role::Button, true, format!("Sort by {}", column.name().to_lowercase()))
    });
    response.on_hover_text("Sort by this").clicked()
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::example;
    use super::*;
    use crate::command::FigureKind;

    #[test]
    fn rows_are_sorted_and_copied_as_they_are_shown() {
        let results = Results::of(&example());
        let mut view = View { sort: Some((BenchmarkColumn::Mean, true)), ..View::default() };
        let names = |view: &View| {
            lines(&results, None, view).iter().map(|l| l.text(BenchmarkColumn::Backend)).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&view),
            ["avx2 ×2", "scalar ×1", "llvmpipe", "avx2 ×2"],
            "the wrong one has no figure"
        );
        view.sort = Some((BenchmarkColumn::Mean, false));
        assert_eq!(names(&view), ["llvmpipe", "scalar ×1", "avx2 ×2", "avx2 ×2"]);
        view.sort = Some((BenchmarkColumn::Test, false));
        assert_eq!(lines(&results, None, &view)[0].text(BenchmarkColumn::Test), "pp8");
        view.baseline = Some("llvmpipe".into());
        view.sort = None;
        let text = copied(&results, Some(&results), &view);
        let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split('\t').collect()).collect();
        assert_eq!(rows.len(), 1 + 2 * 4);
        assert!(rows.iter().all(|r| r.len() == BenchmarkColumn::ALL.len()));
        assert_eq!(rows[2][..4], ["tg8", "avx2 ×2", "50.0", "10.0"]);
        assert_eq!(rows[2][4..7], ["tokens/s", "×25.0", "right, same bits"]);
        assert_eq!(rows[2][11..], ["3", "this run"]);
        assert_eq!(rows[5][12], "earlier");
        assert!(rows[3][6].starts_with("wrong: token 9"));
        view.kind = Some(FigureKind::Product);
        assert_eq!(lines(&results, None, &view).len(), 0);
    }
}
