//! A cluster that stays until it is told to go: `make cluster`, `make cluster-down`. IO.

use std::{
    mem,
    path::Path,
    process::{Command, ExitCode},
};

use super::{Cluster, kubectl, remains};

/// What everything of it is named with. No test's cluster has such a name.
const ID: &str = "udplb-cluster";

/// Its files; temporary folders are emptied by others.
const FOLDER: &str = "/var/tmp/udplb-cluster";

const HELP: &str = "\
A Kubernetes cluster on this machine, with udplb on it, to try things on

Usage: udplb-cluster up [--nodes N] [--empty]
       udplb-cluster status
       udplb-cluster down

  up         starts it; it runs until `down`, or until the machine ends
  status     its nodes and pods
  down       ends and removes all of it, also when `up` did not get to its end

  --nodes N  how many nodes, 1 to 9 (default: 3)
  --empty    without udplb
  --help     this text

Nodes are network namespaces with a kubelet and a containerd of their own, and
so are `client` and `upstream`, for packets from and to the outside. It needs
root, about 1 GB of memory, and the archives of `make images`.

Example: udplb-cluster up --nodes 2
         export KUBECONFIG=/var/tmp/udplb-cluster/kubeconfig
         kubectl get nodes
";

#[derive(Debug, PartialEq, Eq)]
enum Order {
    Help,
    Up { nodes: u8, empty: bool },
    Status,
    Down,
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(Order::Help) => print!("{HELP}"),
        Ok(Order::Up { nodes, empty }) => return up(nodes, empty),
        Ok(Order::Status) => return status(),
        Ok(Order::Down) => {
            remains::remove(ID, Path::new(FOLDER));
            println!("The cluster is gone.");
        }
        Err(message) => {
            eprintln!("{message}; see udplb-cluster --help");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut arguments = arguments.peekable();
    let (mut nodes, mut empty) = (3, false);
    let order = arguments.next().unwrap_or_else(|| "--help".to_owned());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Order::Help),
            "--empty" if order == "up" => empty = true,
            "--nodes" if order == "up" => {
                let value = arguments.next().unwrap_or_default();
                let number = value.parse().ok().filter(|number| (1..=9).contains(number));
                nodes = number.ok_or_else(|| format!("--nodes takes 1 to 9, not \"{value}\""))?;
            }
            other => return Err(format!("{order} has no use for {other}")),
        }
    }
    match order.as_str() {
        "--help" | "-h" | "help" => Ok(Order::Help),
        "up" => Ok(Order::Up { nodes, empty }),
        "status" => Ok(Order::Status),
        "down" => Ok(Order::Down),
        other => Err(format!("there is no {other}, but up, status and down")),
    }
}

fn up(nodes: u8, empty: bool) -> ExitCode {
    let folder = Path::new(FOLDER);
    let left = remains::residue(ID);
    if folder.exists() || !left.is_empty() {
        eprintln!("A cluster is there already: `make cluster-down` removes it.");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = runtime.block_on(async {
        let cluster = Cluster::start_as(ID, folder, nodes, true).await;
        if !empty {
            cluster.install().await;
        }
        cluster
    });
    let server = cluster.layout.server();
    let (client, upstream) = (cluster.address_of("client"), cluster.address_of("upstream"));
    let node = cluster.address_of("node1");
    println!(
        "export KUBECONFIG={FOLDER}/kubeconfig\n\n\
         {nodes} nodes from {node} on, the API server at {server}. Try:\n  \
         kubectl get nodes,pods -A -o wide\n  \
         kubectl apply --server-side -f deploy/examples/forwards.yaml\n  \
         kubectl get udpforwards\n  \
         ip netns exec {ID}-client bash      a host outside, {client}\n  \
         ip netns exec {ID}-upstream bash    another one, {upstream}\n\n\
         `make cluster-down` removes all of it."
    );
    // It stays: nothing of it is dropped.
    mem::forget(cluster);
    ExitCode::SUCCESS
}

fn status() -> ExitCode {
    let folder = Path::new(FOLDER);
    if !folder.exists() {
        println!("There is no cluster: `make cluster` starts one.");
        return ExitCode::FAILURE;
    }
    println!("export KUBECONFIG={FOLDER}/kubeconfig\n");
    let mut command = kubectl(folder);
    let command: &mut Command = command.args(["get", "nodes,pods", "-A", "-o", "wide"]);
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Order, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn says_what_is_wrong_with_an_order() {
        let up = |nodes, empty| Ok(Order::Up { nodes, empty });
        assert_eq!(parsed("up"), up(3, false));
        assert_eq!(parsed("up --empty --nodes 5"), up(5, true));
        assert_eq!(parsed("down"), Ok(Order::Down));
        assert_eq!(parsed("down --help"), Ok(Order::Help));
        assert_eq!(parsed(""), Ok(Order::Help));
        for (line, message) in [
            ("up --nodes 0", "--nodes takes 1 to 9, not \"0\""),
            ("down --nodes 2", "down has no use for --nodes"),
            ("start", "there is no start, but up, status and down"),
        ] {
            assert_eq!(parsed(line), Err(message.to_owned()));
        }
    }

    #[test]
    fn help_fits_a_terminal() {
        assert!(HELP.lines().count() <= 24);
        assert!(HELP.lines().all(|line| line.len() <= 80));
    }
}
