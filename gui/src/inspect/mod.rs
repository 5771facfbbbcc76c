//! The model page: what the open model's file holds. Sizes and lists come from the file's header (`subject`), a tensor's
//! numbers and picture are worked out in the background when it is chosen (`portrait`, `canvas`); no weights are kept.

mod canvas;
mod card;
mod chart;
mod commands;
mod comparison;
mod detail;
mod difference;
mod difference_ui;
mod keys_ui;
mod marks;
mod metadata;
mod paint;
mod playground;
mod portrait;
mod pyramid;
mod save;
mod spot;
mod streams;
mod strip;
mod subject;
mod template;
mod tensors;
mod tensors_ui;
mod tiles;
mod ui;
mod view;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eframe::egui::ColorImage;

use crate::command::Detail;
use crate::jobs::{self, Job};
use crate::open::let_go;
use crate::page::Page;
use crate::shared::Shared;
use canvas::Canvas;
use comparison::Comparison;
use playground::Playground;
use portrait::Portrait;
use subject::{Source, Subject};
use template::Template;
use tensors::Sort;
use tiles::Tiles;

/// Portraits that are kept, to come back to.
const PORTRAITS: usize = 12;
/// Tensors that are put in order, and elements that are searched, at once; more are a job.
const AT_ONCE: usize = 20_000;

#[derive(Debug, Default)]
pub struct Inspect {
    subject: Option<Arc<Subject>>,
    reading: Option<(Source, Job<Result<Subject, String>>)>,
    /// A file of which not even the header can be read.
    unreadable: Option<Source>,
    key_filter: String,
    unfolded: BTreeSet<String>,
    key: Option<String>,
    keys: metadata::List,
    listing: Option<Job<metadata::List>>,
    tensor_filter: String,
    sort: Sort,
    order: Vec<u32>,
    ordering: Option<Job<Vec<u32>>>,
    /// Whether the lists show something else than what they were made for.
    stale: bool,
    chosen: Option<String>,
    /// Whether the chosen tensor's row is to be brought into sight.
    reveal: bool,
    looking: Option<(String, Job<Result<Portrait, String>>)>,
    portraits: Vec<Arc<Portrait>>,
    /// The tensor that cannot be looked at, and why.
    failed: Option<(String, String)>,
    canvas: Canvas,
    tab: Detail,
    wide: bool,
    /// Where the lists share a place: whether it shows the metadata.
    keys_first: bool,
    /// Tokens that the estimate of memory is for; `None` for all that the model was trained on.
    context: Option<u64>,
    playground: Playground,
    template: Template,
    comparison: Comparison,
    copying: Option<Job<Copied>>,
    saving: Option<Job<Result<PathBuf, String>>>,
}

/// What a job prepares for the clipboard.
#[derive(Debug)]
enum Copied {
    Text(String, String),
    Picture(Result<ColorImage, String>),
}

impl Inspect {
    /// Takes in what happened elsewhere.
    pub fn logic(&mut self, shared: &mut Shared) {
        self.follow(shared);
        self.refresh_lists(shared);
        self.look(shared);
        self.canvas.logic();
        let seen = self.tab == Detail::Tokens && shared.settings.page == Page::Model;
        self.playground.logic(seen, self.subject.as_deref(), shared);
        let seen = self.tab == Detail::Template && shared.settings.page == Page::Model;
        self.template.logic(seen, self.subject.as_deref(), shared);
        self.comparison.logic();
        match jobs::take(&mut self.copying) {
            Some(Ok(Copied::Text(text, what))) => {
                shared.ctx.copy_text(text);
                shared.notices.info(what);
            }
            Some(Ok(Copied::Picture(Ok(image)))) => {
                shared.ctx.copy_image(image);
                shared.notices.info("Copied the picture.");
            }
            Some(Ok(Copied::Picture(Err(why))) | Err(why)) => {
                shared.notices.bad(format!("The picture was not copied: {why}"))
            }
            None => {}
        }
        match jobs::take(&mut self.saving) {
            Some(Ok(Ok(path))) => shared.notices.good(format!("Saved {}", path.display())),
            Some(Ok(Err(why)) | Err(why)) => shared.notices.bad(format!("The picture was not saved: {why}")),
            None => {}
        }
    }

    /// Whether something is on its way.
    pub fn is_busy(&self) -> bool {
        self.reading.is_some() || self.looking.is_some() || self.canvas.is_busy() || self.comparison.is_busy()
    }

    /// Turns to the file that was refused last, or to the open model.
    fn follow(&mut self, shared: &mut Shared) {
        let refused = shared.model.refused.as_ref().map(|r| Source::Refused(r.path.clone()));
        let refused = refused.filter(|r| !self.unreadable.as_ref().is_some_and(|u| u.is(r)));
        let wanted = refused.or_else(|| shared.model.get().cloned().map(Source::Open));
        if shared.model.refused.is_none() {
            self.unreadable = None;
        }
        if let Some((source, job)) = self.reading.take() {
            let mut slot = Some(job);
            match jobs::take(&mut slot) {
                None => self.reading = slot.map(|job| (source, job)),
                Some(Ok(Ok(subject))) => self.turn_to(subject),
                Some(Ok(Err(_)) | Err(_)) => self.unreadable = Some(source),
            }
        }
        let Some(wanted) = wanted else { return };
        let shown = self.subject.as_ref().is_some_and(|s| s.source.is(&wanted));
        let coming = self.reading.as_ref().is_some_and(|(s, _)| s.is(&wanted));
        if !shown && !coming && self.reading.is_none() {
            let name = wanted.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
            let source = wanted.clone();
            let job =
                shared.jobs.start(&format!("Reading the header of {name}"), move |_| Subject::new(source));
            self.reading = job.map(|job| (wanted, job));
        }
    }

    fn turn_to(&mut self, subject: Subject) {
        let kept = self.chosen.take().filter(|name| subject.header.find(name).is_some());
        self.chosen = kept.or_else(|| subject.first_look().map(str::to_owned));
        self.reveal = true;
        self.portraits.clear();
        self.failed = None;
        self.cancel_look();
        self.canvas.show(None, None);
        self.playground.turn();
        self.template.turn();
        self.comparison.turn();
        (self.listing, self.ordering) = (None, None);
        if self.tab == Detail::Streams && subject.connections.is_empty()
            || self.tab == Detail::Tokens && subject.loaded().is_none()
            || self.tab == Detail::Template && !subject.converses()
        {
            self.tab = Detail::Tensor;
        }
        let_go(self.subject.replace(Arc::new(subject)));
        self.stale = true;
    }

    fn refresh_lists(&mut self, shared: &mut Shared) {
        if let Some(Ok(order)) = jobs::take(&mut self.ordering) {
            self.order = order;
        }
        if let Some(Ok(keys)) = jobs::take(&mut self.listing) {
            self.keys = keys;
        }
        let Some(subject) = self.subject.as_ref().filter(|_| self.stale) else { return };
        self.stale = false;
        let (header, filter, unfolded) =
            (Arc::clone(&subject.header), self.key_filter.clone(), self.unfolded.clone());
        if filter.trim().is_empty() || metadata::elements(&header, &unfolded) <= AT_ONCE {
            self.keys = metadata::List::new(&header, &filter, &unfolded);
        } else {
            let list = move |_: &jobs::JobContext| metadata::List::new(&header, &filter, &unfolded);
            let job = shared.jobs.start("Searching the metadata", list);
            self.stale |= job.is_none();
            self.listing = job.or(self.listing.take());
        }
        let (header, filter, sort) = (Arc::clone(&subject.header), self.tensor_filter.clone(), self.sort);
        if header.tensors().len() <= AT_ONCE {
            self.order = tensors::list(&header, &filter, sort);
        } else {
            let job = shared.jobs.start("Ordering tensors", move |_| tensors::list(&header, &filter, sort));
            // One that is running orders by what was asked for before.
            self.stale |= job.is_none();
            self.ordering = job.or(self.ordering.take());
        }
    }

    /// Works out the chosen tensor, while the page is seen.
    fn look(&mut self, shared: &mut Shared) {
        if let Some((name, job)) = self.looking.take() {
            let mut slot = Some(job);
            match jobs::take(&mut slot) {
                None => self.looking = slot.map(|job| (name, job)),
                Some(Ok(Ok(portrait))) => {
                    self.portraits.retain(|p| p.info.name != name);
                    self.portraits.insert(0, Arc::new(portrait));
                    self.portraits.truncate(PORTRAITS);
                }
                Some(Ok(Err(why)) | Err(why)) => self.failed = Some((name, why)),
            }
        }
        if shared.settings.page != Page::Model || self.tab != Detail::Tensor {
            return;
        }
        let (Some(subject), Some(name)) = (&self.subject, &self.chosen) else { return };
        if let Some(at) = self.portraits.iter().position(|p| p.info.name == *name) {
            if !self.canvas.is_of(&self.portraits[at]) {
                let portrait = self.portraits.remove(at);
                let tiles = Tiles::start(subject.path(), &subject.header, name, &shared.ctx);
                self.canvas.show(Some(Arc::clone(&portrait)), tiles);
                self.portraits.insert(0, portrait);
            }
            return;
        }
        if subject.header.find(name).is_none_or(|info| info.ty.known().is_none()) {
            return self.cancel_look();
        }
        let known = self.failed.as_ref().is_some_and(|(n, _)| n == name);
        if known || self.looking.as_ref().is_some_and(|(n, _)| n == name) {
            return;
        }
        let (path, header, stamp, tensor) =
            (subject.path().to_owned(), Arc::clone(&subject.header), subject.stamp, name.clone());
        let name = name.clone();
        self.cancel_look();
        let job = shared.jobs.start(&format!("Measuring {}", tensors::shown_name(&name)), move |job| {
            Portrait::new(&path, &header, stamp, &tensor, job)
        });
        match job {
            Some(job) => self.looking = Some((name, job)),
            // The same tensor was left and is still being given up.
            None => shared.ctx.request_repaint_after(Duration::from_millis(30)),
        }
    }

    fn cancel_look(&mut self) {
        if let Some((_, job)) = self.looking.take() {
            job.info.cancel();
        }
    }

    /// The portrait of the chosen tensor, if it is done.
    fn portrait(&self) -> Option<&Arc<Portrait>> {
        let name = self.chosen.as_ref()?;
        self.portraits.iter().find(|p| p.info.name == *name)
    }
}
