//! A setting: its name, its number, which can be typed, and a slider below. What it was before is one click away.

use std::ops::RangeInclusive;

use eframe::egui::{Align, DragValue, Layout, Response, RichText, Slider, Ui, emath::Numeric};

use crate::icons::{Icon, icon_button};
use crate::tokens::{Tokens, size};

/// Where a setting may be.
#[derive(Clone, Debug)]
pub struct Range<T> {
    /// Of the slider; a typed number may go up to `most`.
    pub slider: RangeInclusive<T>,
    /// The largest number that may be typed.
    pub most: T,
    /// The value to go back to.
    pub usual: T,
    /// Digits after the point.
    pub digits: usize,
    /// Whether the slider's steps grow with the value.
    pub logarithmic: bool,
}

/// One setting; answers whether it was changed.
pub fn slider_row<T: Numeric>(ui: &mut Ui, name: &str, hint: &str, value: &mut T, range: &Range<T>) -> bool {
    let t = Tokens::of(ui.ctx());
    let before = *value;
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.horizontal(|ui| {
            let label = ui.label(RichText::new(name).size(size::SMALL).color(t.text_dim)).on_hover_text(hint);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let number = DragValue::new(value)
                    .range(*range.slider.start()..=range.most)
                    .max_decimals(range.digits)
                    .speed((range.slider.end().to_f64() - range.slider.start().to_f64()) / 300.0);
                let number: Response = ui.add(number).labelled_by(label.id);
                number.on_hover_text(hint);
                if *value != range.usual
                    && icon_button(ui, Icon::Undo, &format!("Reset {}", name.to_lowercase())).clicked()
                {
                    *value = range.usual;
                }
            });
            label
        })
        .inner
        .id
    });
    ui.scope(|ui| {
        ui.spacing_mut().slider_width = ui.available_width() - 2.0;
        // The size of the handle; the rail stays clickable over its own height.
        ui.spacing_mut().interact_size.y = 16.0;
        ui.visuals_mut().selection.bg_fill = t.zero;
        let slider = Slider::new(value, range.slider.clone())
            .show_value(false)
            .logarithmic(range.logarithmic)
            .clamping(eframe::egui::SliderClamping::Edits);
        let response = ui.add(slider);
        let (enabled, now) = (ui.is_enabled(), value.to_f64());
        response.widget_info(|| eframe::egui::WidgetInfo::slider(enabled, now, format!("{name} slider")));
    });
    *value != before
}
