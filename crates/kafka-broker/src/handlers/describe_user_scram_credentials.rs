//! DescribeUserScramCredentials: which users have credentials for SCRAM, not which (KIP-554).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use kafka_metadata::znodes::config::{self, DEFAULT_ENTITY, desanitize, sanitize};
use kafka_security::Operation;
use kafka_types::ErrorCode;
use kafka_wire::describe_user_scram_credentials::{
    self as wire, CredentialInfo, DescribeUserScramCredentialsResult as UserResult,
};
use sasl::{ScramCredential, ScramMechanism};

use super::Context;
use crate::zookeeper::ZooKeeper;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::Describe) {
        let error_code = ErrorCode::ClusterAuthorizationFailed.code();
        // Apache's broker says it once more, of nobody.
        let nobody = UserResult { error_code, error_message: None, ..Default::default() };
        return wire::Response { error_code, error_message: None, results: vec![nobody], ..Default::default() };
    }
    match describe(&context.broker.zookeeper, request.users).await {
        Ok(results) => wire::Response { error_message: Some(String::new()), results, ..Default::default() },
        Err(error) => wire::Response {
            error_code: ErrorCode::UnknownServerError.code(),
            error_message: Some(error.to_string()),
            ..Default::default()
        },
    }
}

async fn describe(zookeeper: &ZooKeeper, users: Option<Vec<wire::UserName>>) -> Result<Vec<UserResult>> {
    let Some(users) = users.filter(|users| !users.is_empty()) else {
        let mut results = Vec::new();
        for name in zookeeper.children("/config/users", false).await? {
            if name == DEFAULT_ENTITY {
                continue;
            }
            let Some(user) = desanitize(&name) else { continue };
            let infos = infos(zookeeper, &user).await?;
            if !infos.is_empty() {
                results.push(told(user, infos));
            }
        }
        return Ok(results);
    };
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for user in &users {
        *times.entry(&user.name).or_default() += 1;
    }
    let mut results = Vec::new();
    let mut done = BTreeSet::new();
    for user in users.iter().map(|user| &user.name).filter(|user| done.insert((*user).clone())) {
        let refuse = |code: ErrorCode, message: String| UserResult {
            user: user.clone(),
            error_code: code.code(),
            error_message: Some(message),
            credential_infos: Vec::new(),
        };
        results.push(if user.is_empty() {
            refuse(ErrorCode::ResourceNotFound, "Username must not be empty".to_owned())
        } else if times[user.as_str()] > 1 {
            let message = "Cannot describe SCRAM credentials for the same user twice in a single request";
            refuse(ErrorCode::DuplicateResource, format!("{message}: {user}"))
        } else {
            let infos = infos(zookeeper, user).await?;
            if infos.is_empty() {
                let message = format!("Attempt to describe a user credential that does not exist: {user}");
                refuse(ErrorCode::ResourceNotFound, message)
            } else {
                told(user.clone(), infos)
            }
        });
    }
    Ok(results)
}

fn told(user: String, credential_infos: Vec<CredentialInfo>) -> UserResult {
    UserResult { user, error_code: 0, error_message: Some(String::new()), credential_infos }
}

async fn infos(zookeeper: &ZooKeeper, user: &str) -> Result<Vec<CredentialInfo>> {
    let stored = zookeeper.get(&format!("/config/users/{}", sanitize(user)), false).await?;
    let settings = stored.map(|(data, _)| config::decode(&data)).transpose()?.unwrap_or_default();
    let info = |mechanism: ScramMechanism| {
        let credential = ScramCredential::parse(settings.get(mechanism.name())?)?;
        Some(CredentialInfo { mechanism: mechanism.wire_number(), iterations: credential.iterations })
    };
    Ok(ScramMechanism::ALL.into_iter().filter_map(info).collect())
}
