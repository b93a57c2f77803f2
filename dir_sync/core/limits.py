"""Every limit: its unit is in its name, its reason beside it."""

KIB = 1024
MIB = 1024 * KIB

# Paths
PART_BYTES_MAX = 255  # the limit of Linux file systems for one name
PATH_BYTES_MAX = 4096  # PATH_MAX
PATH_DEPTH_MAX = 256  # deeper trees exist only by accident or malice
RESERVED_NAME = b".dir_sync"  # reserved for us at every depth; never synchronized

# Wire
HELLO_FRAME_BYTES_MAX = 4 * KIB  # before HELLO the peer is unknown
FRAME_BYTES_MAX = 4 * MIB  # checked before memory is reserved
MESSAGE_BYTES_MAX = 4 * MIB  # inflated JSON; at worst about 100 MB of Python objects
PAGE_RECORDS_MAX = 2000  # records in one STATE page: some 100 kB compressed, some 10 ms of work
PAGE_BYTES_MAX = 512 * KIB  # approximate JSON text of one page
SUMMARY_BUCKETS = 1024  # of a state summary: with 100,000 rows, one difference costs about a hundred records
SUMMARY_BYTES = 8 * SUMMARY_BUCKETS
CHUNK_BYTES = 256 * KIB  # until the speed of a peer is known ...
CHUNK_BYTES_MIN = 64 * KIB  # ... then from its speed, between these two
PULL_BYTES_MAX = 1 * MIB  # in one pull
CHUNK_MS = 4  # how long a small update may wait behind bulk
INLINE_BYTES_MAX = 64 * KIB  # a content up to this size travels inside the update itself
ATTACHED_BYTES_MAX = 1 * MIB  # all content attached to one update
RULES_BYTES_MAX = 64 * 1024  # a file with rules for paths that are not shared
RULES_MAX = 1_000  # rules in one such file
RULE_FOLDERS_MAX = 20_000  # folders whose rules are kept compiled
CHANGES_MAX = 1000  # changes in one update
PULLS_MAX = 4096  # pulls in one message, and unanswered pulls of one peer
FOLDER_ID_SHIFT = 26  # the lower bits of a pull id count; the upper bits name the folder
PULL_WINDOW_BYTES = 8 * MIB  # requested and not yet received, per peer
# one entry for each node that ever changed the path; a longer vector is forged, and would fill every index
VECTOR_ENTRIES_MAX = 1024
XATTRS_BYTES_MAX = 32 * KIB  # names and values of the extended attributes of one path; most file systems hold less
XATTRS_MAX = 256  # ... and how many
ACL_ENTRIES_MAX = 256  # in one ACL
OWNER_CHARS_MAX = 128  # in the name of a user or a group
OWNER_NUMBER_END = 2**32 - 1  # above the largest number of a user: this one means nobody at all
HISTORY_ANSWER_MAX = 10_000  # versions in the answer to one HISTORY_REQUEST
NAME_CHARS_MAX = 64  # names of nodes and folders, ids
TEXT_CHARS_MAX = 400  # reasons shown to people
SHOWN_PATH_CHARS_MAX = 32_768  # longer than any escaped path: one that is printed whole can be typed again
FOLDERS_MAX = 64  # folders in one hello
MEMBERS_MAX = 1024  # of a closed mesh; a member may add others, and each costs every member some memory
REMOVED_MAX = 1024  # of whom a key knows that they were removed
GENERATIONS_AHEAD_MAX = 256  # of a new key before ours: who has missed more than 8 keys is not given one at all
SIGNATURE_BYTES_MAX = FRAME_BYTES_MAX - 4 * KIB  # fits one attachment
BEACON_BYTES_MAX = 512  # never fragmented, even with an MTU of 576

# Deltas
DELTA_FILE_BYTES_MIN = INLINE_BYTES_MAX + 1  # smaller files travel whole, inside the update
SIGNATURE_BLOCK_BYTES_MIN = 1 * KIB
SIGNATURE_BLOCK_BYTES_MAX = 1 * MIB
DELTA_PAYS_BELOW = 0.6  # of the file's size; above, the whole file is simpler and hardly more expensive
GROWTH_FILE_BYTES_MIN = 4 * KIB  # smaller files travel whole, even if they only grew
GROWTH_STEP_BYTES = 4 * MIB  # appended at once, after its mark was checked; so much is kept in memory
GROWTH_MARKS_MAX = 1024  # 32 kB of text; a file that grew by more than 4 GB at once travels as a delta or whole
DELTA_CPU_S_MAX = 30.0  # limits a hostile or unlucky signature; then the whole file is sent

# Links
HELLO_WITHIN_MS = 5_000
PING_EVERY_MS = 10_000
DEAD_AFTER_MS = 30_000
ACK_WITHIN_MS = 1_000  # if a peer acknowledges no bytes for so long, its other address is tried, if it has one
UNFINISHED_PER_ADDRESS_MAX = 8
UNFINISHED_MAX = 64
REJECTED_PATHS_MAX = 100  # in one message: with the longest names that is some 2 MB of text
LINKS_MAX = 256
LINKS_PER_ADDRESS_MAX = 32  # several nodes on one machine or behind one router; one address does not get all places
OUTBOX_BYTES_MAX = 8 * MIB  # above, announcements wait in the index
OUTBOX_BYTES_BEHIND_MAX = (
    4 * OUTBOX_BYTES_MAX
)  # above, its peer is dropped: announcements and windows fill less, so it asks for more than it takes
INBOX_BYTES_PER_LINK_MAX = 16 * MIB  # above, the reader waits for the engine
INBOX_BYTES_RESTING_MAX = 64 * KIB  # ... above this while its peer is delayed for others: less than a page

# Stamps
STAMP_NS_MAX = 2**63 - 1
STAMP_NS_MADE_MAX = (
    2**62
)  # the year 2116: no mtime and no clock exceeds it, so a later change always has a larger stamp available
STAMP_AHEAD_NS = 365 * 86_400 * 10**9  # a stamp further ahead of our clock than this is wrong or forged
STAMP_GAP_NS = (
    3_600 * 10**9
)  # causality is compared only for stamps that lie further apart: an honest successor never goes back so far
CLOCK_SANE_NS = 1_672_531_200 * 10**9  # 2023: a clock before that was never set, and is not used to judge stamps
SEQUENCE_MAX = 2**62
SIZE_MAX = 2**60
MTIME_S_MIN, MTIME_S_MAX = -(2**40), 2**40  # wider than the range of any file system

# What one peer can leave behind
HEARSAY_PER_LINK_MAX = 10_000  # tombstones of unknown paths: some 200 bytes each, and dropping them harms nobody ...
HEARSAY_MAX = 50_000  # ... from all links together, because a node can invent ids: some 10 MB
DECLINED_PATHS_MAX = 1_000  # LACKS gives reasons for at most so many paths: 10 ms of work, a second or more apart
DECLINED_REASONS_MAX = 16  # in one LACKS
REASON_CHARS_MAX = 32
OFFERS_LEFT_MAX = (
    10_000  # if a peer that is no member leaves more offers than this, they are forgotten when it disconnects
)
UNSHARED_PER_PEER_MAX = 100_000  # paths that our rules ignore and a peer has: they are only counted; some 10 MB
PEERS_KEPT_MAX = 1_000  # remembered nodes that never shared the folder; their state is asked for again

# Local work
LOOK_ITEMS_MAX = 256  # paths in one look: some 10 ms
LISTING_LOOKS_MAX = 512  # new files that one listing job looks at: some 20 ms
GIVEN_LOOKS_MAX = 128  # the same if their content is announced at once: what does not fit the window is read again
LARGE_FILE_BYTES = 4 * MIB  # hashed, signed and patched apart from small files, so that those need not wait
APPLY_ITEMS_MAX = 256  # files in one install batch: one syncfs serves all
APPLY_BYTES_MAX = 8 * MIB
INSTALLING_BYTES_MAX = 24 * MIB  # contents in memory that are not on the disk yet; above, no small file is asked for
MERGE_BYTES_MAX = 1 * MIB  # a version of a text that is merged with another one: it travels as an attachment
MERGE_LINES_MAX = 20_000  # ... and its lines: comparing them costs most
MERGE_MS_MAX = 5_000  # a merge that takes longer is given up
BASES_PER_PATH_MAX = 16  # versions of one text that are kept to be merged from ...
BASES_BYTES_MAX = 128 * MIB  # ... and of all, compressed
DIRTY_BACKLOG_MAX = 4096  # paths found by a scan and not yet looked at; above, the scan pauses
TODO_PATHS_MAX = 50_000  # paths to plan kept in memory; above, a sweep of the index finds them again
DEBOUNCE_MS = 100  # a file being written is looked at when it is unchanged for so long ...
DEBOUNCE_MS_MAX = 1_000  # ... and at the latest after this
CREATED_MS = 20  # a new name whose close event has not arrived yet
VANISHED_MS = 10  # may be half of a rename or of an atomic save
TRUE_NAME_MS = 50  # a large new file is often renamed right after its last byte: it is announced under its final name
SAVE_GRACE_MS = 300  # ... or part of a save that puts the old file aside first, on a busy machine
ORIGIN_GRACE_MS = 150  # the maker of a change pushes it: other holders are asked only after this
RENAME_HOLD_MS = 2_000  # a removal waits so long for a new name of its content

# Reading everything again (verify, scrub)
VERIFY_ENTRIES_MAX = 1_000  # in one request or report: some 100 kB, and what both sides hold of a folder at a time
VERIFY_PAGE_BYTES = (
    256 * MIB
)  # ... and their contents: a few seconds of reading, so that one waits for no other for long
VERIFY_SLICE_BYTES = 32 * MIB  # read in one job, so that a large file neither delays the end nor holds up other readers
VERIFY_PASSES_A_DAY = 4  # how often, with its paths and bytes, a peer may have the folder read: more serves no user ...
VERIFY_FREE_BYTES = (
    1024 * MIB
)  # ... of a small folder so much each day, and at once: its users may try it again and again
VERIFY_SHARE = 2  # reading for peers takes at most one part in so many of the time, however many of them ask

assert HELLO_FRAME_BYTES_MAX < FRAME_BYTES_MAX
assert ATTACHED_BYTES_MAX + 64 * KIB < FRAME_BYTES_MAX
assert INLINE_BYTES_MAX <= ATTACHED_BYTES_MAX
assert MERGE_BYTES_MAX <= ATTACHED_BYTES_MAX
assert PULL_BYTES_MAX * 4 <= PULL_WINDOW_BYTES
assert FOLDERS_MAX << FOLDER_ID_SHIFT <= 2**32
assert CHUNK_BYTES_MIN <= CHUNK_BYTES <= PULL_BYTES_MAX
assert PAGE_BYTES_MAX + 64 * KIB < MESSAGE_BYTES_MAX
assert PING_EVERY_MS * 2 < DEAD_AFTER_MS
assert FRAME_BYTES_MAX * 2 <= INBOX_BYTES_PER_LINK_MAX
