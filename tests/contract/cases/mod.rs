//! The cases: each is one behaviour of AWS, cited by its number in
//! `design/aws-behaviours-ec2.md` (E1–E60).
//!
//! Included by the contract suite (in memory and on the emulator) and by nuvem-core's own tests
//! (in memory only, without the AWS SDK).

use super::nuvem_core;
use super::stage;

pub mod attributes;
pub mod catalogue;
pub mod groups;
pub mod launch;
pub mod lists;
pub mod rules;
pub mod states;
pub mod tags;
pub mod tokens;
pub mod visibility;
pub mod volumes;

/// Hands the names of all cases to another macro.
macro_rules! with_all_cases {
    ($then:ident) => {
        $then! {
            tokens:
                e01_a_repeated_token_gives_the_same_instance_as_it_is_now,
                e02_a_repeated_token_with_another_parameter_is_a_mismatch,
                e02_a_token_used_in_another_zone_launches_there,
                e03_the_token_of_a_terminated_instance_is_refused,
                e04_a_token_is_at_most_64_ascii_characters,
                e05_the_filter_client_token_finds_what_a_token_made,
                e06_a_group_that_is_created_again_meets_its_name;
            visibility:
                e07_a_fresh_instance_is_unknown_to_every_call,
                e07_the_token_of_an_invisible_instance_gives_it_nevertheless,
                e07_a_fresh_group_is_unknown_and_yet_its_name_is_taken,
                e07_a_tag_filter_may_lag_behind_the_id;
            states:
                e08_a_launched_instance_is_pending_and_then_running,
                e08_a_launch_may_die_after_its_answer,
                e09_a_stopped_instance_says_who_stopped_it_and_starts_again,
                e09_stop_of_stopped_and_start_of_running_change_nothing,
                e10_an_instance_that_never_ran_cannot_be_stopped,
                e10_a_stopping_or_terminated_instance_cannot_be_started_or_stopped,
                e12_a_terminated_instance_stays_readable_and_then_vanishes,
                e10_an_instance_that_ran_before_can_be_stopped_while_it_starts,
                e12_an_instance_is_terminated_from_any_state,
                e12_terminating_again_is_harmless,
                e13_an_unknown_id_fails_a_call_and_is_dropped_by_a_filter,
                e14_a_malformed_id_is_told_apart_from_an_unknown_one,
                e22_termination_protection_refuses_to_terminate,
                e23_stop_protection_refuses_to_stop_and_to_terminate,
                e27_without_capacity_a_stopped_instance_stays_stopped,
                e54_a_public_address_goes_at_stop_and_is_new_at_start;
            attributes:
                e17_the_type_is_changed_while_stopped_only,
                e17_an_unknown_type_is_refused,
                e18_user_data_is_changed_while_stopped_and_read_apart,
                e18_user_data_has_at_most_16384_raw_bytes,
                e19_groups_are_replaced_while_running,
                e19_at_least_one_group_remains_and_all_are_of_its_network,
                e19_protections_are_set_while_running,
                e24_metadata_options_are_changed_while_running,
                monitoring_is_turned_on_and_off;
            launch:
                e27_a_launch_without_capacity_is_refused_with_500_and_succeeds_later,
                e28_a_launch_with_something_unknown_is_refused_and_makes_nothing,
                e28_type_and_image_must_have_the_same_architecture,
                e28_group_and_subnet_must_be_of_the_same_network,
                e31_a_root_volume_below_its_snapshot_is_refused,
                e52_an_interface_has_at_most_five_groups,
                a_launch_has_what_was_asked_for,
                a_launch_without_subnet_and_groups_is_in_the_default_vpc_with_its_default_group;
            volumes:
                e36_the_root_volume_goes_with_its_instance,
                e37_a_volume_is_modified_in_steps_and_one_at_a_time,
                e37_a_volume_never_shrinks,
                e37_what_the_volume_type_cannot_have_is_refused,
                e37_another_type_brings_its_own_performance,
                an_encrypted_volume_shows_the_arn_of_its_key,
                e38_four_modifications_a_day_and_then_no_more,
                e38_a_volume_that_was_never_modified_has_no_modification;
            groups:
                e49_a_name_is_unique_in_its_vpc_whatever_the_case,
                e49_some_names_are_refused,
                e49_a_new_group_lets_everything_out_and_nothing_in,
                e52_a_group_is_not_deleted_while_an_interface_has_it,
                e52_a_group_is_not_deleted_while_another_groups_rule_names_it,
                e52_the_default_group_is_not_deleted,
                a_group_is_found_by_name_in_its_vpc_only;
            rules:
                e50_a_rule_that_is_there_already_fails_the_whole_call,
                e50_a_network_is_kept_in_canonical_form,
                e50_a_rule_given_twice_in_a_call_is_refused,
                e50_protocols_and_ports_are_kept_in_aws_own_words,
                e50_ports_that_make_no_sense_are_refused,
                a_rule_names_only_groups_of_its_network,
                e51_revoking_a_missing_rule_in_the_default_vpc_is_passed_over,
                e51_revoking_a_missing_rule_in_another_vpc_fails_the_whole_call,
                e52_a_direction_has_at_most_60_rules,
                descriptions_are_changed_and_taken_away,
                rules_of_every_sort_are_read_back_as_given;
            tags:
                e55_one_unknown_id_fails_all,
                e55_a_thing_has_at_most_50_tags,
                e55_keys_and_values_have_limits,
                e55_tags_are_set_changed_and_taken_away,
                e55_no_keys_take_no_tags_away;
            lists:
                e57_a_long_list_comes_in_pages_without_gap_or_repeat,
                e57_a_token_of_no_page_is_refused,
                e58_a_filter_takes_200_values_and_no_more,
                e58_a_tag_value_means_itself_whatever_its_characters,
                e58_several_tags_must_all_be_there,
                e60_an_id_is_unknown_in_another_region;
            catalogue:
                images_are_found_by_owner_and_pattern_and_the_newest_is_known,
                e58_a_question_mark_is_one_character_or_none_and_a_backslash_takes_its_meaning,
                an_unknown_image_or_subnet_is_absent,
                the_default_subnets_are_one_a_zone,
                a_public_parameter_names_an_image,
                the_account_is_known;
        }
    };
}
pub(crate) use with_all_cases;
