//! Subnets.

use async_trait::async_trait;
use aws_sdk_ec2::types as sdk;
use nuvem_core::aws::ec2::{DescribeSubnets, Subnet};
use nuvem_core::aws::{AwsError, Perform};

use super::backend::SdkBackend;
use super::convert::{PAGE_SIZE, filter, items, required, text};
use super::error::failure;

#[async_trait]
impl Perform<DescribeSubnets> for SdkBackend {
    async fn perform(&self, operation: DescribeSubnets) -> Result<Vec<Subnet>, AwsError> {
        let selected = match operation {
            DescribeSubnets::Id(id) => filter("subnet-id", [id]),
            DescribeSubnets::DefaultForAz => filter("default-for-az", ["true"]),
        };
        let request = self.read.describe_subnets().filters(selected).max_results(PAGE_SIZE);
        let mut subnets = Vec::new();
        let mut next = None;
        loop {
            let answer = request.clone().set_next_token(next).send().await.map_err(failure)?;
            subnets.extend(items(answer.subnets, subnet)?);
            next = text(answer.next_token);
            if next.is_none() {
                return Ok(subnets);
            }
        }
    }
}

fn subnet(subnet: sdk::Subnet) -> Result<Subnet, AwsError> {
    Ok(Subnet {
        id: required(subnet.subnet_id, "subnetId")?,
        vpc_id: required(subnet.vpc_id, "vpcId")?,
        availability_zone: required(subnet.availability_zone, "availabilityZone")?,
        default_for_az: subnet.default_for_az.unwrap_or_default(),
    })
}
