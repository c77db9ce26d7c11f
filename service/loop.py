"""The loop closed: answers go on record, feedback is kept, and what it says comes back into the answers."""

from collections.abc import Callable, Sequence

from cds_hooks import Caller, Feedback, Service
from cds_hooks.feedback import TakeFeedback
from service import metrics
from service.burden import Burden, unknown_names
from service.config import Settings, SettingsError
from service.digests import Digests
from service.memory import Memory
from service.memory_page import load_memory_page
from service.presenting import Presenting
from service.recall import Recall
from service.recording import clock_of, recorder
from service.rules import Rules
from service.store import Store
from service.upkeep import Upkeep

__all__ = ["counted", "presenting"]


def presenting(settings: Settings, rules: Rules, store: Store | None) -> Presenting:
    """What presents decisions as the settings say, put on record and remembered where there is a store.

    Raises SettingsError for a name that no rule or outcome has, Flawed for a memory page that cannot be used.
    """
    problems = list(unknown_names(settings.quiet, rules))
    if problems:
        raise SettingsError(problems)
    page = load_memory_page(rules, settings.memory_page)
    burden = Burden(settings.quiet)
    if store is None:
        return Presenting(rules, burden, settings.max_cards)
    memory, journal, pseudonyms = Memory(page), store.journal, store.pseudonyms
    tasks: list[Callable[[], None]] = [lambda: metrics.STORE_QUEUE.set(journal.queued)]
    if settings.memory:
        tasks.append(Recall(store.database, memory).look)
    store.beside(Upkeep(tasks).close)
    digests = Digests(pseudonyms.all_of("evidence"))
    return Presenting(
        rules,
        burden,
        settings.max_cards,
        memory=memory,
        pseudonyms=pseudonyms,
        digests=digests,
        record=recorder(rules, digests, journal, clock_of(settings.today)),
    )


def counted(take: TakeFeedback) -> TakeFeedback:
    """The same, with what was kept counted."""

    def taken(service: Service, batch: Sequence[Feedback], caller: Caller | None) -> None:
        take(service, batch, caller)
        for item in batch:
            metrics.FEEDBACK[item.outcome,].inc()

    return taken
