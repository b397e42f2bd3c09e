//! A network that runs: child processes, and the clients that talk to them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use decube_node::api::types::Status;
use decube_node::client::{Client, Endpoint};

use super::failure::{AboutNode, tail};
use super::layout::{Layout, NodePlan};
use super::process::{Lifetime, NodeProcess, Program};

/// How long a node may take to be ready.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(120);
/// How long one request for readiness waits, after which the process is looked at again.
const ASK: Duration = Duration::from_millis(500);
/// The pause before asking a node again whose socket is not there yet.
const PAUSE: Duration = Duration::from_millis(10);
/// How often other ports are tried when one was taken between looking and listening.
const PORT_TRIES: usize = 5;
/// How a node says that a port is taken, in all languages of the C library's messages.
const PORT_TAKEN: [&str; 2] = ["Address already in use", "os error 98"];

/// A node of a running network.
#[derive(Debug)]
pub struct Member {
    /// Its files.
    pub plan: NodePlan,
    /// The way to talk to it.
    pub client: Client,
    process: Option<NodeProcess>,
}

impl Member {
    fn new(plan: NodePlan) -> Self {
        let client = Client::new(Endpoint::Unix(plan.socket.clone()));
        Self {
            plan,
            client,
            process: None,
        }
    }

    /// The process id while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(NodeProcess::id)
    }

    /// The context of an error about this node.
    #[must_use]
    pub fn about(&self, what: impl Into<String>) -> AboutNode {
        AboutNode {
            name: self.plan.name.clone(),
            log: self.plan.log(),
            what: what.into(),
        }
    }

    /// Fails when the process ended by itself.
    fn check(&mut self) -> Result<()> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let Some(status) = process.ended()? else {
            return Ok(());
        };
        self.process = None;
        Err(anyhow!("it ended with {status}").context(self.about("it should be running")))
    }
}

/// A running network. Dropping it kills the nodes that are tied to this program.
#[derive(Debug)]
pub struct Testnet {
    /// The files.
    pub layout: Layout,
    /// The nodes, in the order of the layout.
    pub members: Vec<Member>,
    program: Program,
}

impl Testnet {
    /// A network none of whose nodes runs yet.
    #[must_use]
    pub fn new(layout: Layout, program: Program) -> Self {
        let members = layout.nodes.iter().cloned().map(Member::new).collect();
        Self {
            layout,
            members,
            program,
        }
    }

    /// Starts all nodes and waits until they are ready; with other ports when one was taken.
    ///
    /// # Errors
    /// [`AboutNode`] when a node ends or is not ready in time.
    pub async fn start(layout: Layout, program: Program) -> Result<Self> {
        let mut testnet = Self::new(layout, program);
        for _ in 1..PORT_TRIES {
            match testnet.start_all().await {
                Err(error) if port_taken(&error) => {
                    testnet.kill_all()?;
                    let mut layout = testnet.layout.clone();
                    layout.change_ports()?;
                    testnet = Self::new(layout, testnet.program.clone());
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(testnet),
            }
        }
        testnet.start_all().await?;
        Ok(testnet)
    }

    async fn start_all(&mut self) -> Result<()> {
        for index in 0..self.members.len() {
            self.spawn(index)?;
        }
        self.wait_ready().await
    }

    /// A node by its place; the first of the layout has 0.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn member(&self, index: usize) -> Result<&Member> {
        self.members
            .get(index)
            .with_context(|| format!("the network has no node {index}"))
    }

    fn member_mut(&mut self, index: usize) -> Result<&mut Member> {
        self.members
            .get_mut(index)
            .with_context(|| format!("the network has no node {index}"))
    }

    /// Starts a node's process, tied to this one.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(&mut self, index: usize) -> Result<u32> {
        let program = self.program.clone();
        let member = self.member_mut(index)?;
        if member.process.is_some() {
            bail!("{} runs already", member.plan.name);
        }
        let process = NodeProcess::start(&program, &member.plan.directory, Lifetime::Tied)?;
        let id = process.id();
        member.process = Some(process);
        Ok(id)
    }

    /// Kills a node with SIGKILL and waits until its process is gone. Says which process it was.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, index: usize) -> Result<u32> {
        let member = self.member_mut(index)?;
        member.check()?;
        let Some(mut process) = member.process.take() else {
            bail!("{} does not run", member.plan.name);
        };
        let id = process.id();
        process.kill()?;
        Ok(id)
    }

    /// Kills several nodes with SIGKILL, all before the end of any is waited for. Says which
    /// processes they were.
    ///
    /// # Errors
    /// When one does not run.
    pub fn kill_together(&mut self, places: &[usize]) -> Result<Vec<u32>> {
        let mut processes = Vec::new();
        for place in places {
            let member = self.member_mut(*place)?;
            member.check()?;
            let process = member.process.take();
            processes.push(process.with_context(|| format!("{} does not run", member.plan.name))?);
        }
        for process in &mut processes {
            process.send_kill()?;
        }
        for process in &mut processes {
            process.kill()?;
        }
        Ok(processes.iter().map(NodeProcess::id).collect())
    }

    fn kill_all(&mut self) -> Result<()> {
        for member in &mut self.members {
            if let Some(mut process) = member.process.take() {
                process.kill()?;
            }
        }
        Ok(())
    }

    /// Fails when a node that should be running ended.
    ///
    /// # Errors
    /// [`AboutNode`].
    pub fn check(&mut self) -> Result<()> {
        self.members.iter_mut().try_for_each(Member::check)
    }

    /// Waits until all nodes that run are ready.
    ///
    /// # Errors
    /// [`AboutNode`] when one ends or is not ready in time.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        for index in 0..self.members.len() {
            while self.member(index)?.process.is_some() {
                // The others are looked at too: one that ended may be why this one is not ready.
                self.check()?;
                let member = self.member(index)?;
                let error = match member.client.wait_ready(ASK).await {
                    Ok(_) => break,
                    Err(error) => error,
                };
                if started.elapsed() > READY_LIMIT {
                    let what = format!("it was not ready within {READY_LIMIT:?}");
                    return Err(anyhow!(error).context(member.about(what)));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// What each node that runs says of itself.
    ///
    /// # Errors
    /// [`AboutNode`] when one does not answer.
    pub async fn statuses(&self) -> Result<Vec<(&Member, Status)>> {
        let mut statuses = Vec::new();
        for member in self.running() {
            let status = member.client.status().await;
            let status = status.with_context(|| member.about("it did not tell its status"))?;
            statuses.push((member, status));
        }
        Ok(statuses)
    }

    /// The nodes that run.
    pub fn running(&self) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(|member| member.process.is_some())
    }

    /// Lets all nodes go on after this program ends.
    ///
    /// # Errors
    /// When one is gone.
    pub fn let_go(mut self) -> Result<()> {
        for member in &mut self.members {
            if let Some(process) = &mut member.process {
                let released = process.let_go();
                released.with_context(|| member.about("it should go on"))?;
            }
        }
        Ok(())
    }

    /// Ends all nodes in order.
    ///
    /// # Errors
    /// [`AboutNode`] when one had to be killed or ended with an error; all are gone then too.
    pub fn stop(mut self) -> Result<()> {
        for member in &mut self.members {
            if let Some(process) = &mut member.process {
                process.ask_to_end();
            }
        }
        let mut result = Ok(());
        for member in &mut self.members {
            if let Some(mut process) = member.process.take() {
                let stopped = process
                    .stop()
                    .with_context(|| member.about("it was to end"));
                result = result.and(stopped);
            }
        }
        self.layout.remove_links();
        result
    }
}

/// Whether a node did not start because its port was taken.
fn port_taken(error: &anyhow::Error) -> bool {
    let log = error
        .downcast_ref::<AboutNode>()
        .map(|about| tail(&about.log))
        .unwrap_or_default();
    PORT_TAKEN.iter().any(|sign| log.contains(sign))
}
