//! Fonts, and the style of every stock widget, made from `tokens`.

use std::sync::Arc;

use eframe::egui::{
    self, Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Shadow, Stroke,
    Style, TextStyle, Theme, vec2,
};

use crate::tokens::{DARK, LIGHT, Tokens, size, space};

/// The heavier cut of the sans, for titles.
pub fn strong() -> FontFamily {
    FontFamily::Name("strong".into())
}

/// A font of the sans in its heavier cut.
pub fn strong_font(points: f32) -> FontId {
    FontId::new(points, strong())
}

/// Dresses a context.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    ctx.set_style_of(Theme::Dark, style(&DARK, true));
    ctx.set_style_of(Theme::Light, style(&LIGHT, false));
}

/// Ours first; behind them what egui brings, for symbols.
fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let own: [(&str, &'static [u8]); 3] = [
        ("sans", include_bytes!("../assets/fonts/sans.otf")),
        ("sans_strong", include_bytes!("../assets/fonts/sans_strong.otf")),
        ("mono", include_bytes!("../assets/fonts/mono.ttf")),
    ];
    for (name, bytes) in own {
        fonts.font_data.insert(name.into(), Arc::new(FontData::from_static(bytes)));
    }
    let fallback = fonts.families[&FontFamily::Proportional].clone();
    // Either of ours may have a sign that the other lacks.
    let first =
        |name: &str, second: &str| [vec![name.to_owned(), second.to_owned()], fallback.clone()].concat();
    fonts.families.insert(FontFamily::Proportional, first("sans", "mono"));
    fonts.families.insert(strong(), first("sans_strong", "mono"));
    fonts.families.insert(FontFamily::Monospace, first("mono", "sans"));
    fonts
}

fn style(t: &Tokens, dark: bool) -> Style {
    let mut style = Style::default();
    let font = |points, family: FontFamily| FontId::new(points, family);
    style.text_styles = [
        (TextStyle::Small, font(size::SMALL, FontFamily::Proportional)),
        (TextStyle::Body, font(size::BODY, FontFamily::Proportional)),
        (TextStyle::Button, font(size::BODY, FontFamily::Proportional)),
        (TextStyle::Monospace, font(size::SMALL, FontFamily::Monospace)),
        (TextStyle::Heading, font(size::SECTION, strong())),
    ]
    .into();
    style.animation_time = 0.12;
    style.url_in_tooltip = true;
    let s = &mut style.spacing;
    s.item_spacing = vec2(space::S, space::S);
    s.button_padding = vec2(10.0, 5.0);
    s.interact_size = vec2(40.0, 26.0);
    s.slider_width = 120.0;
    s.slider_rail_height = 3.0;
    s.window_margin = Margin::same(space::M as i8);
    s.menu_margin = Margin::same(6);
    s.tooltip_width = 360.0;
    s.scroll = egui::style::ScrollStyle::thin();
    // A bar, no trough: a line along a whole panel looks like an edge.
    (s.scroll.dormant_background_opacity, s.scroll.active_background_opacity) = (0.0, 0.0);

    let mut v = if dark { egui::Visuals::dark() } else { egui::Visuals::light() };
    v.override_text_color = None;
    v.panel_fill = t.bg;
    v.window_fill = t.panel;
    v.window_stroke = Stroke::new(1.0, t.line);
    v.window_corner_radius = CornerRadius::same(space::RADIUS + 2);
    v.menu_corner_radius = CornerRadius::same(space::RADIUS);
    let shadow = Shadow {
        offset: [0, 6],
        blur: 24,
        spread: 0,
        color: Color32::from_black_alpha(if dark { 110 } else { 40 }),
    };
    (v.window_shadow, v.popup_shadow) = (shadow, shadow);
    v.faint_bg_color = t.panel;
    v.extreme_bg_color = t.raised;
    v.text_edit_bg_color = Some(t.raised);
    v.code_bg_color = t.raised;
    v.hyperlink_color = t.minus;
    v.warn_fg_color = t.warn;
    v.error_fg_color = t.bad;
    v.selection.bg_fill = t.minus.gamma_multiply(0.35);
    v.selection.stroke = Stroke::new(1.0, t.minus);
    v.weak_text_color = Some(t.text_dim);
    v.text_cursor.stroke = Stroke::new(2.0, t.plus);
    // A blinking caret would draw the window twice a second for ever.
    v.text_cursor.blink = false;
    v.slider_trailing_fill = true;
    v.handle_shape = egui::style::HandleShape::Circle;
    v.striped = false;
    v.indent_has_left_vline = false;
    let widget = |fill: Color32, stroke: Color32, text: Color32| egui::style::WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, stroke),
        corner_radius: CornerRadius::same(space::RADIUS),
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    v.widgets.noninteractive = widget(t.panel, t.line, t.text);
    v.widgets.inactive = widget(t.raised, t.line, t.text);
    v.widgets.hovered = widget(t.hover, t.zero, t.text);
    v.widgets.active = widget(t.line, t.plus, t.text);
    v.widgets.open = widget(t.hover, t.line, t.text);
    style.visuals = v;
    style
}
