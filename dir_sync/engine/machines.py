"""All machines of one folder, made in the order of their layers.

In:   the index, and the settings of one folder. Out: the machines, by name.
Rule: a machine is made after those that it uses.
Used by: engine.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.mode import Mode
from dir_sync.core.retention import Retention
from dir_sync.core.safeguard.brake import Limits as BrakeLimits
from dir_sync.engine.acquire import Acquire
from dir_sync.engine.apart import Aparts
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.bulk_install import BulkInstall
from dir_sync.engine.contacts import Contacts
from dir_sync.engine.decisions import Decisions
from dir_sync.engine.declining import Declining
from dir_sync.engine.deltas_in import DeltaRequests
from dir_sync.engine.deltas_out import DeltasForPeers
from dir_sync.engine.excerpts import Excerpts
from dir_sync.engine.fetcher import Fetcher
from dir_sync.engine.folder_times import FolderTimes
from dir_sync.engine.forecaster import Forecaster
from dir_sync.engine.growth_in import GrowthInstaller
from dir_sync.engine.hard_links import HardLinks
from dir_sync.engine.healing import Healing
from dir_sync.engine.idle import IdleTasks
from dir_sync.engine.ignoring import Ignoring
from dir_sync.engine.in_vain import VainCounter
from dir_sync.engine.incoming_moves import IncomingMoves
from dir_sync.engine.intake import Intake
from dir_sync.engine.local_changes import LocalChanges
from dir_sync.engine.local_renames import LocalRenames
from dir_sync.engine.look_queue import LookQueue
from dir_sync.engine.merging import Merging
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.names import Names
from dir_sync.engine.own_changes import OwnChanges
from dir_sync.engine.own_echoes import OwnEchoes
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.path_decisions import PathDecisions
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.planner import Planner
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.queries import Queries
from dir_sync.engine.readers import ReadersFilter
from dir_sync.engine.recorder import LocalRecorder
from dir_sync.engine.rereads import Rereads
from dir_sync.engine.rotten import RottenFiles
from dir_sync.engine.router import MessageRouter
from dir_sync.engine.rows import Rows
from dir_sync.engine.scan import Scan
from dir_sync.engine.scope import Scope
from dir_sync.engine.scrub import Scrub
from dir_sync.engine.signatures import SignatureBacklog
from dir_sync.engine.silent import SilentChanges
from dir_sync.engine.sources import Sources
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.sync_report import SyncReport
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.uploader import Uploader
from dir_sync.engine.verify_answers import VerifyAnswers
from dir_sync.engine.verifying import Verifying
from dir_sync.engine.versions import VersionKeeper
from dir_sync.engine.work import WorkTable
from dir_sync.index import Index

__all__ = ["Machines"]


class Machines:
    """The machines of one folder: each gets the board and those below it.

    It has more fields than a class should have: each is one machine.
    """

    def __init__(
        self,
        index: Index,
        folder: str,
        tag: str,
        deltas: bool = True,
        brake: BrakeLimits | None = None,
        retention: Retention | None = None,
        ahead_ns: int = limits.STAMP_AHEAD_NS,
        number: int = 0,
        mode: Mode = Mode.TWO_WAY,
        default_rules: bool = False,
        local_rules: bool = False,
        merges: bool = False,
        scrub_s: int = 0,
    ) -> None:
        """`tag`: part of the names of staging files, different at each start. `deltas`: the delta library is installed.
        `retention`: how long the history keeps versions; None: forever. `ahead_ns`: how far a peer's stamp may be ahead
        of our clock before changes made here stop continuing from it. `number`: the position of the folder in our HELLO.
        `mode`: what is announced, and what is taken. `default_rules`: litter is not shared.
        `local_rules`: this machine may have rules of its own. `merges`: texts that lost a conflict are merged.
        `scrub_s`: in which time everything is read again in the background; 0: it is not."""
        self.board = board = Board(index, folder, tag, deltas, number)
        self.mode_rules = mode_rules = ModeRules(board, mode)
        self.contacts = contacts = Contacts(board)
        self.work = work = WorkTable(board)
        self.publisher = publisher = Publisher(board, mode_rules)
        self.scope = scope = Scope(board)
        self.vain = vain = VainCounter(board)
        self.readers = ReadersFilter(board)
        self.stamps = stamps = Stamps(board, mode_rules, ahead_ns)
        self.sources = sources = Sources(board, work)
        self.versions = versions = VersionKeeper(board, work, sources, retention)
        self.signatures = signatures = SignatureBacklog(board, deltas)
        self.folder_times = folder_times = FolderTimes(board, work, publisher)
        self.brakes = brakes = Brakes(board, brake)
        self.own_losses = own_losses = OwnLosses(board, work, brakes)
        self.peer_losses = peer_losses = PeerLosses(board, mode_rules, contacts, work, sources, brakes, index)
        self.transfers = transfers = TransferTable(board, mode_rules, contacts, work, sources, brakes, peer_losses)
        self.local_renames = local_renames = LocalRenames(board, work, scope, brakes, publisher)
        self.echoes = echoes = OwnEchoes(board)
        self.look_queue = look_queue = LookQueue(board, work, scope, versions, publisher, local_renames, echoes)
        self.names = names = Names(board, work, look_queue)
        self.rows = rows = Rows(
            board, mode_rules, work, stamps, brakes, own_losses, peer_losses, publisher, transfers, names
        )
        self.own_changes = own_changes = OwnChanges(board, mode_rules, stamps, sources, rows)
        self.deltas_out = deltas_out = DeltasForPeers(board, contacts)
        self.rotten_files = rotten_files = RottenFiles(board, deltas_out)
        self.uploader = uploader = Uploader(
            board, contacts, work, sources, brakes, publisher, local_renames, look_queue, deltas_out, vain
        )
        self.applier = applier = Applier(
            *(board, mode_rules, work, scope, sources, versions, signatures, folder_times, transfers, echoes),
            *(look_queue, rows),
        )
        self.hard_links = hard_links = HardLinks(
            board, mode_rules, work, sources, brakes, local_renames, applier, rotten_files
        )
        self.incoming_moves = incoming_moves = IncomingMoves(
            board, mode_rules, work, sources, brakes, transfers, rows, applier
        )
        self.growth_in = growth_in = GrowthInstaller(board, work, transfers, applier)
        self.deltas_in = deltas_in = DeltaRequests(board, mode_rules, contacts, work, sources, signatures, transfers)
        self.excerpts = excerpts = Excerpts(board, transfers)
        self.fetcher = fetcher = Fetcher(
            board, work, sources, brakes, transfers, applier, incoming_moves, growth_in, deltas_in, excerpts
        )
        self.bulk_install = bulk_install = BulkInstall(
            board, work, scope, versions, signatures, publisher, echoes, applier
        )
        self.acquire = acquire = Acquire(
            board,
            mode_rules,
            work,
            vain,
            sources,
            brakes,
            peer_losses,
            transfers,
            rows,
            applier,
            hard_links,
            incoming_moves,
            fetcher,
        )
        self.planner = planner = Planner(
            board,
            mode_rules,
            work,
            scope,
            stamps,
            vain,
            sources,
            brakes,
            transfers,
            rows,
            own_changes,
            incoming_moves,
            fetcher,
            acquire,
        )
        self.sync_report = sync_report = SyncReport(
            board, mode_rules, work, brakes, publisher, transfers, Declining(board, work)
        )
        self.intake = intake = Intake(
            board, contacts, work, scope, vain, stamps, sources, brakes, peer_losses, publisher, uploader, sync_report
        )
        self.forecaster = Forecaster(board, mode_rules, work, scope, stamps, intake)
        self.silent = silent = SilentChanges(board)
        self.recorder = recorder = LocalRecorder(
            board,
            mode_rules,
            work,
            scope,
            stamps,
            signatures,
            folder_times,
            local_renames,
            look_queue,
            rows,
            deltas_out,
            applier,
            silent,
        )
        self.local_changes = local_changes = LocalChanges(
            board,
            work,
            scope,
            stamps,
            folder_times,
            brakes,
            own_losses,
            transfers,
            publisher,
            local_renames,
            look_queue,
            names,
            rows,
            deltas_out,
            hard_links,
            intake,
            recorder,
        )
        self.ignoring = ignoring = Ignoring(
            board, work, scope, own_losses, transfers, intake, default_rules, local_rules
        )
        self.scan = Scan(
            board,
            mode_rules,
            work,
            scope,
            ignoring,
            brakes,
            own_losses,
            transfers,
            publisher,
            local_renames,
            echoes,
            look_queue,
            rows,
            applier,
            hard_links,
            planner,
            intake,
            recorder,
            local_changes,
        )
        self.queries = queries = Queries(board, scope, stamps)
        self.merging = merging = Merging(board, mode_rules, work, stamps, rows, queries, merges)
        self.path_decisions = path_decisions = PathDecisions(
            board, mode_rules, stamps, brakes, own_losses, peer_losses, rows, intake, queries
        )
        self.decisions = decisions = Decisions(
            board, mode_rules, brakes, own_losses, peer_losses, rows, intake, path_decisions
        )
        self.idle = IdleTasks(board, work, signatures, folder_times, transfers, echoes)
        self.rereads = rereads = Rereads(board, work)
        self.healing = healing = Healing(board, work, sources, transfers, applier, rereads, rotten_files)
        self.apart = apart = Aparts(board, scope, mode_rules, work)
        self.verify_answers = verify_answers = VerifyAnswers(board, apart, rereads, healing, rotten_files)
        self.scrub = scrub = Scrub(board, work, rereads, verify_answers, scrub_s)
        self.verifying = verifying = Verifying(board, scope, rereads, healing, verify_answers, scrub, rotten_files)
        self.router = MessageRouter(
            board,
            mode_rules,
            contacts,
            work,
            folder_times,
            peer_losses,
            deltas_out,
            uploader,
            incoming_moves,
            deltas_in,
            fetcher,
            bulk_install,
            sync_report,
            intake,
            queries,
            merging,
            decisions,
            verify_answers,
            verifying,
        )
