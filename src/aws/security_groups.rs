//! Security groups.

use async_trait::async_trait;
use aws_sdk_ec2::types::{self as sdk, Filter, ResourceType};
use nuvem_core::aws::ec2::{
    AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupIngress, CreateSecurityGroup, DeleteSecurityGroup,
    DescribeSecurityGroups, RevokeSecurityGroupEgress, RevokeSecurityGroupIngress, SecurityGroup, SelectGroups,
    UpdateSecurityGroupRuleDescriptionsEgress, UpdateSecurityGroupRuleDescriptionsIngress,
};
use nuvem_core::aws::{AwsError, Page, Perform};

use super::backend::SdkBackend;
use super::convert::{PAGE_SIZE, filter, filters, from_sdk_tags, page, required, tag_specifications};
use super::error::failure;
use super::rules;

#[async_trait]
impl Perform<DescribeSecurityGroups> for SdkBackend {
    async fn perform(&self, operation: DescribeSecurityGroups) -> Result<Page<SecurityGroup>, AwsError> {
        let answer = self
            .read
            .describe_security_groups()
            .set_filters(Some(selection(operation.select)))
            .max_results(PAGE_SIZE)
            .set_next_token(operation.page)
            .send()
            .await
            .map_err(failure)?;
        page(answer.security_groups, answer.next_token, security_group)
    }
}

fn selection(select: SelectGroups) -> Vec<Filter> {
    match select {
        SelectGroups::By(select) => filters(select, "group-id"),
        SelectGroups::Named { name, vpc_id } => {
            vec![filter("group-name", [name]), filter("vpc-id", [vpc_id])]
        }
    }
}

fn security_group(group: sdk::SecurityGroup) -> Result<SecurityGroup, AwsError> {
    Ok(SecurityGroup {
        id: required(group.group_id, "groupId")?,
        name: required(group.group_name, "groupName")?,
        vpc_id: required(group.vpc_id, "vpcId")?,
        ingress: rules::from_sdk(group.ip_permissions)?,
        egress: rules::from_sdk(group.ip_permissions_egress)?,
        tags: from_sdk_tags(group.tags)?,
    })
}

#[async_trait]
impl Perform<CreateSecurityGroup> for SdkBackend {
    async fn perform(&self, operation: CreateSecurityGroup) -> Result<String, AwsError> {
        let answer = self
            .write
            .create_security_group()
            .group_name(operation.name)
            .description(operation.description)
            .vpc_id(operation.vpc_id)
            .set_tag_specifications(tag_specifications(&[ResourceType::SecurityGroup], operation.tags))
            .send()
            .await
            .map_err(failure)?;
        required(answer.group_id, "groupId")
    }
}

#[async_trait]
impl Perform<DeleteSecurityGroup> for SdkBackend {
    async fn perform(&self, operation: DeleteSecurityGroup) -> Result<(), AwsError> {
        let request = self.write.delete_security_group().group_id(operation.group_id);
        request.send().await.map_err(failure)?;
        Ok(())
    }
}

/// The answers tell the rules' own ids, or which rules were unknown: observing tells what counts.
macro_rules! perform_on_rules {
    ($($operation:ident: $request:ident($prepare:path),)+) => {$(
        #[async_trait]
        impl Perform<$operation> for SdkBackend {
            async fn perform(&self, operation: $operation) -> Result<(), AwsError> {
                let permissions = rules::to_sdk($prepare(operation.0.rules));
                let request = self.write.$request().group_id(operation.0.group_id);
                request.set_ip_permissions(Some(permissions)).send().await.map_err(failure)?;
                Ok(())
            }
        }
    )+};
}

perform_on_rules! {
    AuthorizeSecurityGroupIngress: authorize_security_group_ingress(std::convert::identity),
    AuthorizeSecurityGroupEgress: authorize_security_group_egress(std::convert::identity),
    RevokeSecurityGroupIngress: revoke_security_group_ingress(rules::undescribed),
    RevokeSecurityGroupEgress: revoke_security_group_egress(rules::undescribed),
    UpdateSecurityGroupRuleDescriptionsIngress:
        update_security_group_rule_descriptions_ingress(std::convert::identity),
    UpdateSecurityGroupRuleDescriptionsEgress:
        update_security_group_rule_descriptions_egress(std::convert::identity),
}
