"""Waiting for the end: on whichever thread a signal arrives, whenever, and nothing left behind."""

from __future__ import annotations

import os
import signal
import threading

from recsys.ending import Ending


def test_a_signal_on_any_thread_ends_the_waiting() -> None:
    other = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM))
    with Ending(signal.SIGTERM) as ending:
        other.start()
        ending.wait()
        other.join()


def test_a_signal_before_the_waiting_ends_it_too() -> None:
    with Ending(signal.SIGTERM, signal.SIGINT) as ending:
        os.kill(os.getpid(), signal.SIGINT)
        ending.wait()


def test_any_thread_may_ask_for_the_end_and_more_often_than_once() -> None:
    with Ending(signal.SIGTERM) as ending:
        for _ in range(100_000):  # more than a pipe holds
            ending.ask()
        ending.wait()
    ending.ask()


def test_other_signals_do_not_end_it_and_are_handled() -> None:
    handled: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: handled.append(number))
    try:
        with Ending(signal.SIGTERM) as ending:
            signal.raise_signal(signal.SIGUSR1)
            asking = threading.Thread(target=ending.ask)
            asking.start()
            ending.wait()
            asking.join()
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert handled == [signal.SIGUSR1]


def test_handlers_are_afterwards_as_they_were_before() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with Ending(signal.SIGTERM):
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1
