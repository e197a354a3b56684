//! `check`: whether an agent would run here with a file, with no change made. **IO**

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use prometheus::Registry;
use udplb_api::UdpForward;
use udplb_plan::Standalone;
use udplb_process::dns::{self, Dns};

use super::{Output, runtime};
use crate::{
    check::{File, Host, Report},
    desired::{Desired, notice::Notice},
    kernel::netlink::{self, Network},
    preflight::{self, folder, judge, privilege::Capability},
    source::{
        file::{self, Parsed},
        planned,
    },
};

/// How long somebody at a terminal waits for host names: as long as two silent name servers are given.
const ANSWERS: Duration = Duration::from_secs(10);

/// Check this host and a file of forwards, changing nothing
///
/// Ends with 0 only if `run` would work. A file alone can be checked by any user: then the host is not.
#[derive(Clone, Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Example: udplb-agent check -c forwards.yaml"
)]
pub(super) struct Check {
    /// Forwards to check
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    on: super::host::Host,
    /// Print text or json
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    output: Output,
}

impl Check {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let report = runtime()?.block_on(self.report())?;
        let mut out = io::stdout().lock();
        match self.output {
            Output::Text if out.is_terminal() => write!(out, "{report:#}")?,
            Output::Text => write!(out, "{report}")?,
            Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report.to_json())?)?,
        }
        let failed = report.failed();
        anyhow::ensure!(
            failed == 0,
            "`run` would not work: {failed} of these failed"
        );
        Ok(())
    }

    async fn report(&self) -> anyhow::Result<Report> {
        let host = self.host().await?;
        let mut file = None;
        if let Some(path) = &self.config {
            let planned = match file::load(path) {
                Ok(Parsed { forwards, lines }) => Ok((plan(&forwards).await?, lines)),
                Err(error) => Err(error),
            };
            let notices = match &planned {
                Ok((plan, _)) if host.is_some() => notices(plan).await.unwrap_or_default(),
                _ => Vec::new(),
            };
            file = Some(File::of(path, planned.as_ref(), &notices));
        }
        Ok(Report { host, file })
    }

    /// None where a user without any of the privileges asks about a file.
    async fn host(&self) -> anyhow::Result<Option<Host>> {
        let probes = preflight::probe(self.on.hook).await?;
        let lacks = probes.capabilities.missing(&Capability::OF_RUN);
        if self.config.is_some() && lacks == Capability::OF_RUN {
            return Ok(None);
        }
        let mut findings = judge::findings(&probes, self.on.hook);
        let mounts = probes.capabilities.has(Capability::SysAdmin);
        let (pins, state) = folder::pins(&self.on.pins.pin_dir, mounts);
        if findings.iter().all(|finding| finding.failure().is_none()) {
            findings.push(folder::program(&self.on.pins.pin_dir));
        }
        findings.extend([
            pins,
            folder::state(&self.on.state_dir),
            folder::endpoints(self.on.http_address, state).await,
        ]);
        Ok(Some(Host {
            kernel: probes.release,
            findings,
        }))
    }
}

/// The plan of a file, with the answers that its names have now.
async fn plan(forwards: &[UdpForward]) -> anyhow::Result<Standalone> {
    let planned = planned::on_this_host(forwards, &dns::Answers::new());
    if planned.hostnames.is_empty() {
        return Ok(planned);
    }
    // Nobody scrapes a command.
    let metrics = dns::Metrics::register(&Registry::new(), "udplb_agent")?;
    let mut dns = Dns::start(BTreeMap::new(), metrics);
    dns.want(planned.hostnames);
    dns.settled(ANSWERS).await;
    Ok(planned::on_this_host(forwards, &dns.answers()))
}

/// What a plan meets on this host. None of it keeps an agent from running.
async fn notices(plan: &Standalone) -> Result<Vec<Notice>, netlink::Error> {
    let network = Network::open().await?;
    let input = planned::input(&plan.config, &plan.forwards);
    let facts = network.want(input.upstream_addresses()).await?;
    Ok(Desired::settle(&input, None, &facts).notices)
}
