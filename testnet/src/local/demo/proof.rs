//! The committed version and its proof, verified by a process that has no node.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use decube_node::client::Selection;
use decube_protocols::types::Height;

use super::{Demo, LOOK, ProofVerified, STEP_LIMIT, within};
use crate::local::testnet::Member;

/// How `decube` ends when it understood and refuses.
const REFUSED: i32 = 5;

impl Demo<'_> {
    /// Exports the committed version and its proof at the replica, and has both verified.
    pub(super) async fn prove(&mut self, program: &Path) -> Result<()> {
        let member = self.testnet.members.last().context("there are nodes")?;
        self.wait_for_height(member, self.report.committed_height.unwrap_or_default())
            .await?;
        let directory = &self.testnet.layout.directory;
        let exported = self
            .export(member, "committed.automerge", &Selection::Committed)
            .await?;
        let present = self
            .export(member, "present.automerge", &Selection::Current)
            .await?;
        let height = self.report.committed_height.map(Height);
        let proof = member.client.proof(&self.document, height).await;
        let proof = proof.with_context(|| member.about("it gave no proof"))?;
        let path = directory.join("committed.proof");
        write(&path, &proof)?;
        let name = &member.plan.name;
        self.progress.say(format_args!(
            "{name} exported the committed version and a proof of it"
        ));
        let network = self.testnet.layout.network_path();
        let (process_id, verified) = verify(program, &path, &network, &exported).await?;
        let (_, refused) = verify(program, &path, &network, &present).await?;
        let verdict = ProofVerified {
            value: verified.code == Some(0) && refused.code == Some(REFUSED),
            path,
            exported_path: exported,
            network_path: network,
            process_id,
            exit_code: verified.code,
            exit_code_for_another_version: refused.code,
        };
        let held = verdict.value;
        self.report.proof_verified = Some(verdict);
        if !held {
            bail!(
                "`decube verify` ended with {:?} for the committed version ({}) and {:?} for the \
                 present one ({})",
                verified.code,
                verified.said,
                refused.code,
                refused.said
            );
        }
        self.progress
            .say("a process without a node verified both, and refused the present version");
        Ok(())
    }

    /// Waits until a node has the final block at `height`.
    async fn wait_for_height(&self, member: &Member, height: u64) -> Result<()> {
        let started = Instant::now();
        loop {
            let status = member.client.status().await;
            let status = status.with_context(|| member.about("it did not tell its status"))?;
            if status.final_height.0 >= height {
                return Ok(());
            }
            if started.elapsed() > STEP_LIMIT {
                let about = member.about(format!("it did not get to height {height}"));
                let error =
                    anyhow::anyhow!("it is at {} after {STEP_LIMIT:?}", status.final_height);
                return Err(error.context(about));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn export(&self, member: &Member, name: &str, version: &Selection) -> Result<PathBuf> {
        let exported = member.client.export(&self.document, version).await;
        let exported = exported.with_context(|| member.about("it exported nothing"))?;
        let path = self.testnet.layout.directory.join(name);
        write(&path, &exported.bytes)?;
        Ok(path)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// How a verification ended.
struct Verdict {
    code: Option<i32>,
    /// What it wrote on standard error.
    said: String,
}

/// Runs `decube verify` without any setting of this process's environment.
async fn verify(
    program: &Path,
    proof: &Path,
    network: &Path,
    document: &Path,
) -> Result<(u32, Verdict)> {
    let mut command = tokio::process::Command::new(program);
    command
        .arg("verify")
        .arg(proof)
        .arg("--network")
        .arg(network)
        .arg("--document")
        .arg(document);
    // A data directory that is not there: nothing but the three files is used.
    command.arg("--data-dir").arg(proof.with_extension("none"));
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.kill_on_drop(true).spawn();
    let child = child.with_context(|| format!("cannot start {}", program.display()))?;
    let process_id = child
        .id()
        .context("a process that was just started has an id")?;
    let output = within("`decube verify`", child.wait_with_output()).await??;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok((
        process_id,
        Verdict {
            code: output.status.code(),
            said,
        },
    ))
}
