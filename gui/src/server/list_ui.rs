//! The requests, drawn: those being answered with a way to end each, below them the last that have ended; and what they come to.

use std::net::IpAddr;

use eframe::egui::{
    Align, Color32, Id, Rect, RichText, Role, ScrollArea, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};
use serve::{Outcome, RequestInfo, RequestKind, RequestState};

use super::Server;
use crate::command::{Command, ServerCommand};
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{cell, count, duration, inside, per_second, rule, section, small};

/// Height of a row: that of the button in it.
const ROW: f32 = 26.0;

/// What is told of a request, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Came,
    From,
    Asks,
    Model,
    State,
    Prompt,
    Cached,
    Written,
    Speed,
    Time,
    Cancel,
}

impl Column {
    const ALL: [Column; 11] = [
        Column::Came,
        Column::From,
        Column::Asks,
        Column::Model,
        Column::State,
        Column::Prompt,
        Column::Cached,
        Column::Written,
        Column::Speed,
        Column::Time,
        Column::Cancel,
    ];
    /// Those that go where there is no room, the first first.
    const SPARE: [Column; 5] = [Column::Model, Column::Cached, Column::From, Column::Time, Column::Came];

    fn title(self) -> &'static str {
        match self {
            Column::Came => "Came",
            Column::From => "From",
            Column::Asks => "Asks for",
            Column::Model => "Model",
            Column::State => "State",
            Column::Prompt => "Prompt",
            Column::Cached => "Cached",
            Column::Written => "Written",
            Column::Speed => "Tokens/s",
            Column::Time => "Time",
            Column::Cancel => "",
        }
    }

    /// Its width; the least of the one that takes what the others leave.
    fn width(self) -> f32 {
        match self {
            Column::Came => 62.0,
            Column::From => 94.0,
            Column::Asks => 104.0,
            Column::Model => 110.0,
            Column::State => 92.0,
            Column::Prompt | Column::Cached | Column::Written => 48.0,
            Column::Speed => 54.0,
            Column::Time => 50.0,
            Column::Cancel => 24.0,
        }
    }

    fn align(self) -> Align {
        match self {
            Column::From | Column::Asks | Column::Model | Column::State | Column::Came => Align::Min,
            _ => Align::Max,
        }
    }

    fn text(self, request: &RequestInfo) -> String {
        let tokens = |n: usize| if n == 0 { "–".to_owned() } else { count(n as u64) };
        match self {
            Column::Came => ago(request),
            Column::From => request.client.map_or_else(|| "–".to_owned(), from),
            Column::Asks => asks(request),
            Column::Model => request.model.clone(),
            Column::State => state(request),
            Column::Prompt => tokens(request.prompt_tokens),
            Column::Cached => tokens(request.cached_tokens),
            Column::Written => tokens(request.written_tokens),
            Column::Speed => request.written_tokens_per_sec.map_or_else(|| "–".to_owned(), per_second),
            // What is refused at once takes no time worth telling.
            Column::Time if request.texts == 0 => "–".to_owned(),
            Column::Time => duration(request.time),
            Column::Cancel => String::new(),
        }
    }
}

/// Where columns are in a row, those that have room.
fn columns(area: Rect) -> Vec<(Column, Rect)> {
    let mut shown = Column::ALL.to_vec();
    let needs =
        |shown: &[Column]| shown.iter().map(|c| c.width()).sum::<f32>() + space::S * (shown.len() - 1) as f32;
    for spare in Column::SPARE {
        if needs(&shown) > area.width() {
            shown.retain(|column| *column != spare);
        }
    }
    let rest = (area.width() - needs(&shown)).max(0.0);
    let mut left = area.left();
    let place = |column: Column| {
        let width = column.width() + if column == Column::State { rest } else { 0.0 };
        let rect = Rect::from_min_max(pos2(left, area.top()), pos2(left + width, area.bottom()));
        left = rect.right() + space::S;
        (column, rect)
    };
    shown.into_iter().map(place).collect()
}

impl Server {
    pub(super) fn list_ui(&self, ui: &mut Ui, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        self.totals(ui);
        let rows: Vec<&RequestInfo> = self.seen.rows().collect();
        if rows.is_empty() {
            ui.label(small("A request appears here when it comes, with its speed, and can be ended"));
            return;
        }
        ui.spacing_mut().item_spacing.y = 0.0;
        let (head, _) = ui.allocate_exact_size(vec2(ui.available_width(), 20.0), Sense::hover());
        let mut inner = inside(head);
        if rows.len() as f32 * ROW > ui.available_height() {
            // As wide as the rows, which leave room for the bar that scrolls them.
            inner.max.x -= ui.spacing().scroll.allocated_width();
        }
        for (column, area) in columns(inner) {
            cell(ui, area, column.align(), column.title(), t.text_dim);
        }
        rule(ui, head);
        let last_live = self.seen.serving.len().checked_sub(1).filter(|_| !self.seen.ended.is_empty());
        ScrollArea::vertical().id_salt("requests").auto_shrink(false).show_rows(
            ui,
            ROW,
            rows.len(),
            |ui, range| {
                for i in range {
                    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
                    row(ui, rect, rows[i], shared);
                    if last_live == Some(i) {
                        rule(ui, rect);
                    }
                }
            },
        );
    }

    /// What the requests come to.
    fn totals(&self, ui: &mut Ui) {
        let t = Tokens::of(ui.ctx());
        let totals = self.seen.totals;
        ui.horizontal_wrapped(|ui| {
            section(ui, "Requests");
            ui.spacing_mut().item_spacing.x = space::L;
            let mut figure = |value: String, what: &str, hint: &str| {
                ui.scope(|ui| {
                    ui.spacing_mut().item_spacing.x = space::XS;
                    ui.label(RichText::new(value).size(size::SMALL).color(t.text)).on_hover_text(hint);
                    ui.label(small(what)).on_hover_text(hint);
                });
            };
            figure(count(totals.answered), "answered", "To their end, since the server started");
            if totals.refused > 0 {
                figure(count(totals.refused), "refused", "Or broken off; the list says why");
            }
            if totals.left + totals.cancelled > 0 {
                let n = totals.left + totals.cancelled;
                figure(count(n), "ended early", "By their clients, or here");
            }
            if self.live().is_some() {
                figure(count(self.seen.waiting() as u64), "waiting", "For others to end");
                let speed = self.seen.tokens_per_sec();
                let speed = if speed > 0.0 { per_second(speed) } else { "0".to_owned() };
                figure(speed, "tokens/s", "Written just now, for all of them together");
            }
        });
    }
}

fn row(ui: &mut Ui, rect: Rect, request: &RequestInfo, shared: &Shared) {
    let t = Tokens::of(ui.ctx());
    let ended = matches!(request.state, RequestState::Ended(_));
    let response = ui.interact(rect, Id::unique(("request", request.id)), Sense::hover());
    let words = format!("Request {}, {}, {}", request.id, asks(request), state(request));
    response.widget_info(|| WidgetInfo::labeled(Role::ListBoxOption, true, &words));
    if response.hovered() {
        ui.painter().rect_filled(rect, 4.0, t.raised);
    }
    for (column, area) in columns(inside(rect)) {
        if column == Column::Cancel {
            if !ended {
                let at = Rect::from_center_size(area.center(), vec2(26.0, 26.0));
                let mut button = ui.new_child(UiBuilder::new().max_rect(at).id_salt(("cancel", request.id)));
                if icon_button(&mut button, Icon::Close, &format!("End request {}", request.id)).clicked() {
                    shared.send(Command::Server(ServerCommand::Cancel(request.id)));
                }
            }
            continue;
        }
        let color = match column {
            Column::State => state_color(request.state, t),
            Column::Asks | Column::Written | Column::Speed if !ended => t.text,
            _ => t.text_dim,
        };
        cell(ui, area, column.align(), &column.text(request), color);
    }
    response.on_hover_text(told(request));
}

fn state_color(state: RequestState, t: &Tokens) -> Color32 {
    match state {
        RequestState::Writing => t.good,
        RequestState::Reading => t.text,
        RequestState::Ended(Outcome::Cancelled | Outcome::Left) => t.warn,
        RequestState::Ended(Outcome::Refused { .. }) => t.bad,
        RequestState::Waiting | RequestState::Ended(Outcome::Answered) => t.text_dim,
    }
}

/// What it does or how it ended, in a word or two.
fn state(request: &RequestInfo) -> String {
    match request.state {
        RequestState::Waiting => "waiting".to_owned(),
        RequestState::Reading if request.prompt_tokens > 0 => {
            let share = 100 * request.read_tokens.min(request.prompt_tokens) / request.prompt_tokens;
            format!("reading {share} %")
        }
        RequestState::Reading => "reading".to_owned(),
        RequestState::Writing => "writing".to_owned(),
        RequestState::Ended(Outcome::Answered) => "answered".to_owned(),
        RequestState::Ended(Outcome::Cancelled) => "ended here".to_owned(),
        RequestState::Ended(Outcome::Left) => "client left".to_owned(),
        RequestState::Ended(Outcome::Refused { status, code }) => match code {
            Some(code) => format!("{status} {}", code.replace('_', " ")),
            None => format!("{status} refused"),
        },
    }
}

fn asks(request: &RequestInfo) -> String {
    let kind = match request.kind {
        RequestKind::Chat => "chat",
        RequestKind::Completion => "completion",
        RequestKind::Score => "score",
        RequestKind::Other => &request.route,
    };
    if request.texts > 1 { format!("{kind} ×{}", request.texts) } else { kind.to_owned() }
}

fn from(client: IpAddr) -> String {
    if client.is_loopback() { "this machine".to_owned() } else { client.to_string() }
}

/// How long ago it came.
fn ago(request: &RequestInfo) -> String {
    match request.came.elapsed().as_secs() {
        0 => "now".to_owned(),
        s @ 1..60 => format!("{s} s ago"),
        s @ 60..3600 => format!("{} min ago", s / 60),
        s => format!("{} h ago", s / 3600),
    }
}

/// All that is known of it.
fn told(request: &RequestInfo) -> String {
    let mut text = format!("Request {} for {}, {}", request.id, request.route, state(request));
    let mut line = |more: String| {
        text.push('\n');
        text.push_str(&more);
    };
    line(format!("Came {} from {}", ago(request), request.client.map_or_else(|| "somewhere".into(), from)));
    if request.prompt_tokens > 0 {
        let (prompt, cached) = (count(request.prompt_tokens as u64), count(request.cached_tokens as u64));
        line(format!("{prompt} tokens of prompts, {cached} of them known from before"));
    }
    if let Some(first) = request.first_token_time {
        line(format!(
            "{} tokens written, the first after {}",
            count(request.written_tokens as u64),
            duration(first)
        ));
    }
    if let RequestState::Ended(Outcome::Refused { code: Some(code), .. }) = request.state
        && let Some(advice) = advice(code)
    {
        line(advice.to_owned());
    }
    text
}

/// What to do about a refusal.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "invalid_api_key" => {
            "The client has no key of this server, or another one: give it the key on the right"
        }
        "model_not_found" => "The client asks for a model of another name: give it the name in the example",
        "unknown_url" => "There is nothing at that path: a client's base URL ends in /v1",
        "unsupported_value" => {
            "It asks for what this model or this server does not do; the client was told what"
        }
        "context_length_exceeded" => "Its prompt has more tokens than the model sees at a time",
        "queue_full" => "Too many waited already; allow more texts at once, or start several servers",
        "out_of_memory" => {
            "Keys and values of texts had no room: allow fewer texts at once, or a shorter context"
        }
        "timeout" => "It took longer than a request may",
        _ => return None,
    })
}
