//! Credentials for SCRAM (KIP-554). Passwords are salted here and never travel.

use bytes::Bytes;
use kafka_types::ErrorCode;
use kafka_wire::{alter_user_scram_credentials as alter, describe_user_scram_credentials as describe};
use sasl::ScramMechanism;

use super::call::{Call, Target};
use super::{Admin, Outcomes};
use crate::error::Error;

/// A mechanism that a user has a credential for, and its iterations.
pub type ScramInfo = (ScramMechanism, i32);

/// What is to become of a user's credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterScram {
    /// A new password.
    Set {
        /// For this mechanism.
        mechanism: ScramMechanism,
        /// How often it is hashed.
        iterations: i32,
        /// Random bytes.
        salt: Vec<u8>,
        /// The password.
        password: Vec<u8>,
    },
    /// None any more.
    Delete(ScramMechanism),
}

impl Admin {
    /// The mechanisms that users have credentials for; of all users if none is named. Users that have none are left out.
    pub async fn describe_user_scram_credentials(&self, users: &[String]) -> Result<Outcomes<Vec<ScramInfo>>, Error> {
        self.call("describeUserScramCredentials").until_settled(async |call| try_describe(call, users).await).await
    }

    /// Changes credentials of one user: all of them, or none.
    pub async fn alter_user_scram_credentials(&self, user: &str, changes: &[AlterScram]) -> Result<(), Error> {
        let request = alteration(user, changes);
        self.call("alterUserScramCredentials").until_settled(async |call| try_alter(call, &request).await).await
    }
}

async fn try_describe(call: &mut Call<'_>, users: &[String]) -> Result<Outcomes<Vec<ScramInfo>>, Error> {
    let connection = call.connection(Target::Any).await?;
    let users = users.iter().map(|name| describe::UserName { name: name.clone() }).collect::<Vec<_>>();
    let request = describe::Request { users: (!users.is_empty()).then_some(users) };
    let response = call.send::<describe::DescribeUserScramCredentials>(&connection, &request).await?;
    Error::check_with(response.error_code, response.error_message.as_deref())?;
    let there = response.results.into_iter().filter(|one| one.error_code != ErrorCode::ResourceNotFound.code());
    Ok(there
        .map(|one| {
            let info = |info: describe::CredentialInfo| {
                ScramMechanism::from_wire(info.mechanism).map(|mechanism| (mechanism, info.iterations))
            };
            let outcome = Error::check_with(one.error_code, one.error_message.as_deref());
            (one.user, outcome.map(|()| one.credential_infos.into_iter().filter_map(info).collect()))
        })
        .collect())
}

fn alteration(user: &str, changes: &[AlterScram]) -> alter::Request {
    let mut request = alter::Request::default();
    for change in changes {
        match change {
            AlterScram::Delete(mechanism) => request
                .deletions
                .push(alter::ScramCredentialDeletion { name: user.to_owned(), mechanism: mechanism.wire_number() }),
            AlterScram::Set { mechanism, iterations, salt, password } => {
                request.upsertions.push(alter::ScramCredentialUpsertion {
                    name: user.to_owned(),
                    mechanism: mechanism.wire_number(),
                    iterations: *iterations,
                    salt: Bytes::copy_from_slice(salt),
                    salted_password: mechanism.salted_password(password, salt, *iterations).into(),
                });
            }
        }
    }
    request
}

async fn try_alter(call: &mut Call<'_>, request: &alter::Request) -> Result<(), Error> {
    let connection = call.connection(Target::Any).await?;
    let response = call.send::<alter::AlterUserScramCredentials>(&connection, request).await?;
    for result in response.results {
        Error::check_with(result.error_code, result.error_message.as_deref())?;
    }
    Ok(())
}
