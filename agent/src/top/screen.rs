//! The terminal of `top`: its own screen, keys, and everything back as it was at the end. **IO**

use std::{
    io::{self, Stdout, Write as _},
    thread,
    time::{Duration, Instant},
};

use crossterm::{
    cursor::{Hide, MoveTo, Show},
    event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    execute, queue,
    style::Print,
    terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen},
};
use nix::sys::signal::{SigSet, Signal, raise};

use super::{Interval, Order, format::fit, lines, sort};

/// Keys, in the last line of the screen.
const KEYS: &str = "sort: p packets  b bits  d drops  n name    arrows scroll    q quit";
/// Lines that are no rows: the first and the last.
const FRAME: u16 = 2;

/// The terminal, ours while this lives.
#[derive(Debug)]
pub struct Screen {
    out: Stdout,
    order: Order,
    /// Rows that have been scrolled over.
    scrolled: usize,
}

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The interval is over, go on.
    GoOn,
    /// Stop.
    Quit,
}

impl Screen {
    /// Takes the terminal.
    pub fn open(order: Order) -> io::Result<Self> {
        give_back_on_signals()?;
        terminal::enable_raw_mode()?;
        // From here on it is given back whatever happens.
        let mut screen = Self {
            out: io::stdout(),
            order,
            scrolled: 0,
        };
        execute!(screen.out, EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// Shows an interval, and answers keys until `end`.
    pub fn show(&mut self, interval: Option<&Interval>, end: Instant) -> io::Result<Wish> {
        loop {
            self.draw(interval)?;
            let left = end.saturating_duration_since(Instant::now());
            if !event::poll(left)? {
                return Ok(Wish::GoOn);
            }
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
                && self.press(key)
            {
                return Ok(Wish::Quit);
            }
            if left == Duration::ZERO {
                return Ok(Wish::GoOn);
            }
        }
    }

    /// Tells whether the key ends it.
    fn press(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return true,
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('p') => self.order = Order::Packets,
            KeyCode::Char('b') => self.order = Order::Bits,
            KeyCode::Char('d') => self.order = Order::Drops,
            KeyCode::Char('n') => self.order = Order::Name,
            KeyCode::Down => self.scrolled += 1,
            KeyCode::Up => self.scrolled = self.scrolled.saturating_sub(1),
            _ => {}
        }
        false
    }

    fn draw(&mut self, interval: Option<&Interval>) -> io::Result<()> {
        let (width, height) = terminal::size()?;
        let (columns, rows) = (
            usize::from(width),
            usize::from(height.saturating_sub(FRAME)),
        );
        let order = match self.order {
            Order::Packets => "packets",
            Order::Bits => "bits",
            Order::Drops => "drops",
            Order::Name => "name",
        };
        let (title, table) = match interval {
            None => ("udplb: counting".to_owned(), Vec::new()),
            Some(interval) => {
                let mut interval = interval.clone();
                sort(&mut interval, self.order);
                let title = format!("udplb: last {:.1} s, by {order}", interval.seconds);
                (title, lines(&interval, Some(columns)))
            }
        };
        // The titles stay; rows go up to the last one.
        self.scrolled = self.scrolled.min(table.len().saturating_sub(rows.max(1)));
        let body = table.iter().skip(1 + self.scrolled);
        let shown = table.iter().take(1).chain(body).take(rows);
        for (number, line) in (0..).zip([&title].into_iter().chain(shown)) {
            self.line(number, &fit(line, columns))?;
        }
        queue!(self.out, Clear(ClearType::FromCursorDown))?;
        self.line(height.saturating_sub(1), &fit(KEYS, columns))?;
        self.out.flush()
    }

    fn line(&mut self, number: u16, text: &str) -> io::Result<()> {
        queue!(
            self.out,
            MoveTo(0, number),
            Print(text),
            Clear(ClearType::UntilNewLine)
        )
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back(&mut self.out);
    }
}

fn give_back(out: &mut impl io::Write) {
    // Where the terminal is gone, nothing is left to restore.
    let _shown = execute!(out, Show, LeaveAlternateScreen);
    let _cooked = terminal::disable_raw_mode();
}

/// A signal ends the process as always, but gives the terminal back first.
fn give_back_on_signals() -> io::Result<()> {
    let signals: SigSet = [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ]
    .into_iter()
    .collect();
    signals.thread_block()?;
    let wait = move || {
        let Ok(signal) = signals.wait() else {
            return;
        };
        // Kept to the end, so that nothing is drawn afterwards.
        let mut out = io::stdout().lock();
        give_back(&mut out);
        let _unblocked = signals.thread_unblock();
        let _ended = raise(signal);
    };
    let _detached = thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)?;
    Ok(())
}
