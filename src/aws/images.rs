//! Machine images.

use async_trait::async_trait;
use aws_sdk_ec2::operation::describe_images::builders::DescribeImagesFluentBuilder;
use aws_sdk_ec2::types as sdk;
use nuvem_core::aws::ec2::{DescribeImages, Image, SelectImages};
use nuvem_core::aws::{AwsError, Perform};

use super::backend::SdkBackend;
use super::convert::{PAGE_SIZE, filter, items, pattern, required, text};
use super::error::failure;

#[async_trait]
impl Perform<DescribeImages> for SdkBackend {
    async fn perform(&self, operation: DescribeImages) -> Result<Vec<Image>, AwsError> {
        let request = selected(self.read.describe_images(), operation.select).max_results(PAGE_SIZE);
        let mut images = Vec::new();
        let mut next = None;
        loop {
            let answer = request.clone().set_next_token(next).send().await.map_err(failure)?;
            images.extend(items(answer.images, image)?);
            next = text(answer.next_token);
            if next.is_none() {
                return Ok(images);
            }
        }
    }
}

/// An image that a user names may be deprecated: it still launches. One that is searched for may not.
fn selected(request: DescribeImagesFluentBuilder, select: SelectImages) -> DescribeImagesFluentBuilder {
    match select {
        SelectImages::Id(id) => request.filters(filter("image-id", [id])).include_deprecated(true),
        SelectImages::Named { owner, name } => request
            .owners(owner)
            .filters(pattern("name", name))
            .filters(filter("state", ["available"])),
    }
}

fn image(image: sdk::Image) -> Result<Image, AwsError> {
    Ok(Image {
        root_volume_gib: root_volume_gib(&image),
        id: required(image.image_id, "imageId")?,
        name: text(image.name),
        state: required(image.state, "imageState")?.as_str().to_owned(),
        // AWS did not note it for the oldest images. Empty, it comes before every other time.
        creation_date: image.creation_date.unwrap_or_default(),
        architecture: required(image.architecture, "architecture")?.as_str().to_owned(),
        root_device_name: text(image.root_device_name),
    })
}

fn root_volume_gib(image: &sdk::Image) -> Option<i32> {
    let root = image.root_device_name()?;
    let mut mappings = image.block_device_mappings().iter();
    mappings
        .find(|mapping| mapping.device_name() == Some(root))?
        .ebs()?
        .volume_size()
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test that meets what it does not expect ends there")]
mod tests {
    use aws_sdk_ec2::types::{ArchitectureValues, BlockDeviceMapping, EbsBlockDevice, ImageState};

    use super::*;

    fn mapping(device: &str, size: i32) -> BlockDeviceMapping {
        let volume = EbsBlockDevice::builder().volume_size(size).build();
        BlockDeviceMapping::builder().device_name(device).ebs(volume).build()
    }

    #[test]
    fn the_root_volume_is_found_among_the_devices() {
        let two = sdk::Image::builder()
            .image_id("ami-1")
            .state(ImageState::Available)
            .architecture(ArchitectureValues::X8664)
            .root_device_name("/dev/xvda")
            .block_device_mappings(mapping("/dev/xvdb", 100))
            .block_device_mappings(mapping("/dev/xvda", 8));
        let seen = image(two.build()).expect("converted");
        assert_eq!(seen.root_volume_gib, Some(8));
        assert_eq!(
            (seen.state.as_str(), seen.architecture.as_str()),
            ("available", "x86_64")
        );
    }
}
