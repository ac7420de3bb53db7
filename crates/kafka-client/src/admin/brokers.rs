//! The cluster itself: its id, its brokers, its controller.

use kafka_types::{BrokerId, ErrorCode};
use kafka_wire::{describe_cluster, metadata};

use super::Admin;
use super::call::{Call, Target};
use crate::bootstrap::HostPort;
use crate::error::Error;
use crate::metadata::{Metadata, Node};

/// The cluster as one of its brokers describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id; very old brokers do not tell.
    pub cluster_id: Option<String>,
    /// Its controller, if there is one right now.
    pub controller: Option<BrokerId>,
    /// Its brokers by number.
    pub brokers: Vec<Node>,
}

impl Admin {
    /// The cluster's id, controller and brokers.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, Error> {
        self.call("listNodes").until_settled(async |call| try_describe(call).await).await
    }
}

async fn try_describe(call: &mut Call<'_>) -> Result<ClusterDescription, Error> {
    let connection = call.connection(Target::Any).await?;
    if connection.version::<describe_cluster::DescribeCluster>().is_err() {
        // Brokers before 2.8 tell it with their metadata.
        let request = metadata::Request { topics: Some(Vec::new()), ..metadata::Request::default() };
        let response = call.send::<metadata::Metadata>(&connection, &request).await?;
        let found = Metadata::default().updated(&response, true);
        return Ok(ClusterDescription {
            cluster_id: found.cluster_id,
            controller: found.controller,
            brokers: found.brokers.into_values().collect(),
        });
    }
    let request = describe_cluster::Request::default();
    let response = call.send::<describe_cluster::DescribeCluster>(&connection, &request).await?;
    Error::check_with(response.error_code, response.error_message.as_deref())?;
    let mut brokers: Vec<Node> = response
        .brokers
        .into_iter()
        .map(|broker| {
            let port = u16::try_from(broker.port).map_err(|_| Error::Broker {
                code: ErrorCode::UnknownServerError,
                message: Some(format!("broker {} has the port {}", broker.broker_id, broker.port)),
            })?;
            Ok(Node { id: BrokerId(broker.broker_id), address: HostPort::new(broker.host, port), rack: broker.rack })
        })
        .collect::<Result<_, Error>>()?;
    brokers.sort_by_key(|broker| broker.id);
    Ok(ClusterDescription {
        cluster_id: Some(response.cluster_id),
        controller: (response.controller_id >= 0).then_some(BrokerId(response.controller_id)),
        brokers,
    })
}
