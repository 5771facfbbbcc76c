//! Several processes that train one model with a card each, on one machine or on many: as `torchrun` and SLURM start them, and say so in
//! the environment. The first of them has the run; the others need neither its text nor its folder.

use std::io::{BufReader, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use train::config::Config;
use train::graph;

use super::call::{Answer, Call, Prepare};
use super::follow::Follower;
use super::line::{Line, gone};
use super::watch::{LOOK, Watch};
use super::wire;
use crate::driver::{Device, cards, kernels_digest};
use crate::error::{Error, Result};
use crate::plan::{CudaOptions, Share};

/// How long a process that has called has to say who it is.
const GREETING: Duration = Duration::from_secs(10);
/// How long the others try to reach the first one, which may be started after them.
const REACH: Duration = Duration::from_secs(600);
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// Where the first process listens if nothing is said; `torchrun` itself listens at `MASTER_PORT`, so it is the one behind that.
const PORT: u16 = 29_501;

/// A process's place among all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Which it is, counted from 0.
    pub rank: usize,
    /// How many there are.
    pub processes: usize,
    /// Which it is of those on its machine.
    pub local: usize,
    /// The first one's machine.
    pub address: String,
    /// Where the first one listens.
    pub port: u16,
}

/// What a process says first.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Greeting {
    program: String,
    /// Of its kernels: other ones would compute other bits.
    kernels: u64,
    rank: usize,
    processes: usize,
}

impl Greeting {
    fn of(cluster: &Cluster) -> Greeting {
        let program = concat!("tercet ", env!("CARGO_PKG_VERSION")).into();
        Greeting { program, kernels: kernels_digest(), rank: cluster.rank, processes: cluster.processes }
    }
}

impl Cluster {
    /// This process's place, as the environment has it; `None` where it is alone.
    ///
    /// # Errors
    /// The environment says half of it, or what cannot be.
    pub fn from_env() -> Result<Option<Cluster>> {
        Cluster::read(|name| std::env::var(name).ok())
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> Result<Option<Cluster>> {
        let names = match (get("WORLD_SIZE"), get("SLURM_STEP_NUM_TASKS")) {
            (Some(_), _) => ["WORLD_SIZE", "RANK", "LOCAL_RANK"],
            (None, Some(_)) => ["SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"],
            (None, None) => return Ok(None),
        };
        let wrong = |problem: String| Error::Together { problem };
        let number = |name: &str, text: &str| {
            text.trim()
                .parse::<usize>()
                .map_err(|_| wrong(format!("{name} is {text:?}; expected a whole number")))
        };
        let needed = |name: &str| {
            let text = get(name).ok_or_else(|| {
                wrong(format!("{} is set and {name} is not; set it, or unset both to train alone", names[0]))
            })?;
            Ok(text)
        };
        let processes = number(names[0], &needed(names[0])?)?;
        if processes <= 1 {
            return Ok(None);
        }
        let rank = number(names[1], &needed(names[1])?)?;
        if rank >= processes {
            return Err(wrong(format!(
                "{} is {rank} of {} {processes}; it counts from 0",
                names[1], names[0]
            )));
        }
        let local = match get(names[2]) {
            Some(text) => number(names[2], &text)?,
            None => rank,
        };
        let address = needed("MASTER_ADDR")?;
        let port = |name: &str, add: u16| {
            let Some(text) = get(name) else { return Ok(None) };
            let port = text.trim().parse::<u16>().ok().and_then(|port| port.checked_add(add));
            port.map(Some).ok_or_else(|| wrong(format!("{name} is {text:?}; expected a port's number")))
        };
        let port = match port("TERCET_PORT", 0)? {
            Some(port) => port,
            None => port("MASTER_PORT", 1)?.unwrap_or(PORT),
        };
        Ok(Some(Cluster { rank, processes, local, address, port }))
    }

    /// The card of this process: the one of its number on its machine, or the only one that it is shown.
    ///
    /// # Errors
    /// No driver or card; more processes on a machine than cards.
    pub fn card(&self) -> Result<usize> {
        match cards()?.len() {
            1 => Ok(0),
            found if self.local < found => Ok(self.local),
            found => Err(Error::NoSuchCard { asked: self.local, found }),
        }
    }

    /// The first process begins to listen, so that the others find it.
    ///
    /// # Errors
    /// The port is taken.
    pub fn listen(&self) -> Result<TcpListener> {
        // On one machine nobody else needs to reach it.
        let here = self.address == "localhost"
            || self.address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let listener = if here {
            TcpListener::bind((&*self.address, self.port))
        } else {
            // Not at its own name: many machines know that as a loopback address, which no other one reaches.
            TcpListener::bind((Ipv6Addr::UNSPECIFIED, self.port))
                .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, self.port)))
        };
        let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        listener.map_err(|error| Error::Together {
            problem: format!("cannot listen at port {} for the other processes ({error}); set TERCET_PORT to another one everywhere", self.port),
        })
    }

    fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        Ok((&*self.address, self.port).to_socket_addrs()?.collect())
    }

    /// Waits until all others have called, and tells each the program.
    ///
    /// # Errors
    /// One that is of another version, or gone again; `cancel` was set.
    pub fn gather(
        &self,
        listener: &TcpListener,
        config: &Config,
        vocab: usize,
        cancel: &AtomicBool,
        watch: &Arc<Watch>,
    ) -> Result<Vec<Line>> {
        let config = toml::to_string(config).expect("a configuration is TOML");
        let mut lines: Vec<Option<Line>> = (1..self.processes).map(|_| None).collect();
        let failed = |error: std::io::Error| Error::Together {
            problem: format!("cannot listen for the other processes: {error}"),
        };
        while lines.iter().any(Option::is_none) {
            watch.check()?;
            if cancel.load(Ordering::Relaxed) {
                return Err(Error::Together { problem: "stopped before the other processes came".into() });
            }
            let Some((mut stream, from)) = called(listener).map_err(failed)? else { continue };
            let Some(greeting) = greeted(&mut stream) else { continue };
            let expected = Greeting { rank: greeting.rank, ..Greeting::of(self) };
            let who = format!("process {} ({})", greeting.rank, from.ip());
            let place =
                greeting.rank.checked_sub(1).and_then(|i| lines.get_mut(i)).filter(|line| line.is_none());
            let (Some(place), true) = (place, greeting == expected) else {
                let problem = format!(
                    "{who} says that it is {} of {} with {}; expected another rank of {} with the same {}",
                    greeting.rank, greeting.processes, greeting.program, self.processes, expected.program
                );
                let _ = wire::send(&mut stream, &Call::Lost { problem: problem.clone() });
                return Err(Error::Together { problem });
            };
            let mut line = Line::to_process(who, stream, watch).map_err(failed)?;
            let prepare =
                Prepare { config: config.clone(), vocab, rank: greeting.rank, cards: self.processes };
            line.tell(&Arc::new(Call::Prepare(prepare)))?;
            *place = Some(line);
        }
        Ok(lines.into_iter().flatten().collect())
    }

    /// Tells the others that there is nothing to do, as far as they call in the next seconds.
    pub fn dismiss(&self, listener: &TcpListener) {
        let (began, mut left) = (Instant::now(), self.processes - 1);
        while left > 0 && began.elapsed() < GREETING {
            if let Ok(Some((mut stream, _))) = called(listener)
                && greeted(&mut stream).is_some()
            {
                left -= 1;
                // One that is gone again needs no word.
                let _ = wire::send(&mut stream, &Call::End);
            }
        }
    }

    /// A process that is not the first takes part until the run ends. `tell` hears what it does. `cancel` counts as long as the first one is not
    /// reached; after that it is the first one's to end, which has something to save.
    ///
    /// # Errors
    /// The first one is not reached, or gone; this one's card does not take the program.
    pub fn follow(&self, cancel: &AtomicBool, tell: &dyn Fn(&str)) -> Result<()> {
        let mut stream = self.reach(cancel)?;
        let lost = |error: std::io::Error| Error::Other { who: self.first(), problem: gone(&error) };
        wire::send(&mut stream, &Greeting::of(self)).map_err(lost)?;
        let mut from = BufReader::new(stream.try_clone().map_err(lost)?);
        // Where the first one is gone the watch says so.
        let answer = |words: Answer| drop(wire::send(&mut &stream, &words));
        let worked = self.follow_on(&mut from, &answer, tell);
        if let Err(error) = &worked {
            answer(Answer::Failed { problem: error.to_string() });
        }
        worked
    }

    fn follow_on(
        &self,
        from: &mut BufReader<TcpStream>,
        answer: &dyn Fn(Answer),
        tell: &dyn Fn(&str),
    ) -> Result<()> {
        let first = self.first();
        let prepare = match wire::receive(from) {
            Ok(Call::Prepare(prepare)) => prepare,
            Ok(Call::Lost { problem }) => return Err(Error::Other { who: first, problem }),
            // The run was complete before it began.
            Ok(Call::End) => return Ok(()),
            Ok(_) => return Err(Error::Other { who: first, problem: "it speaks out of turn".into() }),
            Err(error) => return Err(Error::Other { who: first, problem: gone(&error) }),
        };
        let config: Config = toml::from_str(&prepare.config).map_err(|error| Error::Other {
            who: first.clone(),
            problem: format!("it sends a configuration that cannot be read: {error}"),
        })?;
        let program = graph::build(&config.model_config(prepare.vocab), config.recipe());
        let device = Device::open(self.card()?)?;
        tell(&format!("process {} of {} trains on {} for {first}", self.rank, self.processes, device.card()));
        let (give, calls) = channel();
        let watch = Arc::new(Watch::default());
        let share = Share { rank: prepare.rank, cards: prepare.cards };
        let options = CudaOptions { share, ..CudaOptions::on(device.card().index) };
        let who = format!("process {}", self.rank);
        let follower = Follower { who, device, program, options, calls, answer, watch: Arc::clone(&watch) };
        let stream = from.get_ref().try_clone();
        std::thread::scope(|scope| {
            let (first, watch) = (&first, &watch);
            scope.spawn(move || listen(from, give, first, watch));
            let worked = catch_unwind(AssertUnwindSafe(|| follower.work()));
            // Ends the thread that listens.
            if let Ok(stream) = &stream {
                let _ = stream.shutdown(Shutdown::Read);
            }
            worked.unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// The first process, in words.
    fn first(&self) -> String {
        format!("the first process at {}:{}", self.address, self.port)
    }

    fn reach(&self, cancel: &AtomicBool) -> Result<TcpStream> {
        let began = Instant::now();
        loop {
            let reached = self.resolve().and_then(|all| TcpStream::connect(&*all));
            match reached.and_then(|stream| wire::prepare(&stream).map(|()| stream)) {
                Ok(stream) => return Ok(stream),
                Err(error) if began.elapsed() > REACH || cancel.load(Ordering::Relaxed) => {
                    return Err(Error::Other { who: self.first(), problem: format!("not reached: {error}") });
                }
                Err(_) => sleep(TRY_AGAIN),
            }
        }
    }
}

/// Passes on what the first process tells, and knows at once when it is gone.
fn listen(from: &mut BufReader<TcpStream>, give: Sender<Arc<Call>>, first: &str, watch: &Watch) {
    loop {
        let call = match wire::receive::<Call>(from) {
            Ok(call) => call,
            Err(error) => return watch.lost(first, &gone(&error)),
        };
        if let Call::Lost { problem } = &call {
            watch.lost(first, problem);
        }
        let is_last = matches!(call, Call::End | Call::Lost { .. });
        // Where nobody takes it the card has failed, and that is said elsewhere.
        if give.send(Arc::new(call)).is_err() || is_last {
            return;
        }
    }
}

/// Somebody who calls; `None` if nobody does for a moment.
fn called(listener: &TcpListener) -> std::io::Result<Option<(TcpStream, SocketAddr)>> {
    match listener.accept() {
        Ok((stream, from)) => stream.set_nonblocking(false).map(|()| Some((stream, from))),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            sleep(LOOK);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Who calls; `None` is somebody else, who is not answered.
fn greeted(stream: &mut TcpStream) -> Option<Greeting> {
    wire::prepare(stream).ok()?;
    stream.set_read_timeout(Some(GREETING)).ok()?;
    let greeting = wire::receive(stream).ok()?;
    stream.set_read_timeout(None).ok()?;
    Some(greeting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Option<Cluster>> {
        Cluster::read(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_environment_says_which_process_this_is() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[("WORLD_SIZE", "1"), ("RANK", "0")]).unwrap(), None);
        let torchrun = [
            ("WORLD_SIZE", "4"),
            ("RANK", "3"),
            ("LOCAL_RANK", "1"),
            ("MASTER_ADDR", "node0"),
            ("MASTER_PORT", "29500"),
        ];
        let cluster = Cluster { rank: 3, processes: 4, local: 1, address: "node0".into(), port: 29_501 };
        assert_eq!(read(&torchrun).unwrap(), Some(cluster.clone()));
        let slurm = [
            ("SLURM_STEP_NUM_TASKS", "4"),
            ("SLURM_PROCID", "3"),
            ("SLURM_LOCALID", "1"),
            ("MASTER_ADDR", "node0"),
            ("TERCET_PORT", "7000"),
        ];
        assert_eq!(read(&slurm).unwrap(), Some(Cluster { port: 7000, ..cluster }));
        // In a batch script itself there is one process, whatever was asked for.
        assert_eq!(read(&[("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")]).unwrap(), None);
    }

    #[test]
    fn half_an_environment_is_one_sentence() {
        for (vars, part) in [
            (&[("WORLD_SIZE", "2")][..], "RANK is not"),
            (&[("WORLD_SIZE", "two"), ("RANK", "0")], "WORLD_SIZE is \"two\""),
            (&[("WORLD_SIZE", "2"), ("RANK", "2"), ("MASTER_ADDR", "a")], "RANK is 2 of WORLD_SIZE 2"),
            (&[("WORLD_SIZE", "2"), ("RANK", "1")], "MASTER_ADDR is not"),
            (
                &[("WORLD_SIZE", "2"), ("RANK", "1"), ("MASTER_ADDR", "a"), ("MASTER_PORT", "65535")],
                "MASTER_PORT is \"65535\"",
            ),
        ] {
            let message = read(vars).unwrap_err().to_string();
            assert!(message.contains(part) && !message.contains('\n'), "{message}");
        }
    }

    /// Whoever calls by mistake is let go, and does not keep the others out.
    #[test]
    fn strangers_are_not_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (give, taken) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2 {
                    let (mut stream, _) = listener.accept().unwrap();
                    give.send(greeted(&mut stream)).unwrap();
                }
            });
            use std::io::Write;
            TcpStream::connect(at).unwrap().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            assert_eq!(taken.recv().unwrap(), None);
            let cluster = Cluster { rank: 1, processes: 2, local: 1, address: "x".into(), port: 1 };
            let mut stream = TcpStream::connect(at).unwrap();
            wire::send(&mut stream, &Greeting::of(&cluster)).unwrap();
            assert_eq!(taken.recv().unwrap(), Some(Greeting::of(&cluster)));
        });
    }
}
