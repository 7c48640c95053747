//! Several nodes of one installation.

use crate::hub::Hub;
use crate::peers::{Scratch, hub_configuration};
use crate::servers::Servers;
use anyhow::Context;
use std::path::Path;

/// Nodes on one PostgreSQL and one Redis. Dropped in this order.
pub struct Cluster {
    pub nodes: Vec<Hub>,
    pub servers: Servers,
    /// Of the nodes' data.
    folder: Scratch,
}

impl Cluster {
    /// Starts `nodes` nodes, one after the other, with the owner signed in on each.
    pub async fn start(binary: &Path, nodes: usize, durable: bool) -> anyhow::Result<Self> {
        Self::start_with(binary, nodes, durable, "").await
    }

    /// As [`Cluster::start`], with more of a configuration file.
    pub async fn start_with(binary: &Path, nodes: usize, durable: bool, more: &str) -> anyhow::Result<Self> {
        let servers = Servers::start(durable)?;
        let folder = Scratch::new("nodes")?;
        let configuration = format!("{}{}{more}", servers.configuration(), hub_configuration());
        // nodes of one installation share its secret
        let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let mut cluster = Self {
            nodes: Vec::new(),
            servers,
            folder,
        };
        for number in 0..nodes {
            let data = cluster.folder.path().join(format!("node{number}"));
            std::fs::create_dir(&data)?;
            std::fs::write(data.join("secrets.hex"), &secret)?;
            let mut node = Hub::at(binary, &data, &configuration)?;
            node.run().await.with_context(|| format!("node {number}"))?;
            match cluster.nodes.first() {
                Some(first) => node.token.clone_from(&first.token),
                None => node.sign_in().await?,
            }
            cluster.nodes.push(node);
        }
        Ok(cluster)
    }

    /// The first node, for what any of them does.
    pub fn any(&self) -> anyhow::Result<&Hub> {
        self.nodes.first().context("no node")
    }
}
