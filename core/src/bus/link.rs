//! How commands reach Redis: over one server, or over the shards of a Redis Cluster.

use super::RESPONSE_TIMEOUT;
use redis::aio::{AsyncPushSender, ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{
    Client, Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline, ProtocolVersion, RedisFuture, RedisResult,
    Value,
};
use std::time::Duration;

/// A server that does not take a connection by then is away.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Tries of a command on another connection, and the longest pause between two.
const TRIES: usize = 2;
const PAUSE: Duration = Duration::from_millis(200);

/// Where Redis is.
#[derive(Clone)]
pub(super) enum Address {
    One(Box<ConnectionInfo>),
    /// Some servers of a cluster; they name the others.
    Cluster(Vec<ConnectionInfo>),
}

impl Address {
    /// Reads `redis://`, `rediss://`, `redis+unix://`; and for a cluster `redis+cluster://` and `rediss+cluster://` with
    /// servers separated by commas: `redis+cluster://user:password@one:6379,two:6379`.
    pub(super) fn parse(url: &str) -> RedisResult<Self> {
        let Some((scheme, rest)) = url.split_once("+cluster://") else {
            return Ok(Self::One(Box::new(url.into_connection_info()?)));
        };
        let (credentials, servers) = rest
            .rsplit_once('@')
            .map_or(("", rest), |(who, servers)| (who, servers));
        let servers = servers.trim_end_matches('/').split(',').map(|server| {
            let at = if credentials.is_empty() { "" } else { "@" };
            format!("{scheme}://{credentials}{at}{server}").into_connection_info()
        });
        Ok(Self::Cluster(servers.collect::<RedisResult<_>>()?))
    }

    /// A server to speak to directly.
    pub(super) fn first(&self) -> RedisResult<ConnectionInfo> {
        match self {
            Self::One(server) => Ok(server.as_ref().clone()),
            Self::Cluster(servers) => match servers.first() {
                Some(server) => Ok(server.clone()),
                None => Err((redis::ErrorKind::InvalidClientConfig, "no server is named").into()),
            },
        }
    }

    /// For commands.
    pub(super) async fn connect(&self) -> RedisResult<Link> {
        match self {
            Self::One(server) => {
                let client = Client::open(server.as_ref().clone())?;
                let manager = client.get_connection_manager_with_config(one().set_number_of_retries(TRIES));
                Ok(Link::One(manager.await?))
            }
            Self::Cluster(servers) => {
                let client = cluster(servers).retries(TRIES as u32).build()?;
                Ok(Link::Cluster(client.get_async_connection().await?))
            }
        }
    }

    /// For listening: what is pushed goes to `heard`, and a connection that is lost is made anew for as long as it takes.
    pub(super) async fn listen(&self, heard: impl AsyncPushSender) -> RedisResult<Link> {
        match self {
            Self::One(server) => {
                let settings = server
                    .redis_settings()
                    .clone()
                    .set_protocol(ProtocolVersion::RESP3);
                let client = Client::open(server.as_ref().clone().set_redis_settings(settings))?;
                let config = one().set_number_of_retries(usize::MAX).set_push_sender(heard);
                Ok(Link::One(
                    client.get_connection_manager_with_config(config).await?,
                ))
            }
            Self::Cluster(servers) => {
                let client: ClusterClient = cluster(servers)
                    .use_protocol(ProtocolVersion::RESP3)
                    .push_sender(heard)
                    .build()?;
                Ok(Link::Cluster(client.get_async_connection().await?))
            }
        }
    }
}

fn one() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_max_delay(PAUSE)
}

fn cluster(servers: &[ConnectionInfo]) -> ClusterClientBuilder {
    ClusterClientBuilder::new(servers.to_vec())
        .response_timeout(RESPONSE_TIMEOUT)
        .connection_timeout(CONNECT_WITHIN)
        .max_retry_wait(PAUSE.as_millis() as u64)
}

/// A multiplexed connection that makes itself anew. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Link {
    One(ConnectionManager),
    Cluster(ClusterConnection),
}

impl Link {
    /// Asks one server, whichever.
    pub(super) async fn ask_any(&mut self, command: Cmd) -> RedisResult<String> {
        match self {
            Self::One(link) => command.query_async(link).await,
            Self::Cluster(link) => {
                let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
                Ok(redis::from_redis_value(link.route_command(command, any).await?)?)
            }
        }
    }

    pub(super) async fn subscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match self {
            Self::One(link) => link.subscribe(channels).await,
            Self::Cluster(link) => link.subscribe(channels).await,
        }
    }

    pub(super) async fn subscribe_sharded(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::One(link) => redis::cmd("SSUBSCRIBE").arg(channel).query_async(link).await,
            Self::Cluster(link) => link.ssubscribe(channel).await,
        }
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(link) => link.req_packed_command(command),
            Self::Cluster(link) => link.req_packed_command(command),
        }
    }

    /// A pipeline that is no transaction may speak of several slots: to a cluster it goes command by command, in order.
    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(link) => link.req_packed_commands(pipeline, offset, count),
            Self::Cluster(link) => Box::pin(async move {
                if pipeline.is_transaction() {
                    return link.req_packed_commands(pipeline, offset, count).await;
                }
                let mut answers = Vec::with_capacity(count);
                for command in pipeline.cmd_iter() {
                    answers.push(link.req_packed_command(command).await?);
                }
                Ok(answers.into_iter().skip(offset).take(count).collect())
            }),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(link) => link.get_db(),
            Self::Cluster(link) => link.get_db(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(url: &str) -> Vec<String> {
        match Address::parse(url).unwrap() {
            Address::One(server) => vec![server.addr().to_string()],
            Address::Cluster(servers) => servers.iter().map(|server| server.addr().to_string()).collect(),
        }
    }

    #[test]
    fn a_cluster_is_named_by_some_of_its_servers_and_one_login() {
        assert_eq!(servers("redis://one:1/"), ["one:1"]);
        assert_eq!(servers("redis+unix:///run/redis.sock"), ["/run/redis.sock"]);
        let url = "redis+cluster://ann:se@cret@one:1,two:2/";
        assert_eq!(servers(url), ["one:1", "two:2"]);
        let Address::Cluster(found) = Address::parse(url).unwrap() else {
            panic!("one server")
        };
        assert!(
            found
                .iter()
                .all(|server| server.redis_settings().username() == Some("ann"))
        );
        for bad in [
            "redis+cluster://",
            "redis+cluster://one:x",
            "http+cluster://one:1",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
