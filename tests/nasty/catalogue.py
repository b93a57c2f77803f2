"""Every nasty case: its number and group, what it is, and the tests that cover it, or why none does.

Numbers stay as they are for ever; a case that is new gets the next one. tests/nasty/test_catalogue.py sees to it that
every test named here exists; `python -m tests.nasty` prints this table, and with --run what became of the tests.
"""
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass

GROUPS = ("names", "types", "programs", "disk", "network", "protocol", "state", "time", "conflicts")


@dataclass(frozen=True, slots=True)
class Case:
    number: int
    group: str
    text: str
    tests: tuple[str, ...] = ()
    why_not: str = ""


LIVE, HOSTILE, PROGRAMS = "tests/lan/test_live.py::", "tests/lan/test_hostile.py::", "tests/lan/test_programs.py::"
CHANGE = LIVE + "test_a_change_arrives"
NAMES, FILES = "tests/lan/test_nasty_names.py::", "tests/lan/test_nasty_files.py::"
DISKS, NETS, STATES = (f"tests/lan/test_nasty_{name}.py::" for name in ("disk", "network", "state"))
PARTITION, OFFLINE, CRASH = (f"tests/lan/test_{name}.py::" for name in ("partition", "offline", "crash"))
ROOT, COMMANDS, CLOCKS = (f"tests/lan/test_{name}.py::" for name in ("root", "command_line", "clocks"))
FINDING, WIRE, CONTACT = (f"tests/lan/test_{name}.py::" for name in ("discovery", "wire", "contact"))
UNIT_NODE = "tests/test_node.py::"
DISK_CONTRACT, DISK_REAL, DISK_RENAMES = (f"tests/disk/test_{name}.py::" for name in ("contract", "real", "renames"))
DISK_PERMISSIONS, DISK_ATTRIBUTES = (f"tests/disk/test_{name}.py::" for name in ("permissions", "attributes"))
DISK_SWAPS, DISK_MOUNTS = (f"tests/disk/test_{name}.py::" for name in ("swaps", "mounts"))
DISK_MEMORY, DISK_POWER = (f"tests/disk/test_{name}.py::" for name in ("memory", "power"))
DELTA_SIGN, DELTA_MAKE, DELTA_APPLY = (f"tests/delta/test_{name}.py::" for name in ("sign", "make", "apply"))
RECORDS, MESSAGES = (f"tests/core/messages/test_{name}.py::" for name in ("records", "every_message"))
UNIT_EVENTS = "tests/test_event_handler.py::"
UNIT_HISTORY = "tests/files/test_history_store.py::"
CORE_WIRE, CORE_SESSION = (f"tests/core/test_{name}.py::" for name in ("wire", "session"))
POINTS = "tests/crash/test_points.py::test_a_daemon_that_dies_at_some_of_its_calls"
WORLDS = "tests/sim/test_sim.py::test_many_worlds"
SOAK = "tests/lan/test_soak.py::test_a_piece_of_the_soak"
LEDGER = "tests/lan/test_ledger.py::test_every_token_that_nobody_replaced_is_somewhere"
QUARRELS = PARTITION + "test_a_partition_and_its_end"
ODD_NAMES = CHANGE + "[create_odd_names]"

CASES = (
    # --- names
    Case(1, "names", "line feeds, tabs and escape sequences in a name", (ODD_NAMES, COMMANDS + "test_names_are_escaped_in_the_log")),
    Case(2, "names", "names that are no UTF-8, every single byte", (ODD_NAMES, CHANGE + "[change_odd_names]", DISK_CONTRACT + "test_every_byte_is_a_name")),
    Case(3, "names", "lone surrogates and NUL in a path that a peer sends", (HOSTILE + "test_paths_that_lead_elsewhere",)),
    Case(4, "names", "two names that look alike: composed and decomposed", (NAMES + "test_names_004_composed_and_decomposed_twins",)),
    Case(5, "names", "names of 250 to 255 bytes: no room for a suffix", (NAMES + "test_names_005_names_as_long_as_they_may_be",)),
    Case(6, "names", "paths of more than 4,096 bytes", (NAMES + "test_names_that_lead_too_far[006_a_path_of_more_than_4096_bytes]",)),
    Case(7, "names", "names that other systems refuse or rewrite", (ODD_NAMES,)),
    Case(10, "names", "text that runs backwards, has no width, fills the log", (ODD_NAMES, COMMANDS + "test_names_are_escaped_in_the_log", "tests/reporting/test_log.py::test_a_long_line_is_cut")),
    Case(11, "names", "names that look like options", (ODD_NAMES,)),
    Case(12, "names", "100,000 names in one folder", (NAMES + "test_names_012_a_hundred_thousand_names_in_one_folder",)),
    Case(13, "names", "folders a thousand deep", (NAMES + "test_names_that_lead_too_far[013_a_thousand_folders_deep]", CHANGE + "[change_deep_down]")),
    # --- types and replacement
    Case(14, "types", "a link to a folder outside", (LIVE + "test_links_are_never_followed",)),
    Case(15, "types", "links that dangle, go round, are absolute, mean themselves", (CHANGE + "[create_links]", CHANGE + "[change_links]")),
    Case(17, "types", "a parent becomes a link while something is written below it", (LIVE + "test_a_folder_that_turns_into_a_link_while_files_arrive", DISK_SWAPS + "test_nothing_outside_is_touched_while_a_parent_is_swapped")),
    Case(18, "types", "a fifo, that waits for ever to be opened", (LIVE + "test_what_is_neither_file_nor_folder_nor_link_is_skipped", LIVE + "test_a_fifo_in_the_way_of_a_file")),
    Case(19, "types", "sockets and devices", (LIVE + "test_what_is_neither_file_nor_folder_nor_link_is_skipped",)),
    Case(20, "types", "two hard links of one file, edited through one of them", (CHANGE + "[edit_one_of_two_hard_links]",)),
    Case(21, "types", "a large file that is mostly holes", (FILES + "test_types_021_a_file_that_is_mostly_holes",)),
    Case(22, "types", "files become folders, folders become files", (CHANGE + "[change_types]", CHANGE + "[swap_a_file_with_a_folder]")),
    Case(23, "types", "files become links and files again", (CHANGE + "[change_types]", LIVE + "test_links_are_never_followed")),
    Case(24, "types", "a folder is renamed while a file in it is coming in", (FILES + "test_types_024_the_folder_is_renamed_where_the_file_is_coming_in", CRASH + "test_the_folder_is_renamed_and_the_file_deleted_while_it_is_sent")),
    Case(26, "types", "a folder is deleted here and gets a new file there", (QUARRELS,)),
    Case(28, "types", "names that move in a circle", (CHANGE + "[swap_names]", CHANGE + "[swap_folders]")),
    Case(29, "types", "two folders, each moved into the other at the same time", (FILES + "test_types_029_two_folders_moved_into_each_other",)),
    Case(30, "types", "renamed here, edited there", (QUARRELS,)),
    Case(31, "types", "renamed here and there, to two names", (QUARRELS,)),
    Case(33, "types", "empty folders; modes and times of folders", (CHANGE + "[create_empty_folders]", LIVE + "test_a_new_tree_has_its_times_and_modes")),
    Case(34, "types", "setuid and its like, from a user and from a peer", (LIVE + "test_privilege_does_not_travel", HOSTILE + "test_privilege_in_a_record_is_refused")),
    Case(35, "types", "extended attributes and access lists", (FILES + "test_types_035_extended_attributes_stay_where_they_are", DISK_ATTRIBUTES + "test_an_acl_is_kept", "tests/lan/test_preserve.py::test_owner_attributes_and_acls_of_a_tree")),
    Case(142, "types", "a file and a folder exchanged by one system call", (FILES + "test_types_142_a_file_and_a_folder_change_places_at_once",)),
    Case(153, "types", "a name linked anew to a file that grows through the other", (FILES + "test_types_153_linked_again_and_again_while_it_grows",)),
    Case(154, "types", "edited by one of its names", (FILES + "test_types_154_edited_by_one_of_its_names",)),
    Case(155, "types", "folders in which files come and go: their times", (FILES + "test_types_155_times_of_folders_in_which_much_is_done",)),
    Case(156, "types", "read-only folders, where the node is an ordinary user", (FILES + "test_types_156_read_only_folders_of_an_ordinary_user", DISK_PERMISSIONS + "test_whoever_looks_meanwhile_sees_the_mode_it_will_have")),
    # --- how programs write
    Case(36, "programs", "vim: probes, swap files, backups by renaming", (PROGRAMS + "test_vim_itself", PROGRAMS + "test_a_save_pattern[save_like_vim]")),
    Case(38, "programs", "saved beside and renamed, with lock files", (PROGRAMS + "test_a_save_pattern[save_beside_and_rename]", PROGRAMS + "test_a_save_pattern[save_like_an_office]", PROGRAMS + "test_a_save_pattern[save_like_emacs]")),
    Case(39, "programs", "sed -i, perl -i, git: files that are replaced though read-only", (PROGRAMS + "test_sed_in_place", PROGRAMS + "test_perl_in_place", PROGRAMS + "test_git", PROGRAMS + "test_git_clone_and_checkout_of_many_tags")),
    Case(40, "programs", "sqlite with each of its journals", (PROGRAMS + "test_sqlite", PROGRAMS + "test_the_sqlite_shell_in_a_loop")),
    Case(41, "programs", "npm, venv, tar, rsync: whole trees at once", (PROGRAMS + "test_npm_install", PROGRAMS + "test_a_virtual_environment[--without-pip]", PROGRAMS + "test_tar_x", PROGRAMS + "test_rsync_into_the_folder")),
    Case(42, "programs", "a log that grows and is never closed", (PROGRAMS + "test_a_log_that_grows_and_is_never_closed",)),
    Case(43, "programs", "who holds a file open writes on after it was replaced", (LIVE + "test_who_writes_on_into_a_replaced_file_loses_nothing",)),
    Case(44, "programs", "written through a mapping: no event", (FILES + "test_programs_044_written_through_a_mapping",)),
    Case(45, "programs", "truncated and written while it is read", (FILES + "test_programs_045_truncated_and_written_while_it_is_read",)),
    Case(47, "programs", "other bytes, the same size, the same time", (FILES + "test_programs_047_other_bytes_of_the_same_size_and_time", LIVE + "test_an_edit_right_after_the_first_one_arrived")),
    Case(49, "programs", "chmod and nothing else", (CHANGE + "[chmod]", CHANGE + "[create_files_of_many_modes]")),
    Case(143, "programs", "made without a name, linked when complete", (FILES + "test_programs_143_made_without_a_name_and_linked_when_complete",)),
    Case(144, "programs", "holes punched, ranges taken out and put in", (FILES + "test_programs_144_holes_punched_and_ranges_taken_out",)),
    Case(145, "programs", "kept open for ever and cut short", (FILES + "test_programs_145_kept_open_and_cut_short",)),
    Case(146, "programs", "a tree moved out, another moved in under its names", (FILES + "test_programs_146_moved_out_and_another_moved_in",)),
    Case(147, "programs", "a shell script's redirections, links, copies and moves", (FILES + "test_programs_147_a_pipeline_that_ends_in_the_folder",)),
    Case(150, "programs", "file server load and stress: dbench, stress-ng", (PROGRAMS + "test_dbench", PROGRAMS + "test_stress_ng")),
    # --- disk, rights, limits
    Case(52, "disk", "no room is left", (DISKS + "test_disk_052_no_room_is_left", DISK_MOUNTS + "test_a_full_disk", "tests/engine/pairs/test_retention.py::test_a_full_disk_takes_from_the_history_at_once")),
    Case(53, "disk", "no inodes are left", (DISKS + "test_disk_053_no_inodes_are_left", DISK_MOUNTS + "test_a_disk_without_inodes")),
    Case(54, "disk", "the user's quota is used up", (DISK_REAL + "test_each_errno_has_its_trouble",)),
    Case(55, "disk", "a file or folder that cannot be read is not a deleted one", (DISK_REAL + "test_trouble_with_an_entry_is_not_absence", "tests/engine/whole/test_scanning.py::test_a_folder_that_cannot_be_listed_is_tried_again")),
    Case(56, "disk", "fsync fails", (WORLDS,)),
    Case(58, "disk", "stopped by a signal for a while", (STATES + "test_disk_058_one_is_stopped_by_a_signal_and_goes_on[2.0]",)),
    Case(59, "disk", "files and folders without permission", (DISK_PERMISSIONS + "test_no_permission", CHANGE + "[edit_read_only_files]")),
    Case(60, "disk", "what is read-only for a while: a file, a folder, a file system", (DISKS + "test_disk_060_what_cannot_be_written_for_a_while", DISK_MOUNTS + "test_a_read_only_disk")),
    Case(61, "disk", "the folder is removed, unmounted, replaced", (ROOT + "test_a_folder_that_goes_is_waited_for", ROOT + "test_a_disk_that_is_not_mounted_at_the_start_is_waited_for", DISK_MOUNTS + "test_an_unmounted_root_is_gone")),
    Case(62, "disk", "everything is deleted by its user", (DISKS + "test_disk_062_everything_is_deleted_by_its_user", ROOT + "test_a_folder_emptied_while_nobody_looked_is_held")),
    Case(64, "disk", "a mount inside the folder", (DISK_MOUNTS + "test_a_bind_mount_is_a_boundary", DISK_MOUNTS + "test_a_mount_in_the_folder_is_a_boundary")),
    Case(65, "disk", "more events than the kernel keeps", (DISKS + "test_disk_065_more_events_than_the_kernel_keeps", UNIT_EVENTS + "test_lost_events_become_a_scan")),
    Case(66, "disk", "folders that cannot be watched", (DISKS + "test_disk_066_no_folder_can_be_watched", UNIT_EVENTS + "test_what_cannot_be_watched_is_remembered")),
    Case(67, "disk", "two daemons on one folder", (COMMANDS + "test_a_second_daemon_on_the_same_folder",)),
    Case(68, "disk", "our own folders inside the shared one, or wiped", (COMMANDS + "test_a_signature_folder_inside_the_shared_one_is_not_shared", COMMANDS + "test_the_signature_folder_is_a_cache", ROOT + "test_a_folder_in_a_shared_folder_is_not_shared")),
    Case(69, "disk", "a file system that cannot exchange two names", (DISK_RENAMES + "test_steps_keep_a_file_saved_meanwhile", DISK_RENAMES + "test_supports_exchange")),
    # --- network
    Case(70, "network", "a partition and its end", (QUARRELS, LEDGER + "[1-5-2.0]")),
    Case(71, "network", "a connection that is open on one side only", (NETS + "test_network_071_half_open",)),
    Case(72, "network", "both push before either reads", (UNIT_NODE + "test_both_push_50_mb_before_either_reads",)),
    Case(73, "network", "a peer that reads slowly or never", (HOSTILE + "test_a_peer_that_reads_nothing", UNIT_NODE + "test_a_peer_that_is_never_read_from_is_bounded")),
    Case(74, "network", "both dial at the same time", ("tests/core/peers/test_roster_worlds.py::test_two_that_dial_at_the_same_time_end_with_one_link", FINDING + "test_five_nodes_that_start_and_stop_in_any_order")),
    Case(75, "network", "a peer restarts in the middle of a transfer", (CRASH + "test_killed_in_the_middle_of_a_large_file",)),
    Case(76, "network", "another address", (NETS + "test_network_076_another_address", FINDING + "test_an_address_that_comes_after_the_start")),
    Case(78, "network", "one's own broadcasts", ("tests/network/test_discovery.py::test_two_on_one_machine_hear_each_other_and_not_themselves",)),
    Case(79, "network", "several interfaces and aliases", ("tests/network/test_discovery.py::test_two_interfaces_on_one_network_are_both_used", "tests/core/peers/test_dialling.py::test_many_addresses_of_one_node")),
    Case(80, "network", "no default route", (FINDING + "test_nodes_that_know_nothing_find_each_other",)),
    Case(82, "network", "a crowd that starts at once", ("tests/core/peers/test_roster_worlds.py::test_a_crowd_that_starts_at_once_is_fully_linked_soon",)),
    Case(83, "network", "packets are lost", (NETS + "test_network_083_packets_are_lost",)),
    Case(84, "network", "small packets", (NETS + "test_network_084_small_packets",)),
    Case(85, "network", "a slow line", (NETS + "test_network_085_a_slow_line[8mbit-3]", WIRE + "test_a_large_transfer_does_not_hold_up_a_small_one")),
    Case(86, "network", "ports that are taken", (COMMANDS + "test_a_tcp_port_that_is_taken", COMMANDS + "test_a_udp_port_that_is_taken")),
    Case(87, "network", "no broadcast gets through", (FINDING + "test_other_broadcast_ports_are_other_worlds_until_a_peer_is_named",)),
    Case(88, "network", "two that never reach each other, and one between", (PARTITION + "test_a_mesh_that_is_not_full", PARTITION + "test_a_ring_of_five")),
    Case(89, "network", "a peer that speaks another version", ("tests/lan/test_protocol.py::test_another_version_costs_one_clear_line",)),
    Case(149, "network", "the one between dies while it passes something on", (NETS + "test_network_149_a_middle_that_dies_while_it_passes_on",)),
    # --- protocol abuse
    Case(90, "protocol", "lengths of 0, 2^31, 2^63, 2^64-1", (HOSTILE + "test_before_the_hello", CORE_WIRE + "test_a_length_out_of_bounds_is_refused_before_anything_is_reserved")),
    Case(92, "protocol", "bombs of zlib", (HOSTILE + "test_bombs_after_the_hello", CORE_WIRE + "test_bombs_stay_small")),
    Case(93, "protocol", "streams that are cut off, or go on behind their end", (CORE_WIRE + "test_zlib_must_end_with_the_frame",)),
    Case(94, "protocol", "what is no JSON, no object, or has a key twice", (CORE_WIRE + "test_what_is_not_strict_json_is_refused",)),
    Case(95, "protocol", "nesting beyond any depth", (CORE_WIRE + "test_nested_bombs_are_refused",)),
    Case(96, "protocol", "NaN, huge numbers, true for 1", (CORE_WIRE + "test_what_is_not_strict_json_is_refused", MESSAGES + "test_fields_are_checked")),
    Case(97, "protocol", "fields of wrong types, or missing", (MESSAGES + "test_any_object_is_a_message_or_refused", HOSTILE + "test_random_frames_after_the_hello")),
    Case(98, "protocol", "messages of unknown types", (CORE_SESSION + "test_what_is_unknown_is_skipped_but_not_before_hello", "tests/lan/test_protocol.py::test_what_it_does_not_know_is_skipped")),
    Case(99, "protocol", "paths that lead elsewhere", (HOSTILE + "test_paths_that_lead_elsewhere", "tests/core/test_model.py::test_bad_paths_are_refused_in_one_line")),
    Case(100, "protocol", "paths through links, into our own folder", (HOSTILE + "test_through_a_link_to_the_outside", HOSTILE + "test_paths_that_lead_elsewhere")),
    Case(101, "protocol", "a path below a file; a path without end", (HOSTILE + "test_a_name_below_a_file", HOSTILE + "test_paths_that_lead_elsewhere")),
    Case(102, "protocol", "a delta for a base that is not here", (HOSTILE + "test_a_delta_that_fits_nothing",)),
    Case(103, "protocol", "a delta that makes something else", (HOSTILE + "test_a_delta_that_fits_nothing", DELTA_APPLY + "test_a_mutated_delta_is_refused_or_makes_something_of_the_right_size")),
    Case(104, "protocol", "a delta that never ends", (HOSTILE + "test_a_delta_that_never_ends", DELTA_APPLY + "test_a_bomb_stops_at_the_announced_size")),
    Case(105, "protocol", "sizes that no disk holds", (HOSTILE + "test_an_offer_of_more_than_any_disk_holds",)),
    Case(106, "protocol", "signatures made to cost time", (DELTA_SIGN + "test_many_different_blocks_with_one_weak_sum_are_refused", DELTA_MAKE + "test_a_signature_that_costs_too_much_time_is_given_up", DELTA_SIGN + "test_odd_signatures_are_refused")),
    Case(107, "protocol", "content that is not what was announced", (HOSTILE + "test_lies_about_content_are_not_installed",)),
    Case(108, "protocol", "ten thousands of files that nobody has", (HOSTILE + "test_a_peer_that_announces_what_nobody_has",)),
    Case(109, "protocol", "a member deletes everything, dated far ahead", (HOSTILE + "test_a_member_deletes_everything",)),
    Case(110, "protocol", "stamps and times beyond all bounds", (RECORDS + "test_records_of_each_kind_are_checked", "tests/core/test_reconcile.py::test_a_change_of_what_comes_from_beyond_all_clocks_is_newer")),
    Case(111, "protocol", "one byte at a time", (HOSTILE + "test_who_says_nothing_or_little_is_closed", UNIT_NODE + "test_a_stranger_that_drips_has_no_longer")),
    Case(112, "protocol", "a flood of connections", (HOSTILE + "test_a_flood_of_connections",)),
    Case(113, "protocol", "floods and forgeries at the presence port", (HOSTILE + "test_garbage_at_the_presence_port", HOSTILE + "test_thousands_of_nodes_that_are_none", HOSTILE + "test_a_beacon_that_leads_to_silence")),
    Case(115, "protocol", "a peer that claims to be another", (HOSTILE + "test_who_takes_the_name_of_another",)),
    Case(116, "protocol", "answers to what was never asked", ("tests/core/transfers/test_transfer.py::test_bytes_that_nobody_asked_for_cost_the_connection", CORE_SESSION + "test_only_what_is_legal_is_received")),
    Case(118, "protocol", "an object of a million keys", (HOSTILE + "test_bombs_after_the_hello",)),
    # --- crashes and lost state
    Case(119, "state", "kill -9 at any call that changes something", (POINTS, WORLDS, CRASH + "test_killed_again_and_again", LEDGER + "[1-5-2.0]")),
    Case(120, "state", "after the rename, before the index knows", ("tests/engine/whole/test_unnoted.py::test_what_was_being_installed_is_adopted_though_its_peer_went_on", WORLDS)),
    Case(121, "state", "a torn index", (STATES + "test_state_121_a_torn_index",)),
    Case(122, "state", "between the exchange and the history", (POINTS, WORLDS, UNIT_HISTORY + "test_what_the_history_cannot_take_stays_where_it_was")),
    Case(123, "state", "the power is cut", (WORLDS, DISK_POWER + "test_what_was_synced_is_never_lost")),
    Case(124, "state", "all nodes are killed at once, again and again", (STATES + "test_state_124_all_are_killed_at_once[5]", CRASH + "test_all_are_killed_in_a_storm_of_small_files")),
    Case(125, "state", "killed again and again in the first scan", (STATES + "test_state_125_killed_again_and_again_in_the_first_scan",)),
    Case(151, "state", "the index is lost, on one node or on all", (OFFLINE + "test_lost_state_is_a_first_contact", ROOT + "test_our_own_folder_may_be_removed", SOAK)),
    Case(152, "state", "a folder copied with all its state", (OFFLINE + "test_a_copied_folder_is_another_node",)),
    # --- time
    Case(50, "time", "times before 1970 and beyond 2038, 2106, 2262", (CHANGE + "[touch]", STATES + "test_time_050_a_file_from_beyond_all_stamps_is_edited")),
    Case(51, "time", "times in the future", (CLOCKS + "test_an_edit_made_after_seeing_another_wins[mtimes]",)),
    Case(127, "time", "clocks that are decades apart", (CLOCKS + "test_an_edit_made_after_seeing_another_wins[clocks]", CLOCKS + "test_offline_work_of_the_slowest_clock_arrives[clocks]")),
    Case(128, "time", "a clock that jumps while the daemon runs", (STATES + "test_time_128_the_clock_jumps_while_it_runs",)),
    Case(129, "time", "each machine in a time zone of its own", (CHANGE + "[touch]", CHANGE + "[bring_back_an_older_file]")),
    Case(130, "time", "a file system that counts in seconds", (WORLDS, DISK_MEMORY + "test_times_of_a_coarse_file_system")),
    Case(131, "time", "certificates and a clock of 1970", why_not="there is no encryption yet, hence no certificate"),
    Case(132, "time", "all machines sleep and wake", (STATES + "test_time_132_all_machines_sleep_and_wake[2.0]",)),
    # --- conflicts
    Case(133, "conflicts", "one file, edited on three nodes apart", (CLOCKS + "test_quarrels_end_the_same_on_all_nodes", LIVE + "test_written_on_all_nodes_at_once")),
    Case(134, "conflicts", "edited here, deleted there", (QUARRELS, OFFLINE + "test_a_file_edited_while_down_beats_a_delete_elsewhere")),
    Case(135, "conflicts", "the same bytes, written on two nodes", (QUARRELS, "tests/engine/pairs/test_conflicts.py::test_both_edit_alike")),
    Case(137, "conflicts", "a storm of edits on one file", (LIVE + "test_three_writers_storm_one_file", SOAK)),
    Case(138, "conflicts", "first contact of two folders filled apart", (CONTACT + "test_two_folders_that_were_filled_apart", CONTACT + "test_many_folders_that_were_filled_apart")),
    Case(139, "conflicts", "back after four hundred days", (STATES + "test_conflicts_139_back_after_four_hundred_days", OFFLINE + "test_deletes_stay_deleted")),
    Case(140, "conflicts", "a loser of losers", (STATES + "test_conflicts_140_a_loser_of_losers",)),
    Case(141, "conflicts", "an old version brought back with its old time", (CHANGE + "[bring_back_an_older_file]",)),
    Case(148, "conflicts", "renamed here, replaced by a folder there", (STATES + "test_conflicts_148_renamed_on_one_and_replaced_by_a_folder_on_the_other",)),
)  # fmt: skip
